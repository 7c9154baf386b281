package llmsnap.observe;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import java.util.regex.Pattern;
import llmsnap.config.Config;

/**
 * What was asked of the models: requests in flight, one row for each that has ended, and captures of what was said. All
 * of it is bounded: rows by their number, captures, those that are being made included, by their bytes.
 */
public final class Activity {
    /** What names of headers and of parameters in a query have in them when their value is nobody's business. */
    private static final Pattern SECRET = Pattern.compile("key|token|secret|auth|cookie|passw", Pattern.CASE_INSENSITIVE);
    private static final String REDACTED = "[REDACTED]";
    private static final int MAX_PATH = 200;
    private static final int MAX_ERROR = 2_000;
    private static final int CAPTURE_COST_BYTES = 300;      // of a capture and of each of its headers, beside their text
    private static final int HEADER_COST_BYTES = 150;

    /**
     * A request that has ended. Times are in ms; -1 is unknown, but 0 for unknown {@code inputTokens} and {@code outputTokens}.
     *
     * @param timestampMs when it ended, since 1970
     * @param model the model's id, whatever name was used for it
     * @param path without its query; like {@code error} cut when it is very long
     * @param status what the client got; 499 when it left before an answer; of an error that came as an event of a stream, that error's
     * @param durationMs from the moment the model took the request; by the server's own clock where that is known
     * @param ttftMs until the first piece of text, from that same moment; streams only
     * @param queueMs waiting for the model: in the queue, and while it loaded
     * @param error what went wrong, or ""
     */
    public record Row(long id, long timestampMs, String model, String path, int status, long cacheTokens, long inputTokens, long outputTokens,
            long reasoningTokens, double promptPerSecond, double tokensPerSecond, long durationMs, long ttftMs, long queueMs, boolean hasCapture, String error) {
        private Row with(boolean capture) {
            return capture == hasCapture ? this : new Row(id, timestampMs, model, path, status, cacheTokens, inputTokens, outputTokens, reasoningTokens,
                promptPerSecond, tokensPerSecond, durationMs, ttftMs, queueMs, capture, error);
        }
    }

    /**
     * What was said. Nothing is copied: nobody may change the bodies and headers any more. Secrets are taken out when it is
     * looked at, which is seldom; {@code bytes} is the room that it takes.
     */
    public static final class Capture {
        public final long id;
        public final byte[] requestBody;
        public final byte[] responseBody;
        private final String path;
        private final Map<String, List<String>> requestHeaders;
        private final Map<String, List<String>> responseHeaders;
        private final boolean decoded;
        private final long bytes;

        private Capture(long id, String path, Map<String, List<String>> requestHeaders, byte[] requestBody, Map<String, List<String>> responseHeaders, byte[] responseBody,
                boolean decoded, long bytes) {
            this.id = id;
            this.path = path;
            this.requestHeaders = requestHeaders;
            this.requestBody = requestBody;
            this.responseHeaders = responseHeaders;
            this.responseBody = responseBody;
            this.decoded = decoded;
            this.bytes = bytes;
        }

        /** With its query. */
        public String path() {
            return withoutSecrets(path);
        }

        /** Several values joined. */
        public Map<String, String> requestHeaders() {
            return headers(requestHeaders);
        }

        /** Those that do not hold for the decoded body are left out. */
        public Map<String, String> responseHeaders() {
            Map<String, String> headers = headers(responseHeaders);
            if (decoded) {
                headers.remove("Content-Encoding");
                headers.remove("Content-Length");
            }
            return headers;
        }

        private static long bytes(Map<String, List<String>> headers) {
            long bytes = 0;
            for (Map.Entry<String, List<String>> header : headers.entrySet()) {
                bytes += HEADER_COST_BYTES + header.getKey().length();
                for (String value : header.getValue()) bytes += value.length();
            }
            return bytes;
        }
    }

    /** Told of what happens; must return at once. */
    public interface Listener {
        void ended(Row row);

        /** A request came, or its turn has come, or it ended. */
        void inFlightChanged();
    }

    private final ReentrantLock lock = new ReentrantLock();     // guards the fields down to the blank line
    private final Deque<Row> rows = new ArrayDeque<>();
    private final Deque<Capture> captures = new ArrayDeque<>(); // oldest first
    private long captureBytes;                                  // of captures, and of those that are being made
    private int maxRows;
    private volatile long maxCaptureBytes;

