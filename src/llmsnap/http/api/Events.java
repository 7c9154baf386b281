package llmsnap.http.api;

import static java.lang.Math.min;
import static java.nio.charset.StandardCharsets.UTF_8;
import static java.util.concurrent.TimeUnit.MILLISECONDS;
import static java.util.concurrent.TimeUnit.SECONDS;
import static llmsnap.text.Json.obj;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Supplier;
import llmsnap.config.Config.Peer;
import llmsnap.config.Config;
import llmsnap.http.proxy.Names;
import llmsnap.http.proxy.PeerModels;
import llmsnap.http.proxy.Query;
import llmsnap.http.server.Exchange;
import llmsnap.http.server.Failure;
import llmsnap.models.ModelPool;
import llmsnap.models.ModelState;
import llmsnap.models.ModelStatus;
import llmsnap.models.Pause;
import llmsnap.models.PoolStatus;
import llmsnap.record.Activity;
import llmsnap.record.InFlight;
import llmsnap.record.LogBuffer;
import llmsnap.record.Row;
import llmsnap.record.RowJson;
import llmsnap.text.Json;

/**
 * {@code /api/events}: what happens, as it happens. First everything as it is, then what changes.
 * Those who cause events leave a mark and go on; each reader's own thread collects what is marked
 * and writes it, so a slow reader holds nobody up, and what waits for it is bounded: of models the
 * newest list, of rows the newest, of logs what the log still has.
 */
public final class Events {
    private static final long KEEP_ALIVE_NANOS = SECONDS.toNanos(15);
    private static final long PROGRESS_NANOS = MILLISECONDS.toNanos(500);
    /**
     * Events that come at once are written at once: a wake-up for each would cost more than they.
     */
    private static final long PAUSE_MS = 40;
    /** Its clients listen to one or the other. */
    private static final List<String> ROUTER_EVENTS = List.of("model_status", "status_change");
    private static final int MANY_IN_FLIGHT = 50;
    private static final int MAX_IN_FLIGHT = 500;           // in one list: the first ones
    private static final int ROWS_AT_ONCE = 200;
    private static final int HISTORY_BYTES = 256 * 1024;
    private static final int LOG_BYTES = 16 * 1024;

    private final ModelPool pool;
    private final Names names;
    private final Activity activity;
    private final LogRoutes logs;
    private final Timeline timeline;
    private final List<Inbox> readers = new CopyOnWriteArrayList<>();

    public Events(ModelPool pool, Names names, Activity activity, LogRoutes logs) {
        this.pool = pool;
        this.names = names;
        this.activity = activity;
        this.logs = logs;
        timeline = new Timeline(pool);
        pool.onChange(timeline);
        pool.onChange(this::modelsChanged);
        names.peers().onChange(() -> pool.inOneStep(() -> {
            if (!readers.isEmpty()) tell(pool.statuses(), null);
            return null;
        }));
    }

    private void modelsChanged(Set<String> ids, Map<String, ModelState> brief,
            Supplier<List<ModelStatus>> now) {
        if (readers.isEmpty()) return;
        List<ModelStatus> models = now.get();
        if (!brief.isEmpty()) {
            tell(models.stream().map(each -> each.in(brief.getOrDefault(each.id(), each.state())))
                .toList(), ids);
        }
        tell(models, ids);
    }

    private void tell(List<ModelStatus> models, Set<String> ids) {
        Inbox.ModelList list = list(models, ids);
        for (Inbox reader : readers) reader.modelsChanged(list);
    }

    /** @param ids those that have changed; null: all */
    private Inbox.ModelList list(List<ModelStatus> models, Set<String> ids) {
        Config config = pool.config();
        Supplier<byte[]> whole = Inbox.once(() -> message("modelStatus", json(models, config)));
        if (ids == null) return new Inbox.ModelList(models.size(), whole, whole);
        return new Inbox.ModelList(models.size(), whole, Inbox.once(() -> message("modelChange",
            models.stream().filter(each -> ids.contains(each.id()))
                .map(each -> ModelJson.event(each, config)).toList())));
    }

