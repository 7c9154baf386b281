package llmsnap.http;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Supplier;
import llmsnap.config.Config;
import llmsnap.config.Config.Model;
import llmsnap.observe.Activity;
import llmsnap.observe.Insight;
import llmsnap.observe.LogBuffer;
import llmsnap.swap.Scheduler.State;
import llmsnap.swap.SwapLoop;
import llmsnap.swap.SwapLoop.Snapshot;
import llmsnap.text.Json;

/**
 * {@code /api/events}: what happens, as it happens. First everything as it is, then what changes. Those who cause events
 * leave a mark and go on; each reader's own thread collects what is marked and writes it, so a slow reader holds nobody
 * up, and what waits for it is bounded: of models the newest list, of rows the newest, of logs what the log still has.
 */
final class Events {
    private static final long KEEP_ALIVE_NANOS = TimeUnit.SECONDS.toNanos(15);
    private static final long PROGRESS_NANOS = TimeUnit.MILLISECONDS.toNanos(500);
    /** Many events that come at once are written at once: a wake-up and a system call for each would cost more than they. */
    private static final long PAUSE_MS = 40;
    private static final int MANY_IN_FLIGHT = 50;
    private static final int MAX_IN_FLIGHT = 500;           // in one list: the first ones
    private static final int MAX_WAITING_ENTRIES = 4096;    // of model lists, for each reader
    private static final int MAX_ROWS = 1000;
    private static final int ROWS_AT_ONCE = 200;
    private static final int HISTORY_BYTES = 256 * 1024;
    private static final int LOG_BYTES = 16 * 1024;

    private final SwapLoop loop;
    private final Insight insight;
    private final List<Reader> readers = new CopyOnWriteArrayList<>();

    Events(SwapLoop loop, Insight insight) {
        this.loop = loop;
        this.insight = insight;
        loop.onChange(this::modelsChanged);
    }

    private void modelsChanged(Map<String, State> passed, Supplier<List<Snapshot>> now) {
        if (readers.isEmpty()) return;
        List<Snapshot> models = now.get();
        if (!passed.isEmpty()) tell(models.stream().map(model -> passed.containsKey(model.status().model().id()) ? model.in(passed.get(model.status().model().id())) : model).toList());
        tell(models);
    }

    private void tell(List<Snapshot> models) {
        ModelList list = new ModelList(models, loop.config());
        for (Reader reader : readers) reader.modelsChanged(list);
    }

    /** All models at one moment; written out once, by the first reader that needs it. */
    private static final class ModelList {
        private final List<Snapshot> models;
        private final Config config;
        private volatile byte[] message;

        ModelList(List<Snapshot> models, Config config) {
            this.models = models;
            this.config = config;
        }

        byte[] message() {
            if (message == null) message = Events.message("modelStatus", Json.of(list()));
            return message;
        }

        private List<Json.Obj> list() {
            List<Json.Obj> list = new ArrayList<>();
            for (Snapshot snapshot : models) list.add(entry(snapshot));
            config.peerOf().forEach((name, peer) -> list.add(Json.obj("id", name, "name", "", "description", "", "state", "unknown", "unlisted", false,
                "sleepMode", "disable", "peerID", peer.id())));
            list.sort(Comparator.comparing(each -> each.text("id")));
            return list;
        }

        private Json.Obj entry(Snapshot snapshot) {
            var status = snapshot.status();
            Model model = status.model();
            boolean known = config.models().containsKey(model.id());      // one that was removed may still be on its way out
            return Json.obj("id", model.id(), "name", model.name(), "description", model.description(), "state", status.state().label,
                "unlisted", model.unlisted(), "sleepMode", model.sleep() == null ? "disable" : "enable", "peerID", "",
                "aliases", model.aliases(), "group", known ? config.group(model.id()).name() : "", "pid", snapshot.run() == null ? 0 : snapshot.run().pid(),
                "port", model.proxy().port(), "ttl", model.ttlSeconds(),
                "since_ms", status.run() == 0 ? -1 : snapshot.nowMs() - status.stateSinceMs(),
                "idle_ms", status.run() == 0 ? -1 : status.inFlight() > 0 ? 0 : snapshot.nowMs() - status.idleSinceMs(),
                "load_ms", status.loadMs());
        }
    }