    private final ConcurrentSkipListMap<Long, Request> inFlight = new ConcurrentSkipListMap<>();
    private final AtomicLong lastId = new AtomicLong();
    private final List<Listener> listeners = new CopyOnWriteArrayList<>();
    private final Consumer<Row> counter;

    /** @param counter takes each row once, before its client knows of its end */
    public Activity(Config config, Consumer<Row> counter) {
        this.counter = counter;
        configure(config);
    }

    /** How much is kept, from now on. Captures take an eighth of the heap at most, whatever the configuration says. */
    public void configure(Config config) {
        lock.lock();
        try {
            maxRows = config.metricsMaxInMemory();
            maxCaptureBytes = Math.min((long) config.captureBufferMb() << 20, Math.min(Runtime.getRuntime().maxMemory() / 8, 1 << 30));
            while (rows.size() > maxRows) forget(rows.removeFirst());
            makeRoom();
        } finally {
            lock.unlock();
        }
    }

    /** Adds a listener. @return the rows so far, oldest first: it is told of all later ones */
    public List<Row> listen(Listener listener) {
        lock.lock();
        try {
            listeners.add(listener);
            return rows();
        } finally {
            lock.unlock();
        }
    }

    public void unlisten(Listener listener) {
        listeners.remove(listener);
    }

    /** The rows, oldest first; {@code hasCapture} as it is now. */
    public List<Row> rows() {
        lock.lock();
        try {
            Set<Long> captured = new HashSet<>();
            for (Capture capture : captures) captured.add(capture.id);
            List<Row> now = new ArrayList<>(rows.size());
            for (Row row : rows) now.add(row.with(captured.contains(row.id)));
            return now;
        } finally {
            lock.unlock();
        }
    }

    /** The capture of that row, or null. */
    public Capture capture(long id) {
        lock.lock();
        try {
            for (Capture capture : captures) if (capture.id == id) return capture;
            return null;
        } finally {
            lock.unlock();
        }
    }

    /** The requests in flight, in the order in which they came. */
    public List<Request> inFlight() {
        return new ArrayList<>(inFlight.values());
    }

    /** The request in flight with that id, or null. */
    public Request inFlight(long id) {
        return inFlight.get(id);
    }

    /**
     * A request for a model has come, and will wait for it.
     *
     * @param path with its query, for the capture; rows have it without
     * @param cancel breaks it off; must return at once
     */
    public Request begin(String model, String path, Runnable cancel) {
        Request request = new Request(lastId.incrementAndGet(), model, path, cancel);
        inFlight.put(request.id, request);
        changed();
        return request;
    }

    private void changed() {
        for (Listener listener : listeners) listener.inFlightChanged();
    }

    /** Takes room for bytes of a capture that is being made; old captures go for it. @return false when there is not enough */
    private boolean reserve(long bytes) {
        lock.lock();
        try {
            captureBytes += bytes;
            makeRoom();
            if (captureBytes <= maxCaptureBytes) return true;
            captureBytes -= bytes;
            return false;
        } finally {
            lock.unlock();
        }
    }

    private void makeRoom() {
        while (captureBytes > maxCaptureBytes && !captures.isEmpty()) captureBytes -= captures.removeFirst().bytes;
    }

    /** A row has gone: nobody would find its capture. Both stand in the same order. */
    private void forget(Row row) {
        if (!captures.isEmpty() && captures.getFirst().id == row.id) captureBytes -= captures.removeFirst().bytes;
    }

    private void release(long bytes) {
        lock.lock();
        try {
            captureBytes -= bytes;
        } finally {
            lock.unlock();
        }
    }

    private void add(Row row, Capture capture) {
        lock.lock();
        try {
            if (capture != null) captures.addLast(capture);
            makeRoom();     // there may be less of it by now
            Row added = row.with(capture != null && captures.peekLast() == capture);
            rows.addLast(added);
            if (rows.size() > maxRows) forget(rows.removeFirst());
            for (Listener listener : listeners) listener.ended(added);
        } finally {
            lock.unlock();
        }
        counter.accept(row);
    }

    /** Headers for a capture: several values joined, secrets taken out. */
    private static Map<String, String> headers(Map<String, List<String>> from) {
        Map<String, String> to = new TreeMap<>(String.CASE_INSENSITIVE_ORDER);
        from.forEach((name, values) -> to.put(name, SECRET.matcher(name).find() ? REDACTED : String.join(", ", values)));
        return to;
    }

