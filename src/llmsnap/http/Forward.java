package llmsnap.http;

import com.sun.net.httpserver.Headers;
import java.io.IOException;
import java.net.ProtocolException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpHeaders;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Flow;
import java.util.function.Supplier;
import java.util.regex.Pattern;
import llmsnap.text.JsonEdit.Slice;

/**
 * Sends a request on to a server and its answer back, in the order of the protocol: head, then each piece of the body as
 * it arrives, written to the client by the thread that received it.
 */
final class Forward {
    /** Headers that belong to one connection, not to the message (RFC 9110, 7.6.1). */
    private static final Set<String> HOP_BY_HOP = Set.of("connection", "keep-alive", "proxy-connection", "proxy-authenticate",
        "proxy-authorization", "te", "trailer", "transfer-encoding", "upgrade");
    private static final Set<String> NOT_SENT_ON = Set.of("host", "content-length", "expect", "accept-encoding");
    private static final Set<String> KEYS = Set.of("authorization", "x-api-key");
    private static final Set<String> READABLE_ENCODINGS = Set.of("gzip", "deflate", "identity");
    private static final Pattern LENGTH = Pattern.compile("[0-9]{1,18}");
    private static final int MAX_REFUSAL_BYTES = 64 * 1024;
    private static final int COPY_BYTES = 16 * 1024;

    /** The server broke the connection before the first byte of its answer: nothing was sent to the client yet. */
    static final class NoAnswer extends Exception {
        private static final long serialVersionUID = 1;

        NoAnswer(String message) {
            super(message, null, false, false);
        }
    }

    /** Where a request goes: {@code host} is for the Host header, null to derive it from {@code base}; {@code apiKey} may be empty. */
    record Target(URI base, String host, String name, String apiKey) {}

    private final Supplier<HttpClient> client;

    Forward(Supplier<HttpClient> client) {
        this.client = client;
    }