    private List<Json.Obj> json(List<ModelStatus> models, Config config) {
        List<Json.Obj> list = new ArrayList<>();
        for (ModelStatus status : models) list.add(ModelJson.event(status, config));
        PeerModels peers = names.peers();
        for (Peer peer : config.peers().byId().values()) {
            for (String name : peers.of(peer)) {
                String id = names.isAlone(name) ? name : peer.id() + "/" + name;
                list.add(ModelJson.event(id, peer, peers.status(peer, name)));
            }
        }
        list.sort(Comparator.comparing(each -> each.text("id")));
        return list;
    }

    private static byte[] message(String type, Object data) {
        Json event = obj("type", type, "data", Json.of(data).toString());
        return ("event:message\ndata:" + event + "\n\n").getBytes(UTF_8);
    }

    /** Writes events until the client or the server leaves. */
    public void stream(Exchange exchange) throws Failure, InterruptedException {
        exchange.beginEndless("text/event-stream");
        if (exchange.is("HEAD")) return;
        // Who asks so gets only the models that have changed, and a model's own log.
        var inbox = new Inbox(Query.value(exchange.rawQuery(), "changes") != null);
        Map<String, LogBuffer> sources = sources(Query.value(exchange.rawQuery(), "log"));
        var reader = new Reader(exchange, inbox, sources);
        sources.values().forEach(each -> each.listen(inbox));
        try {
            List<Row> old = activity.listen(inbox);
            List<ModelStatus> models = pool.statuses(() -> readers.add(inbox));
            reader.begin(list(models, null), old);
            while (exchange.interruption.failure() == null) {
                inbox.await(reader.deadlineNanos());
                reader.writeNews();
                MILLISECONDS.sleep(PAUSE_MS);
            }
        } finally {
            readers.remove(inbox);
            activity.unlisten(inbox);
            sources.values().forEach(each -> each.unlisten(inbox));
        }
    }

    /** The logs that a reader gets, by name. @param model of which it wants the log, or null */
    private Map<String, LogBuffer> sources(String model) {
        Map<String, LogBuffer> sources = new LinkedHashMap<>();
        sources.put("proxy", logs.log().proxy);
        sources.put("upstream", logs.log().upstream);
        // Of one that there is not there is nothing to tell.
        LogBuffer own = model == null ? null : logs.ownOrNull(model);
        if (own != null) sources.put("model " + model, own);
        return sources;
    }

    /** What llama.cpp's router tells of models: their status, whenever that changes. */
    public void router(Exchange exchange) throws Failure, InterruptedException {
        exchange.beginEndless("text/event-stream");
        if (exchange.is("HEAD")) return;
        var inbox = new Inbox(true);
        Map<String, Object> told = new HashMap<>();
        for (ModelStatus each : pool.statuses(() -> readers.add(inbox))) {
            told.put(each.id(), ModelJson.status(each));
        }
        try {
            while (exchange.interruption.failure() == null) {
                inbox.await(System.nanoTime() + KEEP_ALIVE_NANOS);
                boolean news = inbox.nextModels() != null;
                String text = news ? "" : ": still here\n\n";
                for (ModelStatus each : pool.statuses()) {
                    Json.Obj status = ModelJson.status(each);
                    if (status.equals(told.put(each.id(), status))) continue;
                    Json.Obj data = obj("model", each.id(), "status", status);
                    for (String name : ROUTER_EVENTS) {
                        text += "event: " + name + "\ndata: " + data + "\n\n";
                    }
                }
                if (!text.isEmpty()) exchange.write(text.getBytes(UTF_8));
                exchange.flush();
            }
        } finally {
            readers.remove(inbox);
        }
    }

    /** What one client gets, on its handler's thread. */
    private final class Reader {
        private final Exchange exchange;
        private final Inbox inbox;
        private final Map<String, LogBuffer.Reader> texts = new LinkedHashMap<>();
        private int inFlight;                   // how many the last list of requests in flight had
        private long inFlightNanos;             // when it was written
        private long writtenNanos;
        // As they were last told.
        private Pause pause;
        private List<PoolStatus> pools = List.of();
        private long change;