    /** A path and its query, whose secret parameters are taken out. */
    private static String withoutSecrets(String path) {
        int query = path.indexOf('?');
        if (query < 0 || !SECRET.matcher(path).find(query)) return path;
        StringBuilder text = new StringBuilder(path.substring(0, query));
        char sign = '?';
        for (String pair : path.substring(query + 1).split("&")) {
            int equals = pair.indexOf('=');
            boolean secret = equals > 0 && SECRET.matcher(pair.substring(0, equals)).find();
            text.append(sign).append(secret ? pair.substring(0, equals + 1) + REDACTED : pair);
            sign = '&';
        }
        return text.toString();
    }

    private static String cut(String text, int max) {
        return text.length() <= max ? text : text.substring(0, max) + "...";
    }

    /** A request in flight. Its own thread and the one that passes its answer on tell what becomes of it. */
    public final class Request {
        public final long id;
        public final String model;
        public final String path;                   // without the query
        public final long startedMs = System.currentTimeMillis();
        private final String pathAndQuery;
        private final Runnable cancel;
        private final ReentrantLock own = new ReentrantLock();      // guards the fields below that are not volatile
        private volatile long waitingSinceNanos = System.nanoTime();    // 0 while a model is at it
        private volatile long takenNanos;
        private volatile long queueNanos;
        private volatile long earlierNanos;         // at the model, in a try that came to nothing
        private volatile long firstTextNanos;
        private volatile long bytes;
        private volatile Usage usage;
        private Decoder decoder;
        private boolean ended;
        private Map<String, List<String>> requestHeaders = Map.of();
        private Map<String, List<String>> responseHeaders = Map.of();
        private byte[] requestBody;                 // null: no capture is made
        private byte[] responseBody = {};
        private int responseLength;
        private long reserved;                      // of the room for captures

        private Request(long id, String model, String path, Runnable cancel) {
            this.id = id;
            this.model = model;
            this.pathAndQuery = path;
            int query = path.indexOf('?');
            this.path = cut(query < 0 ? path : path.substring(0, query), MAX_PATH);
            this.cancel = cancel;
        }

        /** Breaks it off. */
        public void cancel() {
            cancel.run();
        }

        /** Keeps what was asked, {@code length} bytes of {@code body}, if there is room. Body and headers must not change any more. */
        public void asked(Map<String, List<String>> headers, byte[] body, int length) {
            if (length >= maxCaptureBytes) return;
            own.lock();
            try {
                byte[] exact = body.length == length ? body : java.util.Arrays.copyOf(body, length);
                long size = CAPTURE_COST_BYTES + pathAndQuery.length() + Capture.bytes(headers) + length;
                if (size > maxCaptureBytes || !reserve(size)) return;
                reserved = size;
                requestHeaders = headers;
                requestBody = exact;
            } finally {
                own.unlock();
            }
        }

        /** The model takes the request. */
        public void taken() {
            long now = System.nanoTime();
            queueNanos += now - waitingSinceNanos;
            takenNanos = now;
            waitingSinceNanos = 0;
            changed();
        }

        /** It waits for the model again: the first try came to nothing. */
        public void again() {
            long now = System.nanoTime();
            earlierNanos += now - takenNanos;
            waitingSinceNanos = now;
            changed();
        }

        /** The answer's head has come. @param length of its body, -1 when it is not known */
        public void answered(Map<String, List<String>> headers, String contentType, String contentEncoding, long length) {
            own.lock();
            try {
                if (ended) return;
                boolean plain = Decoder.isNone(contentEncoding);
                if (!plain) decoder = Decoder.of(contentEncoding, this::decoded);
                usage = plain || decoder != null ? Usage.of(contentType) : null;
                if (requestBody == null) return;
                responseHeaders = headers;
                if (reserved + length > maxCaptureBytes) drop();        // it will not fit: older ones need not go for its first part
                else grow(Capture.bytes(responseHeaders));
            } finally {
                own.unlock();
            }
        }

        /** A piece of the answer's body passes. The bytes may be used again afterwards. */
        public void passed(byte[] piece, int offset, int length) {
            bytes += length;
            if (usage == null && requestBody == null) return;
            own.lock();
            try {
                if (ended) return;
                if (decoder == null) decoded(piece, offset, length);
                else decoder.read(piece, offset, length);
            } finally {
                own.unlock();
            }
        }

