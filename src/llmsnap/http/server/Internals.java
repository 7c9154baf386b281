package llmsnap.http.server;

import com.sun.net.httpserver.HttpContext;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import com.sun.net.httpserver.HttpsExchange;
import com.sun.net.httpserver.HttpsServer;
import java.io.BufferedInputStream;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.reflect.Constructor;
import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.nio.channels.SocketChannel;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import llmsnap.platform.Guard;

/**
 * What the JDK's server has and does not show, opened by Add-Opens in the jar's manifest. Relied
 * on is, as seen in 25: an exchange leads by {@code impl} and {@code connection} to {@code i} and
 * {@code rawout}, the streams of its connection; a task of the server has a {@code connection},
 * whose streams it makes itself only when they are not there yet; a server has a set of the
 * connections that have sent nothing so far. Without them, or without the
 * opening (a class path, another JVM), a WebSocket is a 501, and a request target that is not
 * encoded gets the JDK's own 400.
 */
public final class Internals {
    /** A client's connection, and its two directions. */
    public record Connection(SocketChannel channel, InputStream in, OutputStream out) {}

    private static final Guard GUARD = new Guard();
    private static volatile Internals opened;
    private static volatile boolean tried;

    private final Field impl = field("HttpExchangeImpl", "impl");
    private final Field httpsImpl = field("HttpsExchangeImpl", "impl");
    private final Field connectionOf = field("ExchangeImpl", "connection");
    private final Field task = field("ServerImpl$Exchange", "connection");
    private final Field in = field("HttpConnection", "i");
    private final Field out = field("HttpConnection", "rawout");
    private final Field channel = field("HttpConnection", "chan");
    private final Constructor<?> reading = type("Request$ReadStream")
        .getDeclaredConstructor(type("ServerImpl"), SocketChannel.class);
    private final Constructor<?> writing = type("Request$WriteStream")
        .getDeclaredConstructor(type("ServerImpl"), SocketChannel.class);
    private final Field server = field("ServerImpl$Exchange", "this$0");
    private final Field serverOf = field("HttpServerImpl", "server");
    private final Field httpsServerOf = field("HttpsServerImpl", "server");
    private final Field silentOf = field("ServerImpl", "newlyAcceptedConnections");
    private final Field allOf = field("ServerImpl", "allConnections");
    private final Field sinceMs = field("HttpConnection", "idleStartTime");
    private final Method close = type("HttpConnection").getDeclaredMethod("close");
    private final Method parameters = Arrays.stream(type("HttpConnection").getDeclaredMethods())
        .filter(each -> each.getName().equals("setParameters")).findFirst().orElseThrow();

    private Internals() throws ReflectiveOperationException {
        reading.setAccessible(true);
        writing.setAccessible(true);
        parameters.setAccessible(true);
        close.setAccessible(true);
    }

    private static void open() {
        if (tried) return;
        try {
            opened = new Internals();
        } catch (ReflectiveOperationException | RuntimeException e) {
            // then without
        }
        tried = true;
    }

    private static Class<?> type(String name) throws ClassNotFoundException {
        return Class.forName("sun.net.httpserver." + name);
    }

    private static Field field(String type, String name) throws ReflectiveOperationException {
        Field field = type(type).getDeclaredField(name);
        field.setAccessible(true);
        try {
            field.get(null);        // makes its accessor, which takes a moment
        } catch (NullPointerException e) {
            // as it should: there is no object
        }
        return field;
    }

    /** Whether {@link Exchange#takeOver} can work; opens them when nobody has, some 30 ms. */
    public static boolean areOpen() {
        if (!tried) GUARD.run(Internals::open);
        return opened != null;
    }

    /** The connection; null where it cannot be reached. */
    static Connection connection(HttpExchange exchange) {
        if (!areOpen()) return null;
        try {
            Field impl = exchange instanceof HttpsExchange ? opened.httpsImpl : opened.impl;
            Object its = opened.connectionOf.get(impl.get(exchange));
            return new Connection((SocketChannel) opened.channel.get(its),
                (InputStream) opened.in.get(its), (OutputStream) opened.out.get(its));
        } catch (ReflectiveOperationException e) {
            return null;
        }
    }

    /**
     * Has the request that a task of the server is going to read pass a {@link TargetEncoder}.
     *
     * @param context any of the server
     */
    static void encodeTarget(Runnable task, HttpContext context) {
        if (opened == null) return;     // nor in the first moments after a start
        try {
            Object connection = opened.task.get(task);
            if (opened.in.get(connection) == null) opened.makeStreams(task, connection, context);
            if (opened.in.get(connection) instanceof TargetEncoder encoder) encoder.begin();
        } catch (ReflectiveOperationException | IllegalArgumentException e) {
            // then the JDK reads it as it is
        }
    }

    /** Ends connections that have said nothing for so long, and the oldest of more than that. */
    static void endSilent(HttpServer server, int most, long ms) {
        if (opened == null) return;
        try {
            opened.end(server, most, System.currentTimeMillis() - ms);
        } catch (ReflectiveOperationException e) {
            // then the JDK does, after a minute
        }
    }

    private void end(HttpServer which, int most, long beforeMs)
            throws ReflectiveOperationException {
        Object its = (which instanceof HttpsServer ? httpsServerOf : serverOf).get(which);
        var silent = (Set<?>) silentOf.get(its);
        if (silent.isEmpty()) return;
        Map<Object, Long> since = new HashMap<>();
        for (Object each : silent.toArray()) since.put(each, sinceMs.getLong(each));
        List<Object> oldestFirst = new ArrayList<>(since.keySet());
        oldestFirst.sort(Comparator.comparing(since::get));
        int over = oldestFirst.size() - most;
        for (Object each : oldestFirst) {
            if (over-- <= 0 && since.get(each) > beforeMs) return;
            if (!silent.remove(each)) continue;     // it speaks
            ((Set<?>) allOf.get(its)).remove(each);
            close.invoke(each);
        }
    }

    private void makeStreams(Runnable task, Object connection, HttpContext context)
            throws ReflectiveOperationException {
        Object its = server.get(task);
        var chan = (SocketChannel) channel.get(connection);
        var from = (InputStream) reading.newInstance(its, chan);
        var encoder = new TargetEncoder(new BufferedInputStream(from));
        parameters.invoke(connection, encoder, writing.newInstance(its, chan), chan, null, null,
            null, "http", context, encoder);
    }
}
