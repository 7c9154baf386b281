package llmsnap.http;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.http.HttpClient;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import llmsnap.observe.Insight;
import llmsnap.observe.Log;
import llmsnap.swap.SwapLoop;
import llmsnap.text.Json;

/** The HTTP server: listens, finds each request's route, lets nothing but an orderly answer or a cut connection out. */
public final class Server {
    static {
        // Before the first use of HttpServer or HttpClient, so that a bare java -jar is right.
        System.setProperty("sun.net.httpserver.nodelay", "true");
        System.setProperty("sun.net.httpserver.idleInterval", "300");
        System.setProperty("sun.net.httpserver.maxIdleConnections", "10000");
        System.setProperty("sun.net.httpserver.drainAmount", String.valueOf(256 << 20));    // or a refused upload never sees why
        long connections = maxConnections();
        if (connections > 0) System.setProperty("jdk.httpserver.maxConnections", String.valueOf(connections));
        System.setProperty("jdk.httpclient.allowRestrictedHeaders", "host");
        System.setProperty("jdk.httpclient.keepalive.timeout", "4");    // Python servers close idle connections after 5 s
    }

    /**
     * How many connections leave enough file descriptors for the rest: each may need one more towards a model, and models
     * have to be started and their logs read. 0 when the limit is not known.
     */
    private static long maxConnections() {
        try {
            for (String line : Files.readAllLines(Path.of("/proc/self/limits"))) {
                if (!line.startsWith("Max open files")) continue;
                long limit = Long.parseLong(line.substring(14).strip().split("\\s+")[0]);
                return Math.max(16, (limit - 100) / 2);
            }
        } catch (IOException | NumberFormatException e) {
            // not Linux, or no limit
        }
        return 0;
    }

    /** What came of reading the configuration again: what changed, or the problems. */
    public record Reloaded(boolean done, Json report) {}

    /** The status of a request whose client left before an answer, as nginx notes it. */
    private static final int CLIENT_CLOSED = 499;

    private final Log log;
    private final SwapLoop loop;
    private final HttpServer http;
    private final ExecutorService threads = Threads.perTask("http");
    private final Body bodies;
    private final Routes routes;
    private final ClientWatch watch;
    private volatile long lastEndNanos = System.nanoTime();

    /**
     * Opens the port; requests are answered from {@link #start} on.
     *
     * @param tls for HTTPS, null for HTTP
     * @param client towards the models; asked for at the first request
     * @param reload reads the configuration again
     * @throws IOException when the address cannot be listened on
     */
    public Server(InetSocketAddress address, Tls tls, long maxBodyBytes, SwapLoop loop, Insight insight, Supplier<HttpClient> client,
            Supplier<Reloaded> reload, Properties version)
            throws IOException {
        this.log = insight.log();
        this.loop = loop;
        this.http = tls == null ? HttpServer.create(address, 1024) : https(address, tls);
        this.bodies = new Body(maxBodyBytes);
        this.routes = new Routes(new Inference(loop, bodies, new Forward(client), insight.activity()), new Api(loop, reload, version), new LogRoutes(loop, log),
            new ActivityRoutes(loop, insight), new Events(loop, insight), new StaticFiles());
        this.watch = new ClientWatch(http.getAddress().getPort());
        http.setExecutor(threads);
        http.createContext("/", this::handle);
    }

    private static HttpServer https(InetSocketAddress address, Tls tls) throws IOException {
        HttpsServer server = HttpsServer.create(address, 1024);
        server.setHttpsConfigurator(new HttpsConfigurator(tls.context()));
        return server;
    }

    /** The client towards models: one for all, to be made after the port is open. */
    public static HttpClient newClient() {
        return Forward.newClient();
    }

    public InetSocketAddress address() {
        return http.getAddress();
    }

    public void start() {
        http.start();
        watch.start();
        holdPoller();
    }

    /** Whether no request was served for {@code millis}. */
    public boolean isQuietFor(long millis) {
        return watch.isEmpty() && System.nanoTime() - lastEndNanos > millis * 1_000_000;
    }