    /** The client towards model servers. Takes a moment: to be made once, after the server's port is open. */
    static HttpClient newClient() {
        return HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).followRedirects(HttpClient.Redirect.NEVER)
            .executor(Threads.perTask("upstream")).build();
    }

    /** A body made of pieces of arrays, which are not copied. */
    static BodyPublisher publisher(List<Slice> slices) {
        if (slices.isEmpty()) return BodyPublishers.noBody();
        List<BodyPublisher> parts = new ArrayList<>();
        for (Slice slice : slices) parts.add(BodyPublishers.ofByteArray(slice.bytes(), slice.offset(), slice.length()));
        return parts.size() == 1 ? parts.getFirst() : BodyPublishers.concat(parts.toArray(BodyPublisher[]::new));
    }

    /**
     * Sends the exchange's request with {@code body} to {@code target} at {@code path} (with query, as it came), and the
     * answer to the client. Returns when the answer has passed completely.
     *
     * @param beforeEnd runs when the server has sent all, before the client can know: what a request holds is free again
     *     when its client sends the next one
     * @throws NoAnswer when nothing came back
     * @throws Failure when the server's answer cannot be passed on, before anything was sent to the client
     * @throws IOException when the client left or the answer broke off half-way: the client's connection must be cut
     */
    void send(Exchange exchange, Target target, String path, BodyPublisher body, Runnable beforeEnd)
            throws NoAnswer, Failure, IOException, InterruptedException {
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(target.base + path)).method(exchange.method(), body);
        requestHeaders(exchange, request);
        if (target.host != null) request.setHeader("Host", target.host);
        if (!target.apiKey.isEmpty()) {
            request.setHeader("Authorization", "Bearer " + target.apiKey);
            request.setHeader("x-api-key", target.apiKey);
        }
        if (exchange.waiting != null) request.setHeader("Accept-Encoding", "identity");      // the head may be sent before the server's
        Relay relay = new Relay(exchange, target, beforeEnd);
        try {
            client.get().send(request.build(), relay);
        } catch (IOException e) {
            if (relay.clientFailure != null) throw new IOException(Exchange.CLIENT_LEFT, relay.clientFailure);
            if (relay.refused != null) throw relay.refused;
            String reason = reason(e);
            if (!relay.answered && isMalformed(e)) throw new Failure(502, target.name + " sent an answer that HTTP does not allow: " + reason);
            if (!relay.answered) throw new NoAnswer(target.name + " broke the connection off before it answered (" + reason + ")");
            throw new IOException(target.name + " broke its answer off (" + reason + ")", e);
        } catch (IllegalArgumentException e) {      // the client's own words for a Content-Length that is no number
            if (relay.answered) throw new IOException(e);
            throw new Failure(502, target.name + " sent an answer that HTTP does not allow: " + reason(e));
        }
    }

    /** Whether something came back, but nothing that can be understood: asking again would run the request twice. */
    private static boolean isMalformed(Throwable e) {
        for (Throwable cause = e; cause != null; cause = cause.getCause()) {
            if (cause instanceof ProtocolException || cause instanceof IllegalArgumentException) return true;
        }
        return false;
    }

    private static String reason(Throwable e) {
        Throwable cause = e;
        while (cause.getCause() != null && cause.getCause() != cause) cause = cause.getCause();
        return cause.getMessage() == null ? cause.getClass().getSimpleName() : cause.getMessage();
    }

    private static void requestHeaders(Exchange exchange, HttpRequest.Builder to) {
        Headers from = exchange.requestHeaders();
        Set<String> listed = listed(from.get("Connection"));
        from.forEach((name, values) -> {
            String lower = name.toLowerCase(Locale.ROOT);
            if (HOP_BY_HOP.contains(lower) || NOT_SENT_ON.contains(lower) || listed.contains(lower)) return;
            if (exchange.keyed && KEYS.contains(lower)) return;
            for (String value : values) {
                try {
                    to.header(name, value);
                } catch (IllegalArgumentException e) {
                    // a name or value that HTTP does not allow is not sent on
                }
            }
        });
        if (!from.containsKey("User-Agent")) to.header("User-Agent", "llmsnap");      // or the JDK's client names itself
        String encodings = readableEncodings(from.get("Accept-encoding"));
        if (encodings != null) to.header("Accept-Encoding", encodings);
    }

    /** What is left of Accept-Encoding when only encodings that can be read on the side may be used; null for none. */
    private static String readableEncodings(List<String> values) {
        if (values == null) return null;
        List<String> kept = new ArrayList<>();
        for (String item : String.join(",", values).split(",")) {
            String name = item.split(";")[0].strip().toLowerCase(Locale.ROOT);
            if (READABLE_ENCODINGS.contains(name)) kept.add(item.strip());
        }
        return kept.isEmpty() ? "identity" : String.join(", ", kept);
    }

    /** The header names that a Connection header declares to belong to the connection. */
    private static Set<String> listed(List<String> connection) {
        if (connection == null || connection.isEmpty()) return Set.of();
        Set<String> names = new TreeSet<>();
        for (String name : String.join(",", connection).split(",")) names.add(name.strip().toLowerCase(Locale.ROOT));
        return names;
    }

    /** Takes the answer: its head in {@link #apply}, its body piece by piece, the next one when this one was written. */
    private static final class Relay implements HttpResponse.BodyHandler<Void>, HttpResponse.BodySubscriber<Void> {
        private final Exchange exchange;
        private final Target target;
        private final CompletableFuture<Void> done = new CompletableFuture<>();
        private final Runnable beforeEnd;
        private Flow.Subscription subscription;
        private long left;                              // bytes to come, where the length is known
        private byte[] copy;
        private volatile boolean answered;              // the head of an answer has come and can be passed on
        private java.io.ByteArrayOutputStream refusal;  // the body of an answer that cannot follow the stream already begun
        private int refusalStatus;
        private volatile IOException clientFailure;     // writing to the client failed
        private volatile Failure refused;               // the answer cannot be passed on

        Relay(Exchange exchange, Target target, Runnable beforeEnd) {
            this.exchange = exchange;
            this.target = target;
            this.beforeEnd = beforeEnd;
        }

        @Override public HttpResponse.BodySubscriber<Void> apply(HttpResponse.ResponseInfo info) {
            try {
                long length = length(info);
                left = length;
                answered = true;
                if (exchange.waiting != null && exchange.waiting.handOver()) {
                    boolean stream = info.statusCode() == 200 && info.headers().firstValue("content-type").orElse("").startsWith("text/event-stream");
                    if (stream) {
                        noteHead(info.headers(), length);
                    } else {
                        refusal = new java.io.ByteArrayOutputStream();
                        refusalStatus = info.statusCode();
                    }
                    return this;
                }
                copyHeaders(info.headers(), exchange.responseHeaders());
                noteHead(info.headers(), length);
                exchange.commit(info.statusCode(), length);
            } catch (Failure e) {
                refused = e;
                done.completeExceptionally(e);
            } catch (IOException e) {
                clientFailure = e;
                done.completeExceptionally(e);
            } catch (RuntimeException e) {
                refused = new Failure(502, target.name + " sent an answer that HTTP does not allow: " + e.getMessage());
                done.completeExceptionally(e);
            }
            return this;
        }

        private void noteHead(HttpHeaders headers, long length) {
            if (exchange.activity == null) return;
            exchange.activity.answered(headers.map(), headers.firstValue("content-type").orElse(null), String.join(",", headers.allValues("content-encoding")), length);
        }

        /** The length of the body, -1 when it is not known before its end. */
        private long length(HttpResponse.ResponseInfo info) throws Failure {
            List<String> lengths = info.headers().allValues("content-length");
            List<String> encodings = info.headers().allValues("transfer-encoding");
            int status = info.statusCode();
            if (lengths.size() > 1 || (!lengths.isEmpty() && !encodings.isEmpty())) {
                throw new Failure(502, target.name + " sent an answer whose length is not clear (several Content-Length, or with Transfer-Encoding)");
            }
            if (!encodings.isEmpty() && (encodings.size() > 1 || !encodings.getFirst().strip().equalsIgnoreCase("chunked"))) {
                throw new Failure(502, target.name + " sent an answer with the Transfer-Encoding \"" + String.join(", ", encodings) + "\"; only chunked is understood");
            }
            if (lengths.isEmpty()) return status == 204 || status == 304 ? 0 : -1;
            String text = lengths.getFirst();
            if (!LENGTH.matcher(text).matches()) throw new Failure(502, target.name + " sent an answer with the Content-Length \"" + text + "\"");
            return Long.parseLong(text);
        }

        private static void copyHeaders(HttpHeaders from, Headers to) {
            Set<String> listed = listed(from.allValues("connection"));
            from.map().forEach((name, values) -> {
                String lower = name.toLowerCase(Locale.ROOT);
                if (HOP_BY_HOP.contains(lower) || lower.equals("content-length") || listed.contains(lower)) return;
                for (String value : values) to.add(name, value);
            });
            if (from.firstValue("content-type").orElse("").startsWith("text/event-stream")) to.set("X-Accel-Buffering", "no");
        }

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
                for (ByteBuffer piece : pieces) {
                    if (refusal == null) write(piece);
                    else keep(piece);
                }
                exchange.flush();
                subscription.request(1);
            } catch (IOException e) {
                clientFailure = e;
                subscription.cancel();      // closes the connection to the server, so that it stops working for nobody
                done.completeExceptionally(e);
            }
        }

        private void write(ByteBuffer piece) throws IOException {
            if (piece.hasArray()) {
                write(piece.array(), piece.arrayOffset() + piece.position(), piece.remaining());
                return;
            }
            if (copy == null) copy = new byte[Math.min(COPY_BYTES, Math.max(512, piece.remaining()))];
            while (piece.hasRemaining()) {
                if (copy.length < piece.remaining() && copy.length < COPY_BYTES) copy = new byte[COPY_BYTES];
                int n = Math.min(copy.length, piece.remaining());
                piece.get(copy, 0, n);
                write(copy, 0, n);
            }
        }

        private void write(byte[] bytes, int offset, int length) throws IOException {
            if (exchange.activity != null) exchange.activity.passed(bytes, offset, length);
            left -= length;
            if (left == 0) {        // the last byte: with it the client knows the end
                exchange.noteEnd(exchange.status(), "", null);
                beforeEnd.run();
            }
            exchange.write(bytes, offset, length);
        }

        private void keep(ByteBuffer piece) {
            byte[] bytes = new byte[piece.remaining()];
            piece.get(bytes);
            if (refusal.size() < MAX_REFUSAL_BYTES) refusal.writeBytes(bytes);
        }

        @Override public void onError(Throwable failure) {
            done.completeExceptionally(failure);
        }

        @Override public void onComplete() {
            if (refusal != null) {
                refused = new Failure(Math.max(400, refusalStatus), target.name + " answered " + refusalStatus + ": "
                    + refusal.toString(java.nio.charset.StandardCharsets.UTF_8).strip());
                done.completeExceptionally(refused);
            }
            done.complete(null);
        }
    }
}