    private static byte[] message(String type, Json data) {
        return ("event:message\ndata:" + Json.obj("type", type, "data", data.toString()) + "\n\n").getBytes(StandardCharsets.UTF_8);
    }

    /** Writes events until the client or the server leaves. */
    void stream(Exchange exchange) throws IOException, InterruptedException {
        exchange.endless = true;
        exchange.responseHeaders().set("Content-Type", "text/event-stream");
        exchange.responseHeaders().set("Cache-Control", "no-cache");
        exchange.responseHeaders().set("X-Accel-Buffering", "no");
        exchange.commit(200, -1);
        if (exchange.method().equals("HEAD")) return;
        Reader reader = new Reader(exchange);
        try {
            reader.begin();
            while (exchange.brokenOff() == null) {
                reader.awaitNews();
                reader.writeNews();
                TimeUnit.MILLISECONDS.sleep(PAUSE_MS);
            }
        } finally {
            reader.end();
        }
    }

    /** One client. All but the marks belong to its handler's thread. */
    private final class Reader implements Activity.Listener {
        private final Exchange exchange;
        private final Thread thread = Thread.currentThread();
        private final LogSource proxy = new LogSource("proxy", insight.log().proxy());
        private final LogSource upstream = new LogSource("upstream", insight.log().upstream());
        private final Runnable ring = this::ring;
        private final ReentrantLock lock = new ReentrantLock();     // guards the two queues
        private final Deque<ModelList> lists = new ArrayDeque<>();
        private final Deque<Activity.Row> rows = new ArrayDeque<>();
        private volatile boolean rung;
        private volatile boolean inFlightChanged;
        private int inFlight;                   // how many the last list of requests in flight had
        private long inFlightNanos;             // when it was written
        private long writtenNanos = System.nanoTime();

        Reader(Exchange exchange) {
            this.exchange = exchange;
        }

        private void ring() {
            if (rung) return;
            rung = true;
            LockSupport.unpark(thread);
        }

        void modelsChanged(ModelList list) {
            lock.lock();
            try {
                if (lists.size() >= Math.max(4, MAX_WAITING_ENTRIES / Math.max(1, list.models.size()))) lists.clear();      // it does not keep up: the newest has to do
                lists.addLast(list);
            } finally {
                lock.unlock();
            }
            ring();
        }

        @Override public void ended(Activity.Row row) {
            lock.lock();
            try {
                if (rows.size() == MAX_ROWS) rows.removeFirst();
                rows.addLast(row);
            } finally {
                lock.unlock();
            }
            ring();
        }

        @Override public void inFlightChanged() {
            inFlightChanged = true;
            ring();
        }

        void begin() throws IOException, InterruptedException {
            proxy.buffer.listen(ring);
            upstream.buffer.listen(ring);
            List<Activity.Row> old = insight.activity().listen(this);
            List<Snapshot> models = loop.snapshot(() -> readers.add(this));
            write(new ModelList(models, loop.config()).message());
            writeRows(old);
            for (LogSource source : List.of(proxy, upstream)) write(source.message(source.reader.read(HISTORY_BYTES, 0)));
            writeInFlight();
            exchange.flush();
        }

        void end() {
            readers.remove(this);
            insight.activity().unlisten(this);
            proxy.buffer.unlisten(ring);
            upstream.buffer.unlisten(ring);
        }

        void awaitNews() throws InterruptedException {
            long deadline = Math.min(writtenNanos + KEEP_ALIVE_NANOS, inFlight > 0 || inFlightChanged ? inFlightNanos + PROGRESS_NANOS : Long.MAX_VALUE);
            for (long left; !rung && (left = deadline - System.nanoTime()) > 0; ) {
                LockSupport.parkNanos(this, left);
                if (Thread.interrupted()) throw new InterruptedException();
            }
            rung = false;
        }

