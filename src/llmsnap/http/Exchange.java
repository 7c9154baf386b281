package llmsnap.http;

import com.sun.net.httpserver.Headers;
import com.sun.net.httpserver.HttpExchange;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Locale;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.ReentrantLock;
import llmsnap.observe.Activity;
import llmsnap.swap.SwapLoop;
import llmsnap.text.Json;

/**
 * One request and its answer. Can be broken off from any thread until its handler is done: that interrupts the handler,
 * and the reason says why.
 */
final class Exchange implements SwapLoop.Client {
    /** The reason for {@link #breakOff} when the client has hung up. */
    static final String CLIENT_LEFT = "the client left";
    /** The reason for {@link #breakOff} when somebody has cancelled the request. */
    static final String CANCELLED = "the request was cancelled";

    final HttpExchange http;
    final long startNanos = System.nanoTime();
    Failure.Form form = Failure.Form.OPENAI;
    String cut;                                     // why the answer broke off, or null
    boolean quiet;                                  // not worth a line in the log
    Activity.Request activity;                      // what is noted of it, or null
    WaitingStream waiting;                          // what a streaming client is told while it waits, or null
    boolean keyed;                                  // let in by a key of ours, which goes no further
    boolean unreadable;                             // what follows on this connection cannot be told: it is closed after the answer
    boolean endless;                                // goes on until the client or the server leaves: a stop does not wait for it

    private final Thread handler = Thread.currentThread();
    private final ReentrantLock lock = new ReentrantLock();     // guards active and the interrupt that goes with brokenOff
    private boolean active = true;
    private volatile String brokenOff;
    private volatile int status;
    private volatile long bytesOut;
    private final AtomicBoolean committed = new AtomicBoolean();
    private volatile OutputStream out;              // null until the answer's head was sent
    private volatile long writingSinceNanos;        // 0 while no write to the client is under way
    private String lastUnsent = "";                 // these two belong to the watch's thread
    private long lastProgressNanos = startNanos;
    private volatile long silenceLimitNanos;        // of the model's server, 0 = none
    private volatile long waitingSinceNanos;        // for the next byte of the model's server, when there is such a limit
    private volatile long reservedBytes;            // of the memory for request bodies, see Body

    Exchange(HttpExchange http) {
        this.http = http;
    }

    // ---- the request

    String method() {
        return http.getRequestMethod();
    }

    /** The path as it came, percent-encoded. */
    String rawPath() {
        String path = http.getRequestURI().getRawPath();
        return misread() + (path == null || path.isEmpty() && misread().isEmpty() ? "/" : path);
    }

    /** The path, decoded. */
    String path() {
        String path = http.getRequestURI().getPath();
        return java.net.URI.create(misread().isEmpty() ? "/" : misread().substring(1)).getPath() + (path == null ? "" : path);
    }

    /** Of a path that starts with two slashes, what java.net.URI takes for a host: slashes and first segment; else "". */
    private String misread() {
        java.net.URI uri = http.getRequestURI();
        return uri.getScheme() == null && uri.getRawAuthority() != null ? "//" + uri.getRawAuthority() : "";
    }

    /** The query as it came, without the question mark; null when there is none. */
    String rawQuery() {
        return http.getRequestURI().getRawQuery();
    }

    Headers requestHeaders() {
        return http.getRequestHeaders();
    }

    // ---- the answer

    Headers responseHeaders() {
        return http.getResponseHeaders();
    }

    boolean isCommitted() {
        return committed.get();
    }

    /** Sends the head. @param length of the body in bytes, 0 for none, -1 when it is not known: it is streamed then */
    void commit(int status, long length) throws IOException {
        if (!committed.compareAndSet(false, true)) throw new IOException("already answered");     // a failure and an answer may race
        this.status = status;
        boolean bodyless = method().equals("HEAD") || status == 204 || status == 304 || length == 0;
        if (method().equals("HEAD") && length > 0) responseHeaders().set("Content-length", String.valueOf(length));
        String connection = requestHeaders().getFirst("Connection");
        if (unreadable || connection != null && connection.toLowerCase(Locale.ROOT).contains("close")) responseHeaders().set("Connection", "close");
        writingSinceNanos = System.nanoTime();
        http.sendResponseHeaders(status, bodyless ? -1 : Math.max(length, 0));
        out = bodyless ? OutputStream.nullOutputStream() : http.getResponseBody();
        if (length < 0) out.flush();        // or the head waits for the first piece of the body
        writingSinceNanos = 0;
    }

