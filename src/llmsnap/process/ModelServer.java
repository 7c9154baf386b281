package llmsnap.process;

import static java.lang.Math.max;
import static java.lang.Math.min;
import static java.util.concurrent.TimeUnit.MILLISECONDS;
import static java.util.concurrent.TimeUnit.NANOSECONDS;
import static java.util.concurrent.TimeUnit.SECONDS;

import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Supplier;
import llmsnap.config.Config.Abilities;
import llmsnap.config.Config.Call;
import llmsnap.config.Config.Launch;
import llmsnap.config.Config.Model;
import llmsnap.config.Config;
import llmsnap.models.Event;
import llmsnap.models.Kept;
import llmsnap.models.ModelRun;
import llmsnap.platform.Ports;
import llmsnap.record.Log;
import llmsnap.record.LogBuffer;

/**
 * One run of a model's server: a process, from start to end. Blocking work, on threads of its own.
 */
public final class ModelServer implements ModelRun {
    private static final long PORT_PATIENCE_NANOS = SECONDS.toNanos(1);
    private static final long PORT_LOOK_MS = 10;
    private static final long FIRST_PROBE_MS = 1_000;
    private static final long MAX_PROBE_MS = 30_000;
    private static final long MIN_PAUSE_NANOS = 5_000_000;
    private static final long MAX_PAUSE_NANOS = 500_000_000;
    private static final long LOOK_MS = 500;
    private static final long LAST_OUTPUT_MS = 100;
    private static final long EXIT_REPORT_MS = 2_000;
    private static final long KILLED_SECONDS = 5;
    private static final long TELL_NANOS = SECONDS.toNanos(10);
    private static final AtomicLong RUNS = new AtomicLong();
    private static final AtomicInteger LAST_MOVED = new AtomicInteger();

    /**
     * Makes runs that log to {@code log}; {@code leftovers} have to be gone before the first
     * starts.
     *
     * @param config the one in force
     * @param client towards servers over HTTP, or for {@code true} over HTTPS
     */
    public record Factory(Leftovers leftovers, Log log, Supplier<Config> config,
            Function<Boolean, HttpClient> client, Meter meter, PromptCaches prompts)
            implements ModelRun.Factory {
        @Override public Kept kept(String model) {
            return prompts.kept(model);
        }

        @Override public void forget(Model model) {
            prompts.forget(model);
        }

        @Override public Abilities abilities(Model model) {
            return meter.props.of(model);
        }

        @Override public void look() {
            meter.look();
        }

        @Override public void learned(Map<String, Map<String, Long>> sizes) {
            meter.learned(sizes);
        }

        private Set<String> secrets() {
            return config.get().settings().entry().secrets();
        }

        /** A free port above all that are handed out; 0 when there is none. */
        private int nextPort() {
            int highest = config.get().models().values().stream()
                .mapToInt(each -> max(each.launch().port(), each.proxy().port())).max().orElse(0);
            int port;
            do {
                port = LAST_MOVED.updateAndGet(last -> max(last, highest) + 1);
            } while (port <= Config.Address.MAX_PORT && Ports.isHeld(port));
            return port > Config.Address.MAX_PORT ? 0 : port;
        }

        @Override public ModelRun create(Model model, int run, Consumer<Event> report) {
            return new ModelServer(this, model, run, report);
        }
    }

    /** Why a model did not get ready. */
    private static final class StartFailed extends Exception {

        StartFailed(String message) {
            super(message, null, false, false);
        }
    }

    private final Factory factory;
    private final Log log;
    /** The next three change once, before its process is there: when its port is taken. */
    private volatile Model model;
    private volatile Launch launch;
    private volatile Endpoint endpoint;
    private final int run;
    private final Consumer<Event> report;
    /** Whoever sets it ends the run and reports Gone. */
    private final AtomicBoolean ending = new AtomicBoolean();
    /** The end was reported: nobody is granted this run any more. */
    private final CountDownLatch ended = new CountDownLatch(1);
    private final CountDownLatch outputEnded = new CountDownLatch(1);
    private final RunOutput output;
    private volatile Process process;
    private volatile boolean ready;
    private volatile boolean inHaste;
    /** It was looked for processes that have hidden from their parent. */
    private volatile boolean lookedAt;
    private volatile ProcessTree tree;
    /** Who starts, wakes or puts to sleep. */
    private volatile Thread worker;

    private ModelServer(Factory factory, Model model, int run, Consumer<Event> report) {
        this.factory = factory;
        this.log = factory.log;
        this.run = run;
        this.report = report;
        is(model);
        this.output = new RunOutput(log.model(model.id()), log.model(model.id()).written());
    }

