package llmsnap.http.server;

import static java.nio.charset.StandardCharsets.UTF_8;
import static java.util.concurrent.TimeUnit.NANOSECONDS;
import static llmsnap.record.Cause.CLIENT_LEFT;

import com.sun.net.httpserver.Headers;
import com.sun.net.httpserver.HttpExchange;
import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.channels.SocketChannel;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import llmsnap.config.Config.Key;
import llmsnap.record.Log;
import llmsnap.text.Json;

/** One request and its answer. */
public final class Exchange {
    /**
     * Told that the answer ends, before its client can know; again, when it breaks off even then.
     */
    public interface Ending {
        /**
         * @param failure why there is none of the model's, or not all of it; null when there is
         * @param said the body of an answer that is not the model's, or null
         */
        void end(int status, Failure failure, byte[] said);
    }

    private static final Pattern FORM = Pattern.compile("(?:/+v1?)?/+(messages|responses)\\b.*");

    /** Set by pages of our own; never among those that other sites are told they may send. */
    static final String OWN_PAGE = "X-llmsnap-page";
    private static final List<String> SIGNS = List.of("Origin", "Referer", "Sec-fetch-site",
        "Sec-fetch-mode", "Sec-fetch-dest", "Sec-ch-ua");

    private static final Pattern SLASHES = Pattern.compile("/+");

    /** What is made and not sent so far takes at most so much: the heap has copies of it. */
    private static final int SENT_KB =
        (int) Math.min(Runtime.getRuntime().maxMemory() >> 14, 1 << 20);
    private static final Semaphore SENDING_KB = new Semaphore(SENT_KB);

    private static final int PIECE_BYTES = 16 * 1024;
    /** A later try may do better. */
    private static final Set<Integer> RETRY = Set.of(429, 503);

    final long startNanos = System.nanoTime();
    private final HttpExchange http;
    private final String rawPath;
    String rest = "";           // behind its route's path, once that is found
    public final Interruption interruption = new Interruption();
    public final Progress progress = new Progress();
    private Ending ending = (status, failure, said) -> { };
    private Supplier<String> description = () -> "";
    private Key key;            // null: none was asked for
    boolean quiet;
    private boolean closing;
    /** Its connection's descriptor while {@link HangUps} watches it; -1: not, 0: not asked yet. */
    volatile int watchedAs;
    /** It goes on until the client or the server leaves: a stop does not wait for it. */
    volatile boolean endless;
    private final AtomicInteger status = new AtomicInteger();       // 0 before the answer begins
    private volatile boolean waiting;           // the answer is a stream of comments of ours so far
    private volatile long missing = -1;         // of the body, where its length is known
    private volatile long bytesOut;
    private volatile OutputStream out = OutputStream.nullOutputStream();

    Exchange(HttpExchange http) {
        this.http = http;
        this.rawPath = rawPath(http.getRequestURI());
    }

    // ---- the request

    public String method() {
        return http.getRequestMethod();
    }

    public boolean is(String method) {
        return method().equals(method);
    }

    /** Whether it only looks: GET or HEAD. */
    public boolean isGet() {
        return is("GET") || is("HEAD");
    }

    /** The path as it came, percent-encoded. {@link URI} takes "//a/b" for a host and a path. */
    private static String rawPath(URI uri) {
        String path = uri.getScheme() == null
            ? withoutQuery(uri.getRawSchemeSpecificPart()) : uri.getRawPath();
        return path == null || path.isEmpty() ? "/" : path;
    }

    private static String withoutQuery(String path) {
        int query = path.indexOf('?');
        return query < 0 ? path : path.substring(0, query);
    }

    /** The path as it came, percent-encoded. */
    public String rawPath() {
        return rawPath;
    }

    /** The path, decoded. */
    String path() {
        return rawPath.contains("%") ? URI.create("/." + rawPath).getPath().substring(2) : rawPath;
    }

    /** The query as it came, without the question mark; null when there is none. */
    public String rawQuery() {
        return http.getRequestURI().getRawQuery();
    }

