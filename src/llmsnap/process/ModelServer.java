package llmsnap.process;

import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.net.UnknownHostException;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import java.util.function.Supplier;
import llmsnap.config.Config.Address;
import llmsnap.config.Config.Call;
import llmsnap.config.Config.Model;
import llmsnap.observe.Log;
import llmsnap.observe.LogBuffer;
import llmsnap.swap.ModelRun;
import llmsnap.swap.Scheduler.Event;

/** One run of a model's server: a process, and the HTTP calls that ask how it is. Blocking work, on threads of its own. */
public final class ModelServer implements ModelRun {
    private static final long PORT_PATIENCE_MS = 1_000;
    private static final long LAST_OUTPUT_MS = 100;
    private static final long EXIT_REPORT_MS = 2_000;
    private static final int LAST_LINES = 8;
    private static final int LAST_LINES_BYTES = 2_000;
    private static final java.util.concurrent.atomic.AtomicLong RUNS = new java.util.concurrent.atomic.AtomicLong();

    /** Makes runs that log to {@code log}; {@code leftovers} have to be gone before the first starts. */
    public record Factory(Leftovers leftovers, Log log, Supplier<HttpClient> http) implements ModelRun.Factory {
        @Override public ModelRun create(Model model, int run, Consumer<Event> report) {
            return new ModelServer(this, model, run, report);
        }
    }

    /** Why a model did not get ready. */
    private static final class StartFailed extends Exception {
        private static final long serialVersionUID = 1;

        StartFailed(String message) {
            super(message, null, false, false);
        }
    }

    private final Factory factory;
    private final Model model;
    private final int run;
    private final Consumer<Event> report;
    private final AtomicBoolean ending = new AtomicBoolean();       // whoever sets it ends the run and reports Gone
    private final CountDownLatch ended = new CountDownLatch(1);     // the end was reported, so that nobody is granted this run any more
    private final CountDownLatch outputEnded = new CountDownLatch(1);
    private final long logBefore;       // where this run's part of the model's log begins
    private volatile Process process;
    private volatile ProcessTree tree;
    private volatile URI base;
    private volatile Thread worker;                                 // who starts, wakes or puts to sleep

    private ModelServer(Factory factory, Model model, int run, Consumer<Event> report) {
        this.factory = factory;
        this.model = model;
        this.run = run;
        this.report = report;
        this.base = URI.create("http://127.0.0.1:1");
        this.logBefore = factory.log.model(model.id()).written();
    }

    @Override public URI base() {
        return base;
    }

    @Override public long pid() {
        Process started = process;
        return started == null ? 0 : started.pid();
    }

    @Override public boolean hasEnded(long millis) throws InterruptedException {
        Process started = process;
        if (started != null && !started.waitFor(millis, TimeUnit.MILLISECONDS)) return false;
        return ended.await(EXIT_REPORT_MS, TimeUnit.MILLISECONDS);
    }

    @Override public String lastLines() {
        String lines = factory.log.model(model.id()).lastLines(LAST_LINES, LAST_LINES_BYTES, logBefore);
        return lines.isBlank() ? "it logged nothing" : "its last lines:\n" + lines;
    }

    /** The first process that a JVM starts takes it 20 to 40 ms; this starts one that does nothing. */
    public static void warmUp() throws IOException, InterruptedException {
        new ProcessBuilder("true").start().waitFor();
    }

    // ---- start

    @Override public void start() {
        work("start", () -> {
            try {
                factory.leftovers.awaitEnd();
                waitForPort();
                if (!spawn()) return;
                awaitReady();
                report.accept(new Event.Ready(model.id(), run));
            } catch (StartFailed e) {
                if (!ending.compareAndSet(false, true)) return;
                report.accept(new Event.Failed(model.id(), run, e.getMessage()));
                end();
            }
        });
    }

    /** A piece of blocking work that {@link #stop} or the end of the process interrupts. */
    private interface Work {
        void run() throws InterruptedException;
    }

