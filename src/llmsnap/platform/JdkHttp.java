package llmsnap.platform;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.time.ZoneId;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.Locale;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ThreadFactory;

/** How the JDK's HTTP server and client have to be set up to serve many connections for long. */
public final class JdkHttp {
    /**
     * Before Java 24 the JDK's server and client do I/O inside {@code synchronized}, which pins a
     * virtual thread to its carrier: with two cores, two slow clients would stall everybody.
     */
    private static final boolean VIRTUAL = Runtime.version().feature() >= 24;
    private static final ZoneId GMT = ZoneId.of("GMT");
    private static final int RESERVED_FILES = 100;
    private static final int MIN_CONNECTIONS = 16;
    private static final int MANY = 10_000;
    private static final int MAX_HEAD_BYTES = 512 * 1024;       // the JDK's bound, and its copies

    private JdkHttp() {}

    /** Sets their properties, so that a bare {@code java -jar} is right. Before their first use. */
    public static void configure() {
        set("sun.net.httpserver.nodelay", true);
        set("sun.net.httpserver.idleInterval", 60);
        // or who sends an upload that is refused never sees why
        set("sun.net.httpserver.drainAmount", 256 << 20);
        // Idle ones and half heads leave room for those that are served, which may need a
        // descriptor more towards a model; and models have to be started.
        long files = Proc.maxOpenFiles();
        set("sun.net.httpserver.maxIdleConnections", files > 0 ? files / 4 : MANY);
        if (files > 0) {
            set("jdk.httpserver.maxConnections", Math.max(MIN_CONNECTIONS, files - RESERVED_FILES));
        }
        set("jdk.httpclient.allowRestrictedHeaders", "host");
        // Python servers close idle connections after 5 s
        set("jdk.httpclient.keepalive.timeout", 4);
    }

    /**
     * Does, beside what else a start has to do, what the first answer would wait for: the server
     * writes its date with a formatter that first reads the names of all time zones.
     */
    public static void warmUp() {
        Thread.ofPlatform().daemon().name("date").start(() ->
            DateTimeFormatter.ofPattern("EEE MMM zzz", Locale.US).format(ZonedDateTime.now(GMT)));
    }

    /** How many connections may be at their request's head at a time. */
    public static int maxHeads() {
        long files = Proc.maxOpenFiles();
        long most = Math.min(files > 0 ? files / 4 : MANY,
            Runtime.getRuntime().maxMemory() / MAX_HEAD_BYTES / 4);
        return Math.clamp(most, MIN_CONNECTIONS, MANY);
    }

    private static void set(String property, Object value) {
        System.setProperty(property, value.toString());
    }

    /** One thread for each task: virtual ones where they do not pin. */
    public static ExecutorService threads(String name) {
        if (!VIRTUAL) {
            ThreadFactory platform = Thread.ofPlatform().daemon().name(name + " ", 0).factory();
            return Executors.newCachedThreadPool(platform);
        }
        return Executors.newThreadPerTaskExecutor(Thread.ofVirtual().name(name + " ", 0).factory());
    }

    /**
     * The first blocking read of a virtual thread sets the JDK's poller up, for which it needs file
     * descriptors: if there are none at that moment, no read ever works again. So one is made now,
     * and never ends.
     */
    public static void holdPoller() {
        Thread.ofVirtual().name("poller-holder").start(() -> {
            try (var listener = new ServerSocket(0, 1, InetAddress.getLoopbackAddress());
                    var near = new Socket(listener.getInetAddress(), listener.getLocalPort());
                    Socket far = listener.accept()) {
                while (near.isConnected() && far.getInputStream().read() >= 0) { }
            } catch (IOException e) {
                // then the first request sets it up
            }
        });
    }
}