    /** The query as it came, with its question mark; "" when there is none. */
    public String queryPart() {
        return rawQuery() == null ? "" : "?" + rawQuery();
    }

    /** The path that its route was found by: single slashes, none at the end; percent-encoded. */
    public String plainPath() {
        return plain(rawPath);
    }

    static String plain(String path) {
        String single = path.contains("//") ? SLASHES.matcher(path).replaceAll("/") : path;
        boolean slash = single.endsWith("/") && single.length() > 1;
        return slash ? single.substring(0, single.length() - 1) : single;
    }

    /** What the path has behind its route's own, decoded. */
    public String rest() {
        return rest;
    }

    public Headers requestHeaders() {
        return http.getRequestHeaders();
    }

    /** The first value of a header, or null. */
    public String header(String name) {
        return http.getRequestHeaders().getFirst(name);
    }

    /** The same; "" when there is none. */
    public String headerText(String name) {
        return Objects.requireNonNullElse(header(name), "");
    }

    /** The length of the body, -1 when it is not known; checked by {@link RequestCheck}. */
    public long contentLength() {
        String length = header("Content-length");
        if (length != null) return Long.parseLong(length.strip());
        return requestHeaders().containsKey("Transfer-encoding") ? -1 : 0;
    }

    /** The body as it comes; who waits for it is looked after, see {@link Progress#stuck}. */
    public InputStream body() {
        return new FilterInputStream(http.getRequestBody()) {
            @Override public int read() throws IOException {
                byte[] one = new byte[1];
                return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
            }

            @Override public int read(byte[] bytes, int offset, int length) throws IOException {
                progress.reading();
                int n = -1;
                try {
                    n = super.read(bytes, offset, length);
                    return n;
                } catch (IOException | RuntimeException e) {
                    // Who passes the body on is not to take it for the model's server's fault.
                    interruption.breakOff(new Failure(400, "the request's body ended early, or is"
                        + " not chunked as HTTP wants it"));
                    closing = true;
                    throw new IOException("the body cannot be read");
                } finally {
                    progress.read(n);
                }
            }
        };
    }

    /**
     * Answers a request whose handler waits for its body, from another thread; then breaks that
     * off. The other way round the interrupt would close the connection before the answer.
     */
    void refuse(Failure why) {
        closing = true;
        try {
            fail(why);
        } catch (Failure e) {
            // it began to answer, or it left
        }
        interruption.cut();
    }

    String protocol() {
        return http.getProtocol();
    }

    /** The connection; null where it cannot be reached. */
    SocketChannel channel() {
        Internals.Connection connection = Internals.connection(http);
        return connection == null ? null : connection.channel();
    }

    /** Whether that is the host that it was sent to. */
    public boolean isAt(String host) {
        String asked = headerText("Host");
        return asked.regionMatches(true, 0, host, 0, host.length())
            && asked.substring(host.length()).matches("(:[0-9]*)?");
    }

    /** Whether that is the port that it came to, or was sent to. */
    public boolean isAt(int port) {
        return http.getLocalAddress().getPort() == port || headerText("Host").endsWith(":" + port);
    }

    InetSocketAddress client() {
        return http.getRemoteAddress();
    }

    /** Notes that it was let in by a key of ours. */
    void admit(Key with) {
        key = with;
    }

    /** The key that it was let in by; {@link Key#NONE} where none is needed. */
    public Key key() {
        return key == null ? Key.NONE : key;
    }

    /** Whether it was let in by a key of ours, which goes no further. */
    public boolean isKeyed() {
        return key != null;
    }

    /**
     * Whether it is a GET of a browser, by any sign of one, and not from a page of our own, which
     * says so with a header that other sites cannot send. Any page makes a browser GET something,
     * an image or a script, without a word of who asked: it may change nothing.
     */
    public boolean isStray() {
        if (!isGet() || header(OWN_PAGE) != null) return false;
        String accept = headerText("Accept");
        return headerText("User-agent").startsWith("Mozilla/") || accept.contains("image/")
            || accept.contains("text/html")
            || SIGNS.stream().anyMatch(each -> header(each) != null);
    }