    private void work(String what, Work work) {
        Thread thread = Thread.ofVirtual().name(what + " " + model.id()).unstarted(() -> {
            try {
                work.run();
            } catch (InterruptedException e) {
                // whoever interrupted reports what became of it
            } catch (RuntimeException | Error e) {
                factory.log.error("model " + model.id() + ": " + what + " failed: " + e);
                report.accept(new Event.Failed(model.id(), run, what + " failed: " + e));
                if (ending.compareAndSet(false, true)) end();
            }
        });
        worker = thread;
        thread.start();
    }

    /** A port that a model has just left may take a moment to be free; one that a stranger holds is an error. */
    private void waitForPort() throws StartFailed, InterruptedException {
        if (!model.proxy().isLocal()) return;
        long end = System.nanoTime() + PORT_PATIENCE_MS * 1_000_000;
        while (isTaken()) {
            if (System.nanoTime() > end) {
                throw new StartFailed("the model \"" + model.id() + "\" was not started: port " + model.proxy().port()
                    + " is taken by another program; stop that, or give the model another port (startPort moves all of them)");
            }
            TimeUnit.MILLISECONDS.sleep(10);
        }
    }

    /** Asked by listening on it for a moment, which the stranger does not notice. */
    private boolean isTaken() {
        for (InetAddress address : addresses()) {
            try (ServerSocket socket = new ServerSocket()) {
                socket.setReuseAddress(true);
                socket.bind(new InetSocketAddress(address, model.proxy().port()));
            } catch (IOException e) {
                if (e.getMessage() != null && e.getMessage().contains("in use")) return true;
            }
        }
        return false;
    }

    private boolean spawn() throws StartFailed {
        ProcessBuilder builder = new ProcessBuilder(model.cmd()).redirectErrorStream(true)
            .redirectInput(ProcessBuilder.Redirect.from(new java.io.File(java.io.File.separatorChar == '/' ? "/dev/null" : "NUL")));
        String mark = factory.leftovers.instance() + "." + RUNS.incrementAndGet();
        addEnvironment(builder);
        builder.environment().put(ProcessTree.MARK, mark);
        Process started;
        try {
            started = builder.start();
        } catch (IOException e) {
            String program = model.cmd().getFirst();
            throw new StartFailed("the model \"" + model.id() + "\" cannot be started: "
                + (e.getMessage().matches("(?s).*error[=:] ?2\\b.*") ? "there is no program \"" + program + "\"; is it installed, and is its full path in cmd?"
                    : e.getMessage().matches("(?s).*error[=:] ?13\\b.*") ? "\"" + program + "\" may not be executed" : e.getMessage()));
        }
        tree = new ProcessTree(started.toHandle(), mark);
        process = started;
        Thread.ofPlatform().daemon().name("output " + model.id()).start(() -> pump(started.getInputStream(), outputEnded));
        started.onExit().thenRun(() -> Thread.ofVirtual().start(this::exited));
        return !ending.get();       // a stop that came before the process did waits for it, see endProcess
    }

    private void addEnvironment(ProcessBuilder builder) {
        for (String entry : model.env()) {
            int equals = entry.indexOf('=');
            builder.environment().put(entry.substring(0, equals), entry.substring(equals + 1));
        }
    }

    private void pump(InputStream output, CountDownLatch done) {
        byte[] buffer = new byte[8192];
        int held = 0;       // the beginning of a character: what other models write must not come between
        try (output) {
            for (int n; (n = output.read(buffer, held, buffer.length - held)) >= 0; ) {
                int length = held + n;
                held = LogBuffer.incomplete(buffer, length);
                factory.log.upstream(model.id(), buffer, length - held);
                System.arraycopy(buffer, length - held, buffer, 0, held);
            }
            factory.log.upstream(model.id(), buffer, held);
        } catch (IOException e) {
            // the process is gone
        } finally {
            done.countDown();
        }
    }

    // ---- readiness