    private void is(Model its) {
        model = its;
        launch = its.launch();
        endpoint = new Endpoint(its.proxy(), launch.life().apiKey(), factory.client);
    }

    @Override public String authority() {
        return endpoint.authority();
    }

    @Override public URI base() {
        return endpoint.base();
    }

    @Override public long pid() {
        Process started = process;
        return started == null ? 0 : started.pid();
    }

    @Override public List<Long> pids() {
        ProcessTree started = tree;
        return started == null ? List.of() : started.pids();
    }

    @Override public boolean hasEnded(long millis) throws InterruptedException {
        if (model.isAttached()) {
            if (!endpoint.accepts()) failed(the() + " does not answer any more");
            return ended.getCount() == 0;
        }
        Process started = process;
        boolean exited = started == null || started.waitFor(millis, MILLISECONDS);
        return exited && ended.await(EXIT_REPORT_MS, MILLISECONDS);
    }

    @Override public String lastLines() {
        return output.tail();
    }

    /**
     * The first process that a JVM starts takes it 20 to 40 ms; this starts one that does nothing.
     */
    public static void warmUp() throws IOException, InterruptedException {
        new ProcessBuilder("true").start().waitFor();
    }

    private String the() {
        return "the model \"" + model.id() + "\"";
    }

    /** What is logged of it. */
    private String line(String what) {
        return "model " + model.id() + ": " + what;
    }

    private void warn(String what) {
        log.warn(line(what));
    }

    // ---- start

    @Override public void start() {
        work("start", () -> {
            try {
                factory.leftovers.awaitEnd();
                if (!model.isAttached()) {
                    factory.prompts.prepare(model);
                    awaitPort();
                    if (!spawn()) return;
                }
                awaitReady();
                factory.prompts.restore(model, endpoint, this::noted);
                callAll("afterStart", launch.life().afterStart());
                ready = true;
                later(this::lookAt);
                report.accept(new Event.Ready(model.id(), run));
            } catch (StartFailed e) {
                failed(e.getMessage());
            }
        });
    }

    /** What is of no hurry once it is ready. */
    private void lookAt() {
        if (tree != null) tree.noteMarked();
        lookedAt = true;
        if (ending.get() || !factory.meter.props.ask(model, endpoint)) return;
        factory.meter.keep();
        noted();
    }

    private static void later(Runnable look) {
        CompletableFuture.delayedExecutor(LOOK_MS, MILLISECONDS)
            .execute(() -> Thread.ofVirtual().start(look));
    }

    private void noted() {
        report.accept(new Event.Noted(model.id()));
    }

    /** One that fails stops nothing. */
    private void callAll(String what, List<Call> calls) throws InterruptedException {
        for (Call call : calls) {
            int seconds = inHaste ? 1 : call.timeoutSeconds();
            String failure = endpoint.failure(
                new Call(call.method(), call.path(), call.body(), seconds), true);
            if (failure == null) continue;
            warn(what + " call " + call.method() + " " + call.path() + failure);
        }
    }

    private void failed(String why) {
        if (!ending.compareAndSet(false, true)) return;
        report.accept(failure(why));
        end();
    }

    /** -1 when the process did not end. */
    private int exitCode() {
        boolean over = process != null && !process.isAlive();
        return over ? process.exitValue() : -1;
    }

    private Event failure(String why) {
        boolean ranOut = !ready && output.saysOutOfMemory();
        return ranOut ? new Event.RanOut(model.id(), run, why)
            : new Event.Failed(model.id(), run, why, exitCode());
    }

    /** A piece of blocking work that {@link #stop} or the end of the process interrupts. */
    private interface Work {
        void run() throws InterruptedException;
    }

    private void work(String what, Work work) {
        worker = Thread.ofVirtual().name(what + " " + model.id()).unstarted(() -> {
            try {
                work.run();
            } catch (InterruptedException e) {
                // whoever interrupted reports what became of it
            } catch (RuntimeException | Error e) {
                log.error(line(what + " failed: " + e));
                failed(what + " failed: " + e);
            }
        });
        worker.start();
    }

    /**
     * A port that a model has just left may take a moment to be free. Where a stranger has it the
     * model moves, unless the configuration says just that one.
     */
    private void awaitPort() throws StartFailed, InterruptedException {
        if (!model.proxy().isLocal()) return;
        int port = model.proxy().port();
        boolean movable = launch.port() == port;
        long end = System.nanoTime() + PORT_PATIENCE_NANOS;
        for (boolean first = true; endpoint.isPortTaken(); first = false) {
            boolean late = System.nanoTime() > end;
            boolean leaves = late || first && InWords.isStranger(port);
            if (movable && leaves && move()) return;
            if (late) {
                throw new StartFailed(the() + " was not started: port " + port + " is taken by "
                    + InWords.holder(port) + "; stop that, or give the model another port"
                    + " (startPort moves all of them)");
            }
            MILLISECONDS.sleep(PORT_LOOK_MS);
        }
    }