        private void decoded(byte[] piece, int offset, int length) {
            if (usage != null) {
                usage.read(piece, offset, length);
                if (firstTextNanos == 0 && usage.textPieces() > 0) firstTextNanos = System.nanoTime();
            }
            if (requestBody == null || !grow(length)) return;
            try {
                if (responseLength + length > responseBody.length) {
                    responseBody = java.util.Arrays.copyOf(responseBody, (int) Math.max(responseLength + length, Math.min(responseBody.length * 2L, maxCaptureBytes)));
                }
                System.arraycopy(piece, offset, responseBody, responseLength, length);
                responseLength += length;
            } catch (OutOfMemoryError e) {
                drop();     // the answer matters more than its copy
            }
        }

        /** A capture is kept whole or not at all. */
        private boolean grow(long bytes) {
            if (reserved + bytes <= maxCaptureBytes && reserve(bytes)) {
                reserved += bytes;
                return true;
            }
            drop();
            return false;
        }

        private void drop() {
            release(reserved);
            reserved = 0;
            requestBody = null;
            responseBody = new byte[0];
        }

        /**
         * The request has ended; only the first call counts.
         *
         * @param status what the client got
         * @param error what went wrong, or ""
         * @param said the body of an answer that was not the model's, or null
         */
        public void end(int status, String error, byte[] said) {
            own.lock();
            try {
                if (ended) return;
                ended = true;
                inFlight.remove(id);
                if (said != null && requestBody != null) {
                    release(responseLength);        // of an answer that nobody got
                    reserved -= responseLength;
                    responseLength = 0;
                    decoded(said, 0, said.length);
                }
                if (decoder != null) {
                    boolean whole = decoder.isComplete() || !error.isEmpty();       // an answer that was cut is kept as far as it came
                    if ((decoder.isBroken() || !whole) && requestBody != null) drop();
                    decoder.close();
                }
                add(row(status, cut(error, MAX_ERROR)), capture());
            } finally {
                own.unlock();
            }
            changed();
        }

        /** What was kept, null for nothing. What was reserved for it is its own from now on. */
        private Capture capture() {
            if (requestBody == null) return null;
            try {
                byte[] exact = responseBody.length == responseLength ? responseBody : java.util.Arrays.copyOf(responseBody, responseLength);
                Capture capture = new Capture(id, pathAndQuery, requestHeaders, requestBody, responseHeaders, exact, decoder != null, reserved);
                reserved = 0;
                return capture;
            } catch (OutOfMemoryError e) {
                drop();
                return null;
            }
        }

        private Row row(int status, String error) {
            Usage.Counts counts = usage == null ? new Usage(false).counts() : usage.counts();
            long durationMs = counts.serverMs() >= 0 ? counts.serverMs() : durationMs();
            double speed = counts.outputPerSecond();
            if (speed < 0 && counts.output() > 0) speed = counts.output() * 1000.0 / Math.max(1, durationMs);
            return new Row(id, System.currentTimeMillis(), model, path, status, counts.cached(), Math.max(0, counts.prompt()), Math.max(0, counts.output()),
                counts.reasoning(), counts.promptPerSecond(), speed, durationMs, ttftMs(), queueMs(), false, error);
        }

        // ---- for those who look

        /** Whether it still waits for its model. */
        public boolean isWaiting() {
            return waitingSinceNanos != 0;
        }

        /** How long it has waited for its model, in ms. */
        public long queueMs() {
            long since = waitingSinceNanos;
            return (queueNanos + (since == 0 ? 0 : System.nanoTime() - since)) / 1_000_000;
        }

        /** How long the model has been at it, in ms. */
        public long durationMs() {
            return (earlierNanos + (isWaiting() ? 0 : System.nanoTime() - takenNanos)) / 1_000_000;
        }

        /** Time until the first piece of text of a stream, in ms from the moment that the model took the request; -1 before that. */
        public long ttftMs() {
            return firstTextNanos == 0 ? -1 : (firstTextNanos - takenNanos) / 1_000_000;
        }

        /** How much of the answer's body has passed, as it came. */
        public long bytes() {
            return bytes;
        }

        /** About how many tokens were generated so far; 0 when it cannot be told. */
        public long tokens() {
            Usage reading = usage;
            return reading == null ? 0 : reading.outputSoFar();
        }
    }
}