    private void awaitReady() throws StartFailed, InterruptedException {
        long start = System.nanoTime();
        long timeoutNanos = TimeUnit.SECONDS.toNanos(model.healthCheckTimeoutSeconds());
        long probeMs = 1_000;       // a server that accepts before it can answer may let the first probes hang
        while (true) {
            InetAddress answering = connected(addresses());
            if (answering != null) {
                base = baseAt(answering);
                if (model.checkEndpoint() == null) return;
                try {
                    if (status("GET", model.checkEndpoint(), "", probeMs) == 200) return;
                } catch (java.net.http.HttpTimeoutException e) {
                    probeMs = Math.min(probeMs * 2, 30_000);
                } catch (IOException e) {
                    // not yet
                }
            }
            long passed = System.nanoTime() - start;
            if (passed > timeoutNanos) {
                throw new StartFailed("the model \"" + model.id() + "\" did not get ready within " + model.healthCheckTimeoutSeconds()
                    + " s (healthCheckTimeout): no 200 from " + model.proxy() + (model.checkEndpoint() == null ? "" : model.checkEndpoint())
                    + "; " + lastLines());
            }
            // About every half percent of the time passed: little is lost when it is quick, little is asked when it is slow.
            TimeUnit.NANOSECONDS.sleep(Math.clamp(passed / 200, 5_000_000, 500_000_000));
        }
    }

    private List<InetAddress> addresses() {
        String host = model.proxy().host();
        try {
            if (host.equalsIgnoreCase("localhost")) {
                return List.of(InetAddress.getByAddress(host, new byte[] {127, 0, 0, 1}), InetAddress.getByName("::1"));
            }
            return List.of(InetAddress.getAllByName(host));
        } catch (UnknownHostException e) {
            return List.of();
        }
    }

    /** The first of {@code addresses} that accepts a connection on the model's port, or null. */
    private InetAddress connected(List<InetAddress> addresses) throws InterruptedException {
        for (InetAddress address : addresses) {
            if (Thread.interrupted()) throw new InterruptedException();
            try (Socket socket = new Socket()) {
                socket.connect(new InetSocketAddress(address, model.proxy().port()), 1_000);
                return address;
            } catch (IOException e) {
                // not here, or not yet
            }
        }
        return null;
    }

    /** TLS needs the host's name to check the certificate; plain HTTP goes to the address that answered. */
    private URI baseAt(InetAddress address) {
        Address proxy = model.proxy();
        if (proxy.isHttps()) return URI.create(proxy.toString());
        String host = address.getHostAddress();
        return URI.create("http://" + (host.contains(":") ? "[" + host.replaceAll("%.*", "") + "]" : host) + ":" + proxy.port() + proxy.basePath());
    }