    /**
     * Stops listening, and waits until what is being answered has ended, at most {@code seconds}. The JDK's own stop closes
     * the port at once, but then waits all of the time if any answer was ever cut: so it is not waited for.
     */
    public void stop(int seconds) throws InterruptedException {
        Thread.ofPlatform().daemon().name("stop").start(() -> http.stop(seconds));
        watch.awaitEmpty(TimeUnit.SECONDS.toNanos(seconds));
    }

    /**
     * The first blocking read of a virtual thread sets the JDK's poller up, for which it needs file descriptors: if there
     * are none at that moment, no read ever works again. So one is made now, and never ends.
     */
    private static void holdPoller() {
        Thread.ofVirtual().name("poller-holder").start(() -> {
            try (ServerSocket listener = new ServerSocket(0, 1, java.net.InetAddress.getLoopbackAddress());
                    Socket near = new Socket(listener.getInetAddress(), listener.getLocalPort());
                    Socket far = listener.accept()) {
                while (near.isConnected() && far.getInputStream().read() >= 0) { }
            } catch (IOException e) {
                // then the first request sets it up
            }
        });
    }

    // ---- one request

    private void handle(HttpExchange http) throws IOException {
        Exchange exchange = new Exchange(http);
        watch.add(exchange);
        try {
            answer(exchange);
            exchange.noteEnd(exchange.status(), "", null);      // before the client can know: it may ask for the list next
            if (exchange.unreadable) throw new IOException("closed after its answer");     // finish would read on
            exchange.finish();
        } catch (IOException e) {
            String why = exchange.brokenOff() != null ? exchange.brokenOff() : e.getMessage();
            exchange.cut = why == null ? "the answer broke off" : why;
            exchange.noteEnd(exchange.status() == 0 ? CLIENT_CLOSED : exchange.status(), exchange.cut, null);
            log.debug("cut " + exchange.rawPath() + ": " + (exchange.brokenOff() != null ? exchange.brokenOff() : e));
            throw e;
        } catch (Throwable e) {
            // An Error that leaves a handler would keep the client waiting for ever.
            exchange.noteEnd(exchange.status() == 0 ? 500 : exchange.status(), "llmsnap failed at this request: " + e, null);
            log.error(exchange.method() + " " + exchange.rawPath() + " failed: " + e + " at " + java.util.Arrays.stream(e.getStackTrace()).limit(4).toList());
            throw new IOException(e);
        } finally {
            watch.remove(exchange);
            lastEndNanos = System.nanoTime();
            exchange.end();
            bodies.release(exchange);
            if (!exchange.quiet) logRequest(exchange);
        }
    }

    /** Serves the request. What throws out of here as IOException cuts the connection; nothing else does. */
    private void answer(Exchange exchange) throws IOException {
        try {
            route(exchange);
        } catch (Failure e) {
            if (exchange.isCommitted()) throw new IOException(e.getMessage());
            exchange.sendFailure(e);
        } catch (InterruptedException e) {
            String why = exchange.brokenOff();
            if (exchange.isCommitted() || why == null || why.equals(Exchange.CLIENT_LEFT)) throw new IOException(why == null ? "interrupted" : why);
            exchange.sendFailure(new Failure(why.contains("shutting down") ? 503 : 502, why));
        } catch (IOException e) {
            throw e;
        } catch (Exception | Error e) {
            log.error(exchange.method() + " " + exchange.rawPath() + " failed: " + e + " at " + java.util.Arrays.stream(e.getStackTrace()).limit(4).toList());
            if (exchange.isCommitted()) throw new IOException(e);
            exchange.sendFailure(new Failure(500, "llmsnap failed at this request: " + e));
        }
    }

    private void route(Exchange exchange) throws Failure, IOException, InterruptedException {
        checkProtocol(exchange);
        String path = path(exchange.path());
        if (path.startsWith("/v1/messages")) exchange.form = Failure.Form.ANTHROPIC;
        if (exchange.method().equals("OPTIONS")) {
            preflight(exchange);
            return;
        }
        Routes.Match match = routes.find(exchange.method(), path, exchange.rawPath().endsWith("/"));
        try {
            exchange.keyed = Auth.check(match.route().access(), exchange.requestHeaders(), loop.config().apiKeys());
        } catch (Failure e) {
            if (e.status == 401) exchange.responseHeaders().set("WWW-Authenticate", "Basic realm=\"llmsnap\"");
            throw e;
        }
        match.route().handler().serve(exchange, match.rest());
    }