    /** Whether it wants to go on as a WebSocket; other offers of another protocol are ignored. */
    public boolean isWebSocket() {
        return is("GET") && "websocket".equalsIgnoreCase(header("Upgrade"));
    }

    // ---- how it is treated

    /** It is not worth a line in the log. */
    public void beQuiet() {
        quiet = true;
    }

    /** What follows on this connection cannot be told: it is closed after the answer. */
    public void closeAfterAnswer() {
        closing = true;
    }

    /** What its line in the log says of it beside status and time. */
    public void describe(Supplier<String> words) {
        description = words;
    }

    /** Who is told of the end. */
    public void onEnd(Ending told) {
        ending = told;
    }

    // ---- the answer

    public Headers responseHeaders() {
        return http.getResponseHeaders();
    }

    public boolean isCommitted() {
        return status.get() != 0;
    }

    /** Something that a client breaks by leaving. */
    private interface Sending {
        void run() throws IOException;
    }

    private void sending(Sending work) throws Failure {
        interruption.beginWrite();
        try {
            work.run();
        } catch (IOException | RuntimeException e) {
            throw Failure.of(CLIENT_LEFT);      // some come of what the JDK reads of a bad body
        } finally {
            interruption.endWrite();
        }
    }

    private void startAnswer(int code) throws Failure {
        interruption.check();
        // A failure and an answer may race.
        if (!status.compareAndSet(0, code)) throw Failure.of(CLIENT_LEFT);
    }

    /**
     * Sends the head.
     *
     * @param length of the body in bytes, -1 when it is not known: it is streamed
     */
    public void commit(int code, long length) throws Failure {
        startAnswer(code);
        Headers headers = responseHeaders();
        boolean bodyless = is("HEAD") || code == 204 || code == 304 || length == 0;
        if (!bodyless) missing = length;
        else if (is("HEAD") && length > 0) headers.set("Content-length", String.valueOf(length));
        boolean last = headerText("Connection").toLowerCase(Locale.ROOT).contains("close");
        if (closing || last) headers.set("Connection", "close");
        progress.writing();
        sending(() -> {
            http.sendResponseHeaders(code, bodyless ? -1 : Math.max(length, 0));
            if (!bodyless) out = http.getResponseBody();
            if (length < 0) out.flush();        // or the head waits for the first piece of the body
        });
        progress.written(!waiting);
    }

    /** Writes a piece of the body. */
    public void write(byte[] bytes) throws Failure {
        if (missing >= 0) {
            missing -= bytes.length;
            if (missing == 0) {
                interruption.answering();       // it is whole
                ending.end(status.get(), null, null);
            }
        }
        progress.writing();
        // The JDK keeps a buffer twice as large as the largest write for each connection.
        for (int at = 0; at < bytes.length; at += PIECE_BYTES) {
            int from = at;
            sending(() -> out.write(bytes, from, Math.min(PIECE_BYTES, bytes.length - from)));
        }
        bytesOut += bytes.length;
    }

    /** Writes and flushes something of our own into a stream of the model's server. */
    public void writeOurs(byte[] bytes) throws Failure {
        write(bytes);
        sending(out::flush);
        progress.written(false);
    }

    /** Passes bytes on to a connection that was taken over. */
    public void pass(OutputStream to, byte[] bytes, int length) throws IOException {
        bytesOut += length;
        progress.writing();
        to.write(bytes, 0, length);
        to.flush();
        progress.written(true);
    }

    public void flush() throws Failure {
        sending(out::flush);
        progress.written(!waiting);
    }

    /** @throws Failure 503 also when clients that read slowly hold too much of such answers */
    public void send(int code, String contentType, byte[] body) throws Failure {
        int kb = Math.min(body.length / 1024, SENT_KB);
        if (!SENDING_KB.tryAcquire(kb)) {
            throw new Failure(503, "too many clients do not read their answers: try again later");
        }
        try {
            responseHeaders().set("Content-Type", contentType);
            commit(code, body.length);
            if (body.length == 0 || is("HEAD")) return;
            write(body);
            flush();
        } finally {
            SENDING_KB.release(kb);
        }
    }

