package llmsnap.http.proxy;

import static java.lang.Math.max;
import static java.lang.Math.min;
import static java.nio.charset.StandardCharsets.UTF_8;
import static llmsnap.record.Cause.BROKE_OFF;
import static llmsnap.record.Cause.NO_ANSWER;

import com.sun.net.httpserver.Headers;
import java.io.ByteArrayOutputStream;
import java.net.ProtocolException;
import java.net.http.HttpHeaders;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodySubscriber;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Flow;
import java.util.regex.Pattern;
import llmsnap.http.server.Exchange;
import llmsnap.http.server.Failure;
import llmsnap.record.InFlight;

/**
 * Passes the answer of a server on to the client, in the order of the protocol: its head in
 * {@link #apply}, its body piece by piece, the next one when this one was written.
 */
final class AnswerStream implements HttpResponse.BodyHandler<Void>, BodySubscriber<Void> {
    private static final Pattern LENGTH = Pattern.compile("[0-9]{1,18}");
    private static final int MAX_KEPT_BYTES = 64 * 1024;
    private static final String EVENTS = "text/event-stream";

    private final Exchange exchange;
    private final String server;
    private final InFlight noted;
    private final WaitingStream waiting;
    private final CompletableFuture<Void> done = new CompletableFuture<>();
    private Flow.Subscription subscription;
    /** The body of an answer that cannot follow the stream already begun, else null. */
    private ByteArrayOutputStream kept;
    private int status;
    /** The head of an answer has come and can be passed on. */
    private volatile boolean answered;
    private volatile Failure failure;

    /** @param server its name, in sentences */
    AnswerStream(Exchange exchange, String server, InFlight noted, WaitingStream waiting) {
        this.exchange = exchange;
        this.server = server;
        this.noted = noted;
        this.waiting = waiting;
    }

    // ---- the head

    @Override public BodySubscriber<Void> apply(HttpResponse.ResponseInfo info) {
        try {
            begin(info.statusCode(), info.headers());
        } catch (Failure e) {
            fail(e);
        } catch (RuntimeException e) {
            fail(notHttp(e.getMessage()));
        }
        return this;
    }

    private void begin(int code, HttpHeaders headers) throws Failure {
        long length = length(code, headers);
        boolean events = headers.firstValue("content-type").orElse("").startsWith(EVENTS);
        status = code;
        answered = true;
        waiting.close();
        if (!exchange.isCommitted()) {
            Headers to = exchange.responseHeaders();
            ConnectionHeaders.copy(headers.map(), "content-length"::equals, to::add);
            if (events) to.set("X-Accel-Buffering", "no");
            noted.answerBegins(headers.map(), length);
            exchange.commit(code, length);
        } else if (code == 200 && events) {
            noted.answerBegins(headers.map(), length);
            exchange.handOver();
        } else {
            kept = new ByteArrayOutputStream();
        }
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
        if (!LENGTH.matcher(text).matches()) throw sent("with the Content-Length \"" + text + "\"");
        return Long.parseLong(text);
    }

    private Failure sent(String what) {
        return new Failure(502, server + " sent an answer " + what);
    }

    private Failure notHttp(String reason) {
        return sent("that HTTP does not allow: " + reason);
    }

    // ---- the body

    @Override public CompletionStage<Void> getBody() {
        return done;
    }

    @Override public void onSubscribe(Flow.Subscription subscription) {
        this.subscription = subscription;
        if (done.isDone()) subscription.cancel();
        else subscription.request(1);
    }

    @Override public void onNext(List<ByteBuffer> pieces) {
        try {
            for (ByteBuffer piece : pieces) take(piece);
            exchange.flush();
            subscription.request(1);
        } catch (Failure e) {
            subscription.cancel();      // closes the connection: it is not to work for nobody
            fail(e);
        }
    }

    private void take(ByteBuffer piece) throws Failure {
        int most = kept == null ? piece.remaining() : MAX_KEPT_BYTES - kept.size();
        byte[] bytes = new byte[min(piece.remaining(), most)];
        piece.get(bytes);
        if (kept != null) {
            kept.writeBytes(bytes);
        } else {
            noted.pass(bytes, 0, bytes.length);
            exchange.write(bytes);
        }
    }

    @Override public void onError(Throwable error) {
        done.completeExceptionally(error);
    }

    @Override public void onComplete() {
        if (kept != null) {
            fail(new Failure(max(400, status),
                server + " answered " + status + ": " + kept.toString(UTF_8).strip()));
        }
        done.complete(null);
    }

    // ---- what goes wrong

    private void fail(Failure why) {
        failure = why;
        done.completeExceptionally(why);
    }

    /** What became of it, when the client says that. */
    Failure failure(Exception e) {
        if (failure != null) return failure;
        Throwable cause = e;
        boolean malformed = false;
        for (Throwable each = e; each != null; each = each.getCause()) {
            malformed |= each instanceof ProtocolException
                || each instanceof IllegalArgumentException;
            cause = each;
        }
        String message = cause.getMessage();
        String reason = message == null ? cause.getClass().getSimpleName() : message;
        if (answered) {
            return new Failure(502, BROKE_OFF, server + " broke its answer off (" + reason + ")");
        }
        // Something came back: asking again would run the request twice.
        if (malformed) return notHttp(reason);
        return new Failure(502, NO_ANSWER,
            server + " broke the connection off before it answered (" + reason + ")");
    }
}