    private int status(String method, String path, String body, long timeoutMs) throws IOException, InterruptedException {
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(base + path)).timeout(Duration.ofMillis(timeoutMs))
            .method(method, body.isEmpty() ? HttpRequest.BodyPublishers.noBody() : HttpRequest.BodyPublishers.ofString(body));
        if (!model.proxy().isHttps()) request.header("Host", model.proxy().authority());
        if (!body.isEmpty()) request.header("Content-Type", "application/json");
        return factory.http.get().send(request.build(), HttpResponse.BodyHandlers.discarding()).statusCode();
    }

    // ---- sleep and wake

    @Override public void sleep() {
        work("sleep", () -> {
            String failure = calls("sleep", model.sleep().sleep());
            report.accept(failure == null ? new Event.Slept(model.id(), run) : new Event.CallFailed(model.id(), run, failure));
        });
    }

    @Override public void wake() {
        work("wake", () -> {
            String failure = calls("wake", model.sleep().wake());
            report.accept(failure == null ? new Event.Ready(model.id(), run) : new Event.CallFailed(model.id(), run, failure));
        });
    }

    /** Makes the calls in order. @return what failed, or null */
    private String calls(String what, List<Call> calls) throws InterruptedException {
        for (Call call : calls) {
            String name = what + " call " + call.method() + " " + call.path();
            try {
                int status = status(call.method(), call.path(), call.body(), call.timeoutSeconds() * 1000L);
                if (status != 200) return name + " answered " + status;
            } catch (java.net.http.HttpTimeoutException e) {
                return name + " did not answer within " + call.timeoutSeconds() + " s";
            } catch (IOException e) {
                return name + " failed: " + e.getMessage();
            }
        }
        return null;
    }

    // ---- the end

    /** The process ended, asked or not. */
    private void exited() {
        if (!ending.compareAndSet(false, true)) return;
        worker.interrupt();
        try {
            outputEnded.await(LAST_OUTPUT_MS, TimeUnit.MILLISECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        int code = process.exitValue();
        String how = code > 128 && code < 128 + 65 ? "was ended by signal " + (code - 128) : "exited with code " + code;
        report.accept(new Event.Failed(model.id(), run, "the server of the model \"" + model.id() + "\" " + how + "; " + lastLines()));
        ended.countDown();
        tree.endSurvivors(false);
        report.accept(new Event.Gone(model.id(), run));
    }

    @Override public void stop() {
        if (!ending.compareAndSet(false, true)) return;
        Thread.ofVirtual().name("stop " + model.id()).start(this::end);
    }

    @Override public void kill() {
        ProcessTree started = tree;
        if (started != null) started.kill();
    }

    /** Ends the process tree and reports Gone; only by whoever has set {@link #ending}. */
    private void end() {
        try {
            Thread starter = worker;
            if (starter != null && starter != Thread.currentThread()) {
                starter.interrupt();
                starter.join();     // from here on the process is there, or never will be
            }
            if (process != null) endProcess();
        } catch (InterruptedException e) {
            kill();
        } catch (RuntimeException | Error e) {
            factory.log.error("model " + model.id() + ": stop failed: " + e);
            kill();
        }
        ended.countDown();
        report.accept(new Event.Gone(model.id(), run));
    }

    private void endProcess() throws InterruptedException {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(model.unloadTimeoutSeconds());
        tree.noteDescendants();
        // Through the handle: Process.destroy would close the pipe of its output, too, and break its last words off.
        if (model.cmdStop().isEmpty() || !stopByCommand(deadline)) process.toHandle().destroy();
        tree.noteMarked();      // while it exits, so that the usual single process costs no time afterwards
        boolean inTime = process.waitFor(Math.max(1, deadline - System.nanoTime()), TimeUnit.NANOSECONDS);
        if (!inTime) {
            factory.log.warn("model " + model.id() + ": did not exit within " + model.unloadTimeoutSeconds() + " s, killing it");
            tree.kill();
            process.waitFor(5, TimeUnit.SECONDS);
        }
        if (inTime && tree.isSingle()) Thread.ofVirtual().start(() -> tree.endSurvivors(false));    // a last look, just in case
        else tree.endSurvivors(!inTime);
    }

    /** Runs cmdStop. @return false when it could not do its work, so that a signal has to */
    private boolean stopByCommand(long deadline) throws InterruptedException {
        List<String> words = new ArrayList<>();
        for (String word : model.cmdStop()) words.add(word.replace("${PID}", String.valueOf(process.pid())));
        ProcessBuilder builder = new ProcessBuilder(words).redirectErrorStream(true);
        addEnvironment(builder);
        Process stopper;
        try {
            stopper = builder.start();
            stopper.getOutputStream().close();
        } catch (IOException e) {
            factory.log.warn("model " + model.id() + ": cmdStop cannot be run: " + e.getMessage());
            return false;
        }
        Thread.ofPlatform().daemon().start(() -> pump(stopper.getInputStream(), new CountDownLatch(1)));
        CompletableFuture.anyOf(stopper.onExit(), process.onExit())
            .orTimeout(Math.max(1, deadline - System.nanoTime()), TimeUnit.NANOSECONDS).exceptionally(e -> null).join();
        if (!stopper.isAlive()) {
            if (stopper.exitValue() != 0) factory.log.warn("model " + model.id() + ": cmdStop exited with code " + stopper.exitValue());
            return stopper.exitValue() == 0 || !process.isAlive();
        }
        Thread.ofVirtual().start(() -> endStopper(stopper, deadline));
        return !process.isAlive();
    }

    private void endStopper(Process stopper, long deadline) {
        try {
            if (stopper.waitFor(Math.max(1, deadline - System.nanoTime()), TimeUnit.NANOSECONDS)) return;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        factory.log.warn("model " + model.id() + ": cmdStop did not end within " + model.unloadTimeoutSeconds() + " s, killing it");
        stopper.descendants().forEach(ProcessHandle::destroyForcibly);
        stopper.destroyForcibly();
    }
}
