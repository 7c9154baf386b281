package llmsnap.http.proxy;

import static java.lang.Math.max;
import static java.lang.Math.min;
import static java.nio.charset.StandardCharsets.US_ASCII;
import static java.nio.charset.StandardCharsets.UTF_8;
import static java.util.concurrent.TimeUnit.MILLISECONDS;
import static llmsnap.record.Cause.BROKE_OFF;
import static llmsnap.record.Cause.NO_ANSWER;
import static llmsnap.record.Cause.SILENT;

import com.sun.net.httpserver.Headers;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.ConnectException;
import java.net.NoRouteToHostException;
import java.net.ProtocolException;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.UnknownHostException;
import java.net.http.HttpClient;
import java.net.http.HttpConnectTimeoutException;
import java.net.http.HttpHeaders;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodySubscriber;
import java.net.http.HttpTimeoutException;
import java.nio.ByteBuffer;
import java.nio.channels.UnresolvedAddressException;
import java.util.List;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Flow;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import llmsnap.http.server.Exchange;
import llmsnap.http.server.Failure;
import llmsnap.http.server.RequestCheck;
import llmsnap.record.InFlight;
import llmsnap.text.Json;

/**
 * Passes the answer of a server on to the client. The HTTP client's threads only queue what comes;
 * the request's own thread takes it, the head first, and writes it: a slow client keeps nobody up.
 */
final class AnswerStream implements BodySubscriber<Void> {
    /** What has come of the body at a time; without any its end, of which {@code error} tells. */
    private record Piece(List<ByteBuffer> bytes, Throwable error) {}

    /** How many pieces, of up to 16 KB, may come before the next is written. */
    private static final int AHEAD = 16;
    /** What a server says that another one may do better. */
    private static final Set<Integer> BUSY = Set.of(429, 502, 503, 504);
    private static final int MAX_KEPT_BYTES = 64 * 1024;
    private static final String EVENTS = "text/event-stream";
    private static final String ALLOWED = "access-control-allow-origin";
    /** Two are said anew; the others would reach beyond the path of one model. */
    static final Set<String> TAKEN_OFF = Set.of("content-length",
        "service-worker-allowed", "clear-site-data", "strict-transport-security", "alt-svc",
        "report-to", "reporting-endpoints", "nel", "x-llmsnap-model");
    /** What no browser shows as a page; without one of these it may guess. */
    private static final Pattern NO_PAGE = Pattern.compile("(application/(json|x-ndjson"
        + "|octet-stream)|text/(event-stream|plain|css|javascript)|(audio|video)/[a-z0-9.-]+"
        + "|image/(png|jpeg|gif|webp))( *;[a-z0-9=\"._ -]*)?", Pattern.CASE_INSENSITIVE);
    private static final Pattern UPSTREAM = Pattern.compile("/upstream/[^/]+/");
    private static final String JSON = "application/json";      // most are
    private static final String SANDBOX = "sandbox allow-scripts allow-forms allow-popups";

    private final Exchange exchange;
    private final String server;
    private final boolean trusted;
    private final boolean last;
    private final InFlight noted;
    private final WaitingStream waiting;
    private final BlockingQueue<Piece> pieces = new LinkedBlockingQueue<>();
    private volatile Flow.Subscription subscription;
    private volatile boolean left;
    /** The body of an answer that cannot follow the stream already begun, else null. */
    private ByteArrayOutputStream kept;
    private final Headers headers = new Headers();
    private int status;             // 0 until a head has come that can be passed on
    private long length;
    private boolean commented;      // it is an event stream that comments can be put into
    private int lastFour;           // bytes of it; 0 before the first

    AnswerStream(Exchange exchange, Upstream from, InFlight noted, WaitingStream waiting) {
        this.exchange = exchange;
        this.server = from.name();
        this.trusted = from.trusted();
        this.last = from.last();
        this.noted = noted;
        this.waiting = waiting;
    }

    /**
     * Sends a request. Returns when its answer has passed completely.
     *
     * @throws Failure when there was none, or it broke off, or the client left
     */
    void pass(HttpClient client, HttpRequest request) throws Failure, InterruptedException {
        boolean complete = false;
        try {
            HttpResponse<Void> head = client.send(request, info -> this);
            begin(head.statusCode(), head.headers());
            Piece piece = next();
            for (int written = 1; piece.bytes != null; written++) {
                commit();
                take(joined(piece.bytes));
                if (pieces.isEmpty()) exchange.flush();
                if (written % (AHEAD / 2) == 0) subscription.request(AHEAD / 2);
                piece = next();
            }
            complete = true;
            end(piece.error);
        } catch (IOException e) {
            throw failure(e);
        } catch (IllegalArgumentException e) {
            throw notHttp(e.getMessage());
        } finally {
            if (!complete) leave();
        }
    }

