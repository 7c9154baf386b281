package llmsnap.http.proxy;

import com.sun.net.httpserver.Headers;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.Executor;
import java.util.concurrent.ThreadLocalRandom;
import java.util.function.BiConsumer;
import java.util.function.Predicate;
import java.util.function.Supplier;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import llmsnap.config.Config.Reach;
import llmsnap.http.server.Exchange;
import llmsnap.http.server.Failure;
import llmsnap.platform.JdkHttp;
import llmsnap.platform.Guard;
import llmsnap.record.InFlight;

/** Sends a request on to a server; its answer goes back through an {@link AnswerStream}. */
public record ReverseProxy(Supplier<Clients> clients) {
    /** What is said anew: encoded answers could not be read on the side. */
    private static final Set<String> OURS =
        Set.of("host", "content-length", "expect", "accept-encoding", "x-llmsnap-hops");
    /** Names, in a header of ours, the llmsnaps that a request has passed. */
    private static final String HOPS = "X-llmsnap-hops";
    private static final String SELF =
        Long.toHexString(ThreadLocalRandom.current().nextLong() | Long.MIN_VALUE);
    private static final String VERSION = "/v1";
    private static final Duration CONNECT_TIMEOUT = Duration.ofSeconds(10);
    private static final Set<String> KEYS = Set.of("authorization", "x-api-key");

    /**
     * The HTTP clients. The quick one does all of its work on one thread of its own, without a
     * hand-over: nothing may block there, no TLS, no look-up of a name, no body yet to be read.
     */
    public static final class Clients {
        private final HttpClient quick = withoutTls();
        private final Guard guard = new Guard();
        /** By the seconds for connecting; made when somebody needs one: it takes a moment. */
        private final Map<Integer, HttpClient> patient = new HashMap<>();

        /** For a server at that scheme, on this machine. */
        public HttpClient local(boolean https) {
            return https ? patient(Reach.CONNECT_SECONDS) : quick;
        }

        HttpClient patient(int connectSeconds) {
            return guard.get(() -> patient.computeIfAbsent(connectSeconds, seconds ->
                client(JdkHttp.threads("upstream"))
                    .connectTimeout(Duration.ofSeconds(seconds)).build()));
        }

        /** Whether one has ended, as it does when an Error meets it: it never works again. */
        public boolean isDead() {
            boolean other = guard.get(() ->
                patient.values().stream().anyMatch(HttpClient::isTerminated));
            return other || quick.isTerminated();
        }

        /**
         * The usual TLS context reads all certificates that Java trusts: 440 classes before the
         * first answer. This one is never asked for anything.
         */
        private static HttpClient withoutTls() {
            try {
                return client(Runnable::run).sslContext(new SSLContext(null, null, "none") { })
                    .sslParameters(new SSLParameters()).build();
            } catch (RuntimeException e) {
                return client(Runnable::run).build();       // another JDK may ask for more
            }
        }

        private static HttpClient.Builder client(Executor executor) {
            return HttpClient.newBuilder()
                .version(HttpClient.Version.HTTP_1_1)
                .followRedirects(HttpClient.Redirect.NEVER)
                .connectTimeout(CONNECT_TIMEOUT)
                .executor(executor);
        }
    }

    /**
     * Sends the exchange's request to a server, and the answer to its client. Returns when the
     * answer has passed completely.
     *
     * @throws Failure when there was none, or it broke off, or the client left
     */
    void send(Exchange exchange, Upstream to, Outgoing outgoing, InFlight noted,
            WaitingStream waiting) throws Failure, InterruptedException {
        Reach reach = outgoing.to().reach();
        String path = outgoing.path();
        boolean moved = reach.upstreamPath() != null && path.startsWith(VERSION);
        if (moved) path = reach.upstreamPath() + path.substring(VERSION.length());
        if (outgoing.kind() == Outgoing.Kind.UPGRADE) {
            Tunnel.pass(exchange, to, handshake(exchange, to, outgoing, path), noted);
            return;
        }
        var target = URI.create(to.base() + path);
        boolean there = Objects.equals(target.getRawAuthority(), to.base().getRawAuthority());
        if (!there) throw new Failure(400, "the path of the request is no path");
        HttpRequest.Builder request = HttpRequest.newBuilder(target)
            .method(exchange.method(), outgoing.body().get());
        copyHeaders(exchange, to, outgoing, (name, value) -> {
            try {
                request.header(name, value);
            } catch (IllegalArgumentException e) {
                // a name or value that HTTP does not allow is not sent on
            }
        });
        if (reach.headSeconds() > 0) request.timeout(Duration.ofSeconds(reach.headSeconds()));
        if (to.host() != null) request.setHeader("Host", to.host());
        boolean atHand = outgoing.asked() != null || exchange.isGet();
        boolean local = outgoing.to() instanceof Target.Local && atHand
            && reach.connectSeconds() == Reach.CONNECT_SECONDS;
        HttpClient client = local ? clients.get().local(to.base().getScheme().equals("https"))
            : clients.get().patient(reach.connectSeconds());
        new AnswerStream(exchange, to, noted, waiting).pass(client, request.build());
    }

    private static String hops(Exchange exchange) {
        String before = exchange.header(HOPS);
        return before == null ? "" : before + " ";
    }

    /** @throws Failure 508 for a request that has passed here: peers that lead to each other */
    static void checkLoop(Exchange exchange, String peer) throws Failure {
        if (!hops(exchange).contains(SELF)) return;
        throw new Failure(508, peer + " leads back to this server: a loop of peers");
    }

    private static void copyHeaders(Exchange exchange, Upstream to, Outgoing outgoing,
            BiConsumer<String, String> into) {
        Headers from = exchange.requestHeaders();
        boolean whole = outgoing.asked() != null;       // it was read and its encoding undone
        boolean keyed = exchange.isKeyed() || !to.apiKey().isEmpty();
        Predicate<String> ours = name -> OURS.contains(name)
            || whole && name.equals("content-encoding") || keyed && KEYS.contains(name);
        ConnectionHeaders.copy(from, ours, into);
        into.accept("Accept-Encoding", "identity");
        // or the JDK's client names itself
        if (!from.containsKey("User-Agent")) into.accept("User-Agent", "llmsnap");
        if (outgoing.to() instanceof Target.Remote) into.accept(HOPS, hops(exchange) + SELF);
        if (to.apiKey().isEmpty()) return;
        into.accept("Authorization", "Bearer " + to.apiKey());
        into.accept("x-api-key", to.apiKey());
    }

    private static String handshake(Exchange exchange, Upstream to, Outgoing outgoing,
            String path) {
        String host = to.host() == null ? to.base().getAuthority() : to.host();
        var head = new StringBuilder("GET " + to.base().getRawPath() + path + " HTTP/1.1\r\nHost: "
            + host + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n");
        copyHeaders(exchange, to, outgoing,
            (name, value) -> head.append(name + ": " + value + "\r\n"));
        return head.append("\r\n").toString();
    }
}