        Reader(Exchange exchange, Inbox inbox, Map<String, LogBuffer> sources) {
            this.exchange = exchange;
            this.inbox = inbox;
            sources.forEach((name, log) -> texts.put(name, log.reader(true)));
        }

        void begin(Inbox.ModelList models, List<Row> old) throws Failure, InterruptedException {
            write(models.whole().get());
            writeState();
            writeRows(old);
            for (String source : texts.keySet()) writeLog(source, HISTORY_BYTES);
            writeInFlight();
            exchange.flush();
        }

        /** When something is to be written though nothing has happened. */
        long deadlineNanos() {
            boolean counts = inFlight > 0 || inbox.hasInFlightChanged();
            long keepAlive = writtenNanos + KEEP_ALIVE_NANOS;
            return counts ? min(keepAlive, inFlightNanos + PROGRESS_NANOS) : keepAlive;
        }

        void writeNews() throws Failure, InterruptedException {
            long before = writtenNanos;
            for (byte[] list; (list = inbox.nextModels()) != null; ) write(list);
            writeState();
            List<Row> rows = inbox.takeRows();
            if (!rows.isEmpty()) writeRows(rows);
            for (String source : texts.keySet()) {
                if (texts.get(source).left() == 0) continue;
                writeLog(source, LOG_BYTES);
                if (texts.get(source).left() > 0) inbox.run();
            }
            boolean due = System.nanoTime() - inFlightNanos >= PROGRESS_NANOS;
            // A long list is not written for each change.
            boolean changed = inbox.hasInFlightChanged() && (due || inFlight <= MANY_IN_FLIGHT);
            if (changed || inFlight > 0 && due) writeInFlight();
            boolean silent = writtenNanos == before;
            if (silent && System.nanoTime() - before >= KEEP_ALIVE_NANOS) {
                write(": still here\n\n".getBytes(UTF_8));
            }
            exchange.flush();
        }

        private void write(byte[] message) throws Failure {
            exchange.write(message);
            writtenNanos = System.nanoTime();
        }

        private void writeLog(String source, int max) throws Failure, InterruptedException {
            byte[] bytes = texts.get(source).read(max, 0);
            String data = bytes == null ? "" : new String(bytes, UTF_8);
            write(message("logData", obj("source", source, "data", data)));
        }

        /** What changes with models: the pause, memory, the timeline. */
        private void writeState() throws Failure {
            Pause now = pool.paused();
            if (!Objects.equals(now, pause)) write(message("pause", OperateRoutes.json(now)));
            pause = now;
            List<PoolStatus> held = pool.pools();
            if (!held.equals(pools)) {
                write(message("memory", held.stream().map(ModelJson::pool).toList()));
            }
            pools = held;
            long last = timeline.last();
            if (last > change) write(message("timeline", timeline.between(change, last)));
            change = last;
        }

        private void writeRows(List<Row> rows) throws Failure {
            int from = 0;
            do {
                write(message("metrics", rows.stream().skip(from).limit(ROWS_AT_ONCE)
                    .map(RowJson::of).toList()));
                from += ROWS_AT_ONCE;
            } while (from < rows.size());
        }

        private void writeInFlight() throws Failure {
            inbox.clearInFlightChanged();
            inFlightNanos = System.nanoTime();
            List<InFlight> requests = activity.inFlight();
            inFlight = requests.size();
            Map<String, Integer> positions = new HashMap<>();
            if (requests.stream().anyMatch(InFlight::isWaiting)) {
                pool.statuses()
                    .forEach(each -> positions.put(each.id(), each.requests().position()));
            }
            write(message("inflight", requests.stream().limit(MAX_IN_FLIGHT)
                .map(request -> ActivityJson.inFlight(request, positions)).toList()));
        }
    }
}