        void writeNews() throws IOException, InterruptedException {
            long before = writtenNanos;
            for (ModelList list; (list = next(lists)) != null; ) write(list.message());
            List<Activity.Row> ended = new ArrayList<>();
            for (Activity.Row row; (row = next(rows)) != null; ) ended.add(row);
            if (!ended.isEmpty()) writeRows(ended);
            for (LogSource source : List.of(proxy, upstream)) {
                byte[] bytes = source.reader.read(LOG_BYTES, 0);
                if (bytes == null) continue;
                write(source.message(bytes));
                if (source.reader.hasMore()) ring();
            }
            boolean due = System.nanoTime() - inFlightNanos >= PROGRESS_NANOS;       // a long list is not written for each change
            if (inFlightChanged && (due || inFlight <= MANY_IN_FLIGHT) || inFlight > 0 && due) writeInFlight();
            if (writtenNanos == before && System.nanoTime() - before >= KEEP_ALIVE_NANOS) write(": still here\n\n".getBytes(StandardCharsets.US_ASCII));
            exchange.flush();
        }

        private <T> T next(Deque<T> queue) {
            lock.lock();
            try {
                return queue.pollFirst();
            } finally {
                lock.unlock();
            }
        }

        private void writeRows(List<Activity.Row> all) throws IOException {
            for (int from = 0; from == 0 || from < all.size(); from += ROWS_AT_ONCE) {
                List<Activity.Row> some = all.subList(from, Math.min(all.size(), from + ROWS_AT_ONCE));
                write(message("metrics", Json.of(some.stream().map(ActivityRoutes::row).toList())));
            }
        }

        private void writeInFlight() throws IOException {
            inFlightChanged = false;
            inFlightNanos = System.nanoTime();
            List<Activity.Request> requests = insight.activity().inFlight();
            inFlight = requests.size();
            Set<String> waiting = new TreeSet<>();
            for (Activity.Request request : requests) if (request.isWaiting()) waiting.add(request.model);
            Map<String, Integer> positions = waiting.isEmpty() ? Map.of() : loop.queuePositions(waiting);
            write(message("inflight", Json.of(requests.stream().limit(MAX_IN_FLIGHT).map(request -> entry(request, positions)).toList())));
        }

        private static Json.Obj entry(Activity.Request request, Map<String, Integer> positions) {
            boolean waiting = request.isWaiting();
            return Json.obj("id", request.id, "timestamp", Instant.ofEpochMilli(request.startedMs).toString(), "model", request.model, "path", request.path,
                "state", waiting ? "waiting" : request.bytes() == 0 ? "processing" : "answering", "position", waiting ? positions.getOrDefault(request.model, 0) : 0,
                "queue_ms", request.queueMs(), "duration_ms", request.durationMs(), "ttft_ms", request.ttftMs(), "bytes", request.bytes(), "tokens", request.tokens());
        }

        private void write(byte[] message) throws IOException {
            exchange.write(message, 0, message.length);
            writtenNanos = System.nanoTime();
        }
    }

    /** One log for one reader. */
    private static final class LogSource {
        final String name;
        final LogBuffer buffer;
        final LogBuffer.Reader reader;
        private byte[] begun = {};      // the first bytes of a character that was cut

        LogSource(String name, LogBuffer buffer) {
            this.name = name;
            this.buffer = buffer;
            this.reader = buffer.reader(true);
        }

        /** @param bytes null for none */
        byte[] message(byte[] bytes) {
            byte[] all = java.util.Arrays.copyOf(begun, begun.length + (bytes == null ? 0 : bytes.length));
            if (bytes != null) System.arraycopy(bytes, 0, all, begun.length, bytes.length);
            int end = all.length - LogBuffer.incomplete(all, all.length);
            begun = java.util.Arrays.copyOfRange(all, end, all.length);
            return Events.message("logData", Json.obj("source", name, "data", new String(all, 0, end, StandardCharsets.UTF_8)));
        }
    }
}