    /** Refuses what the JDK's server lets through and HTTP does not: two servers could read such a request differently. */
    private static void checkProtocol(Exchange exchange) throws Failure {
        String protocol = exchange.http.getProtocol();
        String wrong = null;
        int status = 400;
        if (!protocol.equals("HTTP/1.1") && !protocol.equals("HTTP/1.0")) {
            status = 505;
            wrong = "the version " + protocol + " is not spoken here, only HTTP/1.1";
        }
        List<String> hosts = exchange.requestHeaders().get("Host");
        boolean oneHost = hosts != null && hosts.size() == 1 && isHost(hosts.getFirst());
        if (wrong == null && !oneHost && (protocol.equals("HTTP/1.1") || hosts != null)) wrong = "a request needs exactly one valid Host header";
        List<String> lengths = exchange.requestHeaders().get("Content-length");
        if (wrong == null && lengths != null && (lengths.size() > 1 || !isDigits(lengths.getFirst()))) wrong = "the Content-Length is not one number";
        for (var header : exchange.requestHeaders().entrySet()) {
            for (String value : header.getValue()) {
                for (int i = 0; i < value.length(); i++) {
                    char c = value.charAt(i);
                    if (c < ' ' && c != '\t' || c == 0x7f) wrong = "the header " + header.getKey() + " has a control character in it";
                }
            }
        }
        if (wrong == null) return;
        exchange.unreadable = true;
        throw new Failure(status, wrong);
    }

    private static boolean isHost(String host) {
        if (host.isEmpty()) return false;
        for (int i = 0; i < host.length(); i++) {
            char c = host.charAt(i);
            boolean allowed = c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || "-._~!$&'()*+;=:[]%".indexOf(c) >= 0;
            if (!allowed) return false;
        }
        return true;
    }

    private static boolean isDigits(String text) {
        for (int i = 0; i < text.length(); i++) if (text.charAt(i) < '0' || text.charAt(i) > '9') return false;
        return !text.isEmpty() && text.length() <= 18;
    }

    /** The path that routes are found by: decoded, single slashes, none at the end. */
    private static String path(String decoded) throws Failure {
        if (decoded == null || decoded.isEmpty()) return "/";
        StringBuilder single = new StringBuilder(decoded.length());
        for (int i = 0; i < decoded.length(); i++) {
            char c = decoded.charAt(i);
            if (c < ' ' || c == 0x7f) throw new Failure(400, "the path has a control character in it");
            if (c != '/' || i == 0 || decoded.charAt(i - 1) != '/') single.append(c);
        }
        if (single.length() > 1 && single.charAt(single.length() - 1) == '/') single.setLength(single.length() - 1);
        return single.toString();
    }

    /** Any page may ask what it may send; what it may do is decided when it does. */
    private static void preflight(Exchange exchange) throws IOException {
        var headers = exchange.responseHeaders();
        String asked = exchange.requestHeaders().getFirst("Access-Control-Request-Headers");
        boolean valid = asked != null && asked.matches("[A-Za-z0-9!#$%&'*+.^_`|~-]+(\\s*,\\s*[A-Za-z0-9!#$%&'*+.^_`|~-]+)*");
        headers.set("Access-Control-Allow-Origin", "*");
        headers.set("Access-Control-Allow-Methods", "GET, POST, PUT, PATCH, DELETE, OPTIONS");
        headers.set("Access-Control-Allow-Headers", valid ? asked : "Content-Type, Authorization, Accept, X-Requested-With");
        headers.set("Access-Control-Max-Age", "86400");
        exchange.commit(204, 0);
    }

    private void logRequest(Exchange exchange) {
        long micros = TimeUnit.NANOSECONDS.toMicros(System.nanoTime() - exchange.startNanos);
        String client = exchange.http.getRemoteAddress().getAddress().getHostAddress();
        log.info(client + " " + exchange.method() + " " + exchange.rawPath() + " "
            + (exchange.status() == 0 ? "-" : String.valueOf(exchange.status())) + " " + exchange.bytesOut() + " bytes "
            + micros / 1000 + "." + micros / 100 % 10 + " ms" + (exchange.cut != null ? " (" + exchange.cut + ")" : exchange.brokenOff() != null ? " (" + exchange.brokenOff() + ")" : ""));
    }
}