    /** Writes a piece of the body and sends it at once. */
    void write(byte[] bytes, int offset, int length) throws IOException {
        writingSinceNanos = System.nanoTime();
        out.write(bytes, offset, length);
        bytesOut += length;
    }

    void flush() throws IOException {
        out.flush();
        writingSinceNanos = 0;
        if (silenceLimitNanos != 0) waitingSinceNanos = System.nanoTime();
    }

    /** From now on the model's server may be silent for that long, 0 = for ever. */
    void limitSilence(int seconds) {
        silenceLimitNanos = seconds * 1_000_000_000L;
        waitingSinceNanos = System.nanoTime();
    }

    /**
     * Breaks off when the client takes no byte for too long. A blocked write alone does not say so: the kernel wakes it
     * only when a good part of its buffer is free again.
     *
     * @param unsent how much of what was written the client has not taken, in any spelling
     */
    void checkProgress(long nowNanos, long maxStallNanos, String unsent) {
        if (writingSinceNanos == 0 || !unsent.equals(lastUnsent)) {
            lastUnsent = unsent;
            lastProgressNanos = nowNanos;
        } else if (nowNanos - lastProgressNanos > maxStallNanos) {
            breakOff(CLIENT_LEFT);
        }
    }

    /** Breaks off when the model's server sends no byte for too long. */
    void checkSilence(long nowNanos) {
        long limit = silenceLimitNanos;
        if (writingSinceNanos == 0 && limit != 0 && nowNanos - waitingSinceNanos > limit) {
            breakOff("the model's server sent nothing for " + limit / 1_000_000_000 + " s, its requestTimeout");
        }
    }

    /** Ends the answer properly. Not for an answer that was cut. */
    void finish() throws IOException {
        if (out != null) out.close();
        http.close();
    }

    void send(int status, String contentType, byte[] body) throws IOException {
        responseHeaders().set("Content-Type", contentType);
        commit(status, body.length);
        if (body.length > 0 && !method().equals("HEAD")) {
            write(body, 0, body.length);
            flush();
        }
    }

    void sendText(int status, String text) throws IOException {
        send(status, "text/plain; charset=utf-8", text.getBytes(StandardCharsets.UTF_8));
    }

    void sendJson(int status, Json json) throws IOException {
        send(status, "application/json", json.toString().getBytes(StandardCharsets.UTF_8));
    }

    void redirect(int status, String location) throws IOException {
        responseHeaders().set("Location", location);
        commit(status, 0);
    }

    void sendFailure(Failure failure) throws IOException {
        if (failure.status == 429) responseHeaders().set("Retry-After", "1");
        byte[] body = failure.body(form).toString().getBytes(StandardCharsets.UTF_8);
        noteEnd(failure.status, failure.getMessage(), body);
        send(failure.status, "application/json", body);
    }

    /** Notes the end in the activity, if this is a request for a model; only the first call counts. See {@link Activity.Request#end}. */
    void noteEnd(int status, String error, byte[] said) {
        if (activity != null) activity.end(status, error, said);
    }

    // ---- breaking off

    @Override public void breakOff(String why) {
        lock.lock();
        try {
            if (!active || brokenOff != null) return;
            brokenOff = why;
            handler.interrupt();
        } finally {
            lock.unlock();
        }
    }

    /** Why this exchange was broken off, or null. */
    String brokenOff() {
        return brokenOff;
    }

    /** The handler is done: nothing interrupts its thread any more. */
    void end() {
        lock.lock();
        try {
            active = false;
            Thread.interrupted();       // the thread may be a pool's
        } finally {
            lock.unlock();
        }
    }

    // ---- for others' records

    int status() {
        return status;
    }

    long bytesOut() {
        return bytesOut;
    }

    long reservedBytes() {
        return reservedBytes;
    }

    void reservedBytes(long bytes) {
        reservedBytes = bytes;
    }
}
