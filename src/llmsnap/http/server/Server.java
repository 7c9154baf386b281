package llmsnap.http.server;

import static java.util.concurrent.TimeUnit.MILLISECONDS;
import static java.util.concurrent.TimeUnit.SECONDS;
import static llmsnap.record.Cause.CLIENT_LEFT;

import com.sun.net.httpserver.HttpContext;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Supplier;
import llmsnap.config.Config.Entry;
import llmsnap.http.server.Routes.Access;
import llmsnap.models.Refused;
import llmsnap.platform.JdkHttp;
import llmsnap.record.Log;

/** Listens, finds each request's route, and lets nothing out but an orderly answer or a cut one. */
public final class Server {
    private static final int BACKLOG = 1024;
    private static final int TRACE_LINES = 4;
    private static final int USUAL_HEAD_BYTES = 16 * 1024;
    /** Heads of requests that are served: beyond so much together, no larger one comes in. */
    private static final long MAX_HEAD_BYTES = Runtime.getRuntime().maxMemory() / 16;
    private static final AtomicLong HEAD_BYTES = new AtomicLong();

    static {
        JdkHttp.configure();
    }

    private final Log log;
    private final Supplier<Entry> entry;
    private final Routes routes;
    private final HttpServer http;
    private final ClientWatch watch;
    private final Heads heads = new Heads();
    private volatile long lastEndNanos = System.nanoTime();

    /**
     * Opens the port; requests are answered from {@link #start} on.
     *
     * @param tls for HTTPS, null for HTTP
     * @param entry who may come in: those that hold at the moment
     * @throws IOException when the address cannot be listened on
     */
    public Server(InetSocketAddress address, Tls tls, Routes routes, Supplier<Entry> entry,
            Log log) throws IOException {
        this.log = log;
        this.entry = entry;
        this.routes = routes;
        this.http = tls == null ? HttpServer.create(address, BACKLOG)
            : HttpsServer.create(address, BACKLOG);
        if (http instanceof HttpsServer https) {
            https.setHttpsConfigurator(new HttpsConfigurator(tls.context()));
        }
        this.watch = new ClientWatch(http, heads);
        ExecutorService threads = JdkHttp.threads("http");
        HttpContext context = http.createContext("/", this::handle);
        http.setExecutor(task -> threads.execute(() -> {
            if (tls == null) Internals.encodeTarget(task, context);
            heads.read(task);
        }));
    }

    public int port() {
        return http.getAddress().getPort();
    }

    public void start() {
        http.start();
        watch.start();
        JdkHttp.holdPoller();
    }

    /** Whether no request was served for {@code millis}. */
    public boolean isQuietFor(long millis) {
        long quiet = System.nanoTime() - lastEndNanos;
        return watch.isQuiet() && quiet > MILLISECONDS.toNanos(millis);
    }

    /**
     * Stops listening, and waits until what is being answered has ended, at most {@code seconds}.
     * The JDK's own stop closes the port at once, but then waits all of the time if any answer was
     * ever cut: so it is not waited for.
     */
    public void stop(int seconds) throws InterruptedException {
        Thread.ofPlatform().daemon().name("stop").start(() -> http.stop(seconds));
        watch.awaitEmpty(SECONDS.toNanos(seconds));
    }

    // ---- one request

    /** @throws IOException to cut the connection, which is all that the JDK's server understands */
    private void handle(HttpExchange http) throws IOException {
        heads.isRead();
        var exchange = new Exchange(http);
        watch.add(exchange);
        String why = null;
        int size = RequestCheck.size(exchange);
        boolean fits = HEAD_BYTES.addAndGet(size) <= MAX_HEAD_BYTES || size <= USUAL_HEAD_BYTES;
        // It is not kept for as long as the rest of a request that is refused would be read.
        if (size > USUAL_HEAD_BYTES) exchange.closeAfterAnswer();
        try {
            Failure failure = fits ? serve(exchange) : new Failure(503,
                "too many requests with large heads: try again later");
            if (failure != null) {
                why = failure.getMessage();
                exchange.fail(failure);
            }
            exchange.finish();
        } catch (Failure | IOException e) {
            if (why == null) why = e.getMessage();
            throw new IOException(why);
        } catch (Throwable e) {
            // An Error that leaves a handler would keep the client waiting for ever.
            logError(exchange, e);
            throw new IOException("failed");
        } finally {
            watch.remove(exchange);
            HEAD_BYTES.addAndGet(-size);
            lastEndNanos = System.nanoTime();
            exchange.interruption.end();
            if (!exchange.quiet) log.info(exchange.line(why));
        }
    }

    /** Serves a request. @return why it could not be, or null: the one place where failures end */
    private Failure serve(Exchange exchange) {
        try {
            route(exchange);
            return null;
        } catch (Refused e) {
            return Failure.of(e);
        } catch (Failure | InterruptedException e) {
            // Whoever is interrupted finds connections closed: that is not the reason.
            Failure broken = exchange.interruption.failure();
            if (broken != null) return broken;
            return e instanceof Failure failure ? failure : Failure.of(CLIENT_LEFT);
        } catch (Exception | Error e) {
            logError(exchange, e);
            return new Failure(500, "llmsnap failed at this request; its log says where");
        }
    }

    private void logError(Exchange exchange, Throwable e) {
        List<StackTraceElement> trace = Arrays.stream(e.getStackTrace()).limit(TRACE_LINES)
            .toList();
        log.error(exchange.method() + " " + Failure.shown(exchange.rawPath()) + " failed: "
            + e.getClass().getName() + " at " + trace);
    }

    private void route(Exchange exchange) throws Failure, Refused, InterruptedException {
        RequestCheck.check(exchange);
        String path = RequestCheck.path(exchange);
        if (exchange.is("OPTIONS")) {
            Cors.answerPreflight(exchange);
            return;
        }
        Routes.Match match = routes.find(exchange.method(), path);
        // Also on a refusal: without it a page sees only that something failed.
        if (match.access() == Access.USE) Cors.allow(exchange);
        exchange.admit(Auth.check(match.access(), exchange, entry.get()));
        // The UI's own looks say nothing that is worth a line.
        boolean own = "same-origin".equals(exchange.header("Sec-fetch-site"));
        if (own && exchange.isGet()) exchange.beQuiet();
        exchange.rest = match.rest();
        match.handler().serve(exchange);
    }
}