    public void sendText(String text) throws Failure {
        send(200, "text/plain; charset=utf-8", text.getBytes(UTF_8));
    }

    public void sendJson(Json json) throws Failure {
        send(200, "application/json", json.toString().getBytes(UTF_8));
    }

    public void redirect(int code, String location) throws Failure {
        responseHeaders().set("Location", location);
        commit(code, 0);
    }

    private void beginStream(String contentType) throws Failure {
        responseHeaders().set("Content-Type", contentType);
        responseHeaders().set("Cache-Control", "no-cache");
        responseHeaders().set("X-Accel-Buffering", "no");
        commit(200, -1);
    }

    /** Begins an answer that goes on until the client or the server leaves. */
    public void beginEndless(String contentType) throws Failure {
        endless = true;
        beginStream(contentType);
    }

    /** Begins an event stream which the model's server is to go on with: see {@link #handOver}. */
    public void beginEvents() throws Failure {
        waiting = true;
        beginStream("text/event-stream");
    }

    /** From now on the event stream is that of the model's server. */
    public void handOver() {
        waiting = false;
    }

    /** Answers with that head; from then on the connection is the caller's until it returns. */
    public Internals.Connection takeOver(int code, byte[] head) throws Failure {
        startAnswer(code);
        closing = true;
        Internals.Connection connection = Internals.connection(http);
        if (connection == null) throw Failure.of(CLIENT_LEFT);
        sending(() -> {
            connection.out().write(head);
            connection.out().flush();
        });
        return connection;
    }

    // ---- the end

    /** Answers with the failure, in whatever way is left. @throws Failure when only a cut is */
    void fail(Failure why) throws Failure {
        if (why.cause == CLIENT_LEFT || isCommitted() && !waiting) {
            ending.end(isCommitted() ? status.get() : why.status, why, null);
            throw why;
        }
        interruption.answering();
        Failure.Form form = form();
        byte[] body = (waiting ? why.event(form) : why.body(form).toString()).getBytes(UTF_8);
        ending.end(why.status, why, body);
        if (waiting) {
            write(body);
            return;
        }
        if (RETRY.contains(why.status)) responseHeaders().set("Retry-After", why.retrySeconds());
        send(why.status, "application/json", body);
    }

    private Failure.Form form() {
        Matcher form = FORM.matcher(rawPath);
        if (!form.matches()) return Failure.Form.OPENAI;
        return form.group(1).equals("messages") ? Failure.Form.ANTHROPIC : Failure.Form.RESPONSES;
    }

    /** Ends the answer properly. @throws IOException to close the connection */
    void finish() throws IOException, Failure {
        ending.end(status.get(), null, null);
        progress.draining();
        sending(() -> {
            if (!closing || missing < 0) out.close();       // a stream has a last chunk
            if (!closing) http.close();
        });
        if (closing) throw new IOException("closed after its answer");      // else the rest is read
    }

    // ---- for the log

    /** @param why it was refused or cut, or null */
    String line(String why) {
        long micros = NANOSECONDS.toMicros(System.nanoTime() - startNanos);
        // Who leaves with all of the answer breaks nothing off.
        Failure broken = missing == 0 ? null : interruption.failure();
        String reason = why == null && broken != null ? broken.getMessage() : why;
        String words = description.get();
        if (!words.isEmpty()) words += " ";
        String code = isCommitted() ? status.toString() : "-";
        String whose = key().name().isEmpty() ? "" : "[" + key.name() + "] ";
        String asked = whose + method() + " " + Failure.shown(rawPath) + " ";
        String end = reason == null ? "" : ": " + Log.inBrief(reason);
        return client().getAddress().getHostAddress() + " " + asked + code + " " + words
            + bytesOut + " bytes " + time(micros) + end;
    }

    private static String time(long micros) {
        boolean seconds = micros >= 1_000_000;
        long tenths = seconds ? micros / 100_000 : micros / 100;
        return tenths / 10 + "." + tenths % 10 + (seconds ? " s" : " ms");
    }
}