    /**
     * What has come passes, also when the request was broken off meanwhile. While a stream is
     * silent between two events, comments keep everybody on the way patient.
     */
    private Piece next() throws Failure, InterruptedException {
        Piece piece = pieces.poll();
        if (piece == null && !commented) return pieces.take();
        while (piece == null) {
            piece = pieces.poll(WaitingStream.COMMENT_EVERY_MS, MILLISECONDS);
            if (piece == null && isBetweenEvents()) {
                exchange.writeOurs(WaitingStream.COMMENT.getBytes(US_ASCII));
            }
        }
        return piece;
    }

    private boolean isBetweenEvents() {
        int two = lastFour & 0xffff;
        return lastFour == 0 || two == 0x0a0a || two == 0x0d0d || lastFour == 0x0d0a0d0a;
    }

    /** Sends the head: of an answer with a length with its first piece, of a stream at once. */
    private void commit() throws Failure {
        if (exchange.isCommitted()) return;
        exchange.responseHeaders().putAll(headers);
        exchange.commit(status, length);
    }

    /** Closes the connection: the server is not to work for nobody. */
    private void leave() {
        left = true;
        if (subscription != null) subscription.cancel();
    }

    // ---- what comes, on the HTTP client's threads

    /** At once: the head is all that the client is asked to wait for. */
    @Override public CompletionStage<Void> getBody() {
        return CompletableFuture.completedFuture(null);
    }

    @Override public void onSubscribe(Flow.Subscription subscription) {
        this.subscription = subscription;
        if (left) subscription.cancel();
        else subscription.request(AHEAD);
    }

    @Override public void onNext(List<ByteBuffer> bytes) {
        pieces.add(new Piece(bytes, null));
    }

    @Override public void onError(Throwable error) {
        pieces.add(new Piece(null, error));
    }

    @Override public void onComplete() {
        onError(null);
    }

    // ---- where it goes

    private void begin(int code, HttpHeaders head) throws Failure {
        length = length(code, head);
        String type = head.firstValue("content-type").orElse("").strip();
        boolean events = type.regionMatches(true, 0, EVENTS, 0, EVENTS.length());
        if (!last && BUSY.contains(code)) {
            throw new Failure(502, NO_ANSWER, server + " answered " + code);
        }
        status = code;
        waiting.close();
        commented = events && length < 0 && head.firstValue("content-encoding").isEmpty();
        if (!exchange.isCommitted()) {
            boolean allowed = exchange.responseHeaders().containsKey(ALLOWED);
            ConnectionHeaders.copy(head.map(), name -> TAKEN_OFF.contains(name)
                || allowed && name.equals(ALLOWED) || !trusted && isOurs(name, head), this::add);
            boolean one = head.allValues("content-type").size() == 1;
            boolean page = !one || !type.equals(JSON) && !NO_PAGE.matcher(type).matches();
            if (page && !trusted) {
                headers.add("Content-Security-Policy", SANDBOX);
            }
            if (events) headers.set("X-Accel-Buffering", "no");
            noted.answerBegins(head.map(), length);
            if (length < 0) commit();
        } else if (code == 200 && events) {
            noted.answerBegins(head.map(), length);
            exchange.handOver();
        } else {
            kept = new ByteArrayOutputStream();
            commented = false;
        }
    }

    /** Cookies are sent to all of us; a redirect to us would do what its model wants. */
    private boolean isOurs(String name, HttpHeaders head) {
        boolean redirect = name.equals("location") || name.equals("refresh");
        return redirect ? name.equals("refresh") || !leadsAway(head.firstValue(name).orElse(""))
            : name.equals("set-cookie");
    }

    /**
     * Whether a redirect stays below /upstream/ID/, or leads to another host and port than ours: we
     * may have more names than the one that was asked for.
     */
    private boolean leadsAway(String location) {
        try {
            URI to = new URI(location);
            if (to.getScheme() == null && to.getRawAuthority() == null) {
                String path = exchange.rawPath();
                Matcher below = UPSTREAM.matcher(path);
                return below.lookingAt() && new URI(path).resolve(to).normalize().getRawPath()
                    .startsWith(below.group());
            }
            boolean plain = "http".equalsIgnoreCase(to.getScheme())
                || "https".equalsIgnoreCase(to.getScheme());
            int usual = "http".equalsIgnoreCase(to.getScheme()) ? 80 : 443;
            int port = to.getPort() < 0 ? usual : to.getPort();
            return plain && to.getHost() != null && to.getRawUserInfo() == null
                && !exchange.isAt(to.getHost()) && !exchange.isAt(port);
        } catch (URISyntaxException e) {
            return false;
        }
    }