    private boolean move() {
        int port = factory.nextPort();
        if (port == 0) return false;
        warn("port " + launch.port() + " is taken by " + InWords.holder(launch.port())
            + "; port " + port + " is used instead");
        is(model.at(port));
        report.accept(new Event.Moved(model, run));
        return true;
    }

    /** Starts the process. @return false when a stop came first: {@link #end} waits for it */
    private boolean spawn() throws StartFailed {
        var nothing = new File(File.separatorChar == '/' ? "/dev/null" : "NUL");
        ProcessBuilder builder = command(model.cmd()).redirectInput(nothing);
        String mark = factory.leftovers.instance() + "." + RUNS.incrementAndGet();
        builder.environment().put(ProcessTree.MARK, mark);
        builder.environment().put(ProcessTree.MODEL, model.id());
        Process started;
        try {
            started = builder.start();
        } catch (IOException e) {
            throw new StartFailed(the() + " cannot be started: "
                + InWords.reason(e, model.cmd().getFirst()));
        }
        tree = new ProcessTree(started.toHandle(), mark);
        process = started;
        readOutput(started, () -> {
            log.ended(model.id());
            outputEnded.countDown();
        });
        started.onExit().thenRun(() -> Thread.ofVirtual().start(this::exited));
        return !ending.get();
    }

    private ProcessBuilder command(List<String> words) {
        var builder = new ProcessBuilder(words).redirectErrorStream(true);
        builder.environment().keySet().removeAll(factory.secrets());
        for (String entry : launch.words(launch.command().env())) {
            int equals = entry.indexOf('=');
            builder.environment().put(entry.substring(0, equals), entry.substring(equals + 1));
        }
        return builder;
    }

    private void readOutput(Process from, Runnable done) {
        Thread.ofPlatform().daemon().name("output " + model.id()).start(() -> {
            try (InputStream output = from.getInputStream()) {
                copyToLog(output);
            } catch (IOException e) {
                // the process is gone
            } finally {
                done.run();
            }
        });
    }

    /** Whole characters only: what other models write must not come between their bytes. */
    private void copyToLog(InputStream output) throws IOException {
        byte[] buffer = new byte[8192];
        int held = 0;
        for (int n; (n = output.read(buffer, held, buffer.length - held)) >= 0; ) {
            int length = held + n;
            held = LogBuffer.incomplete(buffer, length);
            log.upstream(model.id(), buffer, length - held);
            System.arraycopy(buffer, length - held, buffer, 0, held);
        }
        log.upstream(model.id(), buffer, held);
    }

    private void awaitReady() throws StartFailed, InterruptedException {
        int timeout = model.limits().healthCheckSeconds();
        String check = launch.checkEndpoint();
        long start = System.nanoTime();
        long passed = 0;
        long toldNanos = 0;
        String met = "";
        long probeMs = FIRST_PROBE_MS;  // one that accepts before it can answer may let probes hang
        while (true) {
            long leftMs = max(1, SECONDS.toMillis(timeout) - NANOSECONDS.toMillis(passed));
            long patienceMs = min(probeMs, leftMs);
            long before = System.nanoTime();
            String now = endpoint.probe(check, patienceMs);
            if (now == null) return;
            boolean silent = System.nanoTime() - before >= MILLISECONDS.toNanos(patienceMs);
            // The last one has little time: what was met before tells more.
            if (!silent || patienceMs == probeMs || met.isEmpty()) met = now;
            if (silent) probeMs = min(probeMs * 2, MAX_PROBE_MS);
            if (log.isDebug()) log.debug(line("probe of " + model.proxy() + ": " + met));
            passed = System.nanoTime() - start;
            if (passed > toldNanos + TELL_NANOS) {
                toldNanos = passed;
                log.info(line("loading for " + NANOSECONDS.toSeconds(passed)
                    + " s, its last line: " + output.last(1)));
            }
            if (passed > SECONDS.toNanos(timeout)) {
                throw new StartFailed(the() + " did not get ready within " + timeout
                    + " s (healthCheckTimeout): no 200 from " + model.proxy()
                    + (check == null ? "" : check) + ", " + met
                    + output.otherPort(model.proxy().port()) + "; " + lastLines());
            }
            // Half a percent of the time passed: little is lost when it is quick, little asked when
            // slow.
            NANOSECONDS.sleep(Math.clamp(passed / 200, MIN_PAUSE_NANOS, MAX_PAUSE_NANOS));
        }
    }