    /** A carriage return alone would begin another header for many who read it. */
    private void add(String name, String value) {
        if (RequestCheck.hasControl(name + value, '\t')) {
            throw new IllegalArgumentException("a control character in its header " + name);
        }
        headers.add(name, value);
    }

    /** The length of the body, -1 when it is not known before its end. */
    private long length(int code, HttpHeaders headers) throws Failure {
        List<String> lengths = headers.allValues("content-length");
        List<String> encodings = headers.allValues("transfer-encoding");
        if (lengths.size() > 1 || !lengths.isEmpty() && !encodings.isEmpty()) {
            throw sent(
                "whose length is not clear (several Content-Length, or with Transfer-Encoding)");
        }
        String encoding = String.join(", ", encodings);
        if (!encodings.isEmpty() && !encoding.strip().equalsIgnoreCase("chunked")) {
            throw sent("with the Transfer-Encoding \"" + encoding
                + "\"; only chunked is understood");
        }
        if (lengths.isEmpty()) return code == 204 || code == 304 ? 0 : -1;
        String text = lengths.getFirst();
        if (!RequestCheck.isLength(text)) throw sent("with the Content-Length \"" + text + "\"");
        return Long.parseLong(text);
    }

    private Failure sent(String what) {
        return new Failure(502, server + " sent an answer " + what);
    }

    private Failure notHttp(String reason) {
        return sent("that HTTP does not allow: " + reason);
    }

    /** Each chunk is a buffer: all that came at a time is read and written at once. */
    private static byte[] joined(List<ByteBuffer> buffers) {
        int length = 0;
        for (ByteBuffer each : buffers) length += each.remaining();
        ByteBuffer all = ByteBuffer.allocate(length);
        buffers.forEach(all::put);
        return all.array();
    }

    private void take(byte[] bytes) throws Failure {
        if (kept != null) {
            kept.write(bytes, 0, min(bytes.length, MAX_KEPT_BYTES - kept.size()));
        } else {
            noted.pass(bytes, 0, bytes.length);
            exchange.write(bytes);
            for (int i = max(0, bytes.length - 4); commented && i < bytes.length; i++) {
                lastFour = lastFour << 8 | bytes[i] & 0xff;
            }
        }
    }

    private void end(Throwable error) throws Failure {
        if (error == null) commit();
        if (exchange.isCommitted()) exchange.flush();   // what is cut is cut where the server did
        if (error != null) throw failure(error);
        if (kept == null) return;
        String text = kept.toString(UTF_8).strip();
        var failure = new Failure(max(400, status), server + " answered " + status + ": " + text);
        Json.Obj its = Json.parseOrNull(text) instanceof Json.Obj body
            && body.at("error") instanceof Json.Obj object ? object : null;
        throw its == null ? failure : failure.instead(its);
    }

    /** What became of it, when the HTTP client says that. */
    private Failure failure(Throwable e) {
        Throwable cause = e;
        String unreachable = null;
        boolean malformed = false;
        for (Throwable each = e; each != null; each = each.getCause()) {
            malformed |= each instanceof ProtocolException
                || each instanceof IllegalArgumentException;
            String why = unreachable(each);
            if (why != null) unreachable = why;
            cause = each;
        }
        String message = cause.getMessage();
        String reason = message == null ? cause.getClass().getSimpleName() : message;
        if (status != 0) {
            return new Failure(502, BROKE_OFF, server + " broke its answer off (" + reason + ")");
        }
        // Something came back: asking again would run the request twice.
        if (malformed && unreachable == null) return notHttp(reason);
        String what = unreachable == null
            ? " broke the connection off before it answered (" + reason + ")"
            : " cannot be reached: " + unreachable;
        if (e instanceof HttpTimeoutException && unreachable == null) {
            what = " did not begin to answer in time (timeouts.responseHeader)";
        }
        // Who takes no connection for so long is not asked twice.
        boolean late = e instanceof HttpTimeoutException;
        return new Failure(502, late ? SILENT : NO_ANSWER, server + what);
    }

    /** Why there was no connection; null when that was not the reason. */
    static String unreachable(Throwable e) {
        return switch (e) {
            case UnresolvedAddressException unknown -> "there is no host of that name";
            case UnknownHostException unknown -> "there is no host of that name";
            case HttpConnectTimeoutException late -> "it did not take the connection in time";
            case NoRouteToHostException nowhere -> "no way leads there";
            case ConnectException refused -> "connection refused";
            default -> null;
        };
    }
}