    // ---- sleep and wake

    @Override public void sleep() {
        call("sleep", launch.sleep().sleep(), new Event.Slept(model.id(), run));
    }

    @Override public void wake() {
        call("wake", launch.sleep().wake(), new Event.Ready(model.id(), run));
    }

    private void call(String what, List<Call> calls, Event done) {
        work(what, () -> {
            for (Call call : calls) {
                String failure = endpoint.failure(call, false);
                if (failure == null) continue;
                String why = what + " call " + call.method() + " " + call.path() + failure;
                report.accept(new Event.CallFailed(model.id(), run, why));
                return;
            }
            report.accept(done);
        });
    }

    // ---- the end

    /** The process ended, asked or not. */
    private void exited() {
        if (!ending.compareAndSet(false, true)) return;
        leave(() -> {
            worker.interrupt();
            outputEnded.await(LAST_OUTPUT_MS, MILLISECONDS);
            String why = "the server of " + the() + " "
                + InWords.end(process.exitValue(), ready) + "; " + lastLines();
            report.accept(failure(why));
            ended.countDown();
            tree.endSurvivors(false);
        });
    }

    /** The last work of this run, whatever becomes of it; only by who has set {@link #ending}. */
    private void leave(Work work) {
        try {
            work.run();
        } catch (InterruptedException e) {
            kill();
        } catch (RuntimeException | Error e) {
            log.error(line("its end failed: " + e));
            kill();
        }
        ended.countDown();
        report.accept(new Event.Gone(model.id(), run));
    }

    @Override public void stop(boolean haste) {
        inHaste = haste;
        if (!ending.compareAndSet(false, true)) return;
        Thread.ofVirtual().name("stop " + model.id()).start(this::end);
    }

    @Override public void kill() {
        ProcessTree started = tree;
        if (started != null) started.kill();
    }

    private void end() {
        leave(() -> {
            Thread starter = worker;
            if (starter != null && starter != Thread.currentThread()) {
                starter.interrupt();
                starter.join();     // from here on the process is there, or never will be
            }
            if (process != null) endProcess();
        });
    }

    private void endProcess() throws InterruptedException {
        int timeout = launch.life().unloadTimeoutSeconds();
        if (ready) {
            callAll("beforeStop", launch.life().beforeStop());
            factory.prompts.save(model, endpoint, inHaste, this::noted);
        }
        long deadline = System.nanoTime() + SECONDS.toNanos(timeout);
        tree.noteDescendants();
        // Through the handle: Process.destroy closes the pipe of its output, too: no last words.
        boolean asked = !launch.command().stop().isEmpty() && stopByCommand(deadline);
        if (!asked) process.toHandle().destroy();
        // A look at all processes takes longer than most take to exit: it was done before.
        if (!lookedAt) tree.noteMarked();
        boolean inTime = process.waitFor(deadline - System.nanoTime(), NANOSECONDS);
        if (!inTime) {
            warn("did not exit within " + timeout + " s, killing it");
            tree.kill();
            process.waitFor(KILLED_SECONDS, SECONDS);
        }
        if (!inTime || !tree.isSingle() || inHaste) tree.endSurvivors(!inTime);
        // One that has hidden since then is found when what starts now is through.
        else later(() -> tree.endSurvivors(false));
    }

    /** Runs cmdStop. @return false when it could not do its work, so that a signal has to */
    private boolean stopByCommand(long deadline) throws InterruptedException {
        List<String> words = new ArrayList<>(launch.words(launch.command().stop()));
        words.replaceAll(word -> word.replace("${PID}", String.valueOf(process.pid())));
        Process stopper;
        try {
            stopper = command(words).start();
            stopper.getOutputStream().close();
        } catch (IOException e) {
            warn("cmdStop: " + InWords.reason(e, words.getFirst()) + "; SIGTERM was sent instead");
            return false;
        }
        readOutput(stopper, () -> { });
        CompletableFuture<Process> stopped = stopper.onExit()
            .orTimeout(deadline - System.nanoTime(), NANOSECONDS).exceptionally(late -> {
                warn("cmdStop did not end within " + launch.life().unloadTimeoutSeconds()
                    + " s, killing it");
                stopper.descendants().forEach(ProcessHandle::destroyForcibly);
                return stopper.destroyForcibly();
            });
        CompletableFuture.anyOf(stopped, process.onExit()).join();
        int code = stopper.isAlive() ? 0 : stopper.exitValue();
        if (code != 0) warn("cmdStop exited with code " + code);
        return !process.isAlive() || !stopper.isAlive() && code == 0;
    }
}
