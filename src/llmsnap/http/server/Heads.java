package llmsnap.http.server;

import static java.util.concurrent.TimeUnit.NANOSECONDS;
import static java.util.concurrent.TimeUnit.SECONDS;

import com.sun.net.httpserver.HttpServer;
import java.util.Comparator;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import llmsnap.platform.JdkHttp;

/**
 * Request heads that are being read, by the thread that waits for them. The JDK's server waits for
 * the rest of a head for ever, and each holds a connection: so one gets some seconds, and when
 * there are many the oldest goes for the next.
 */
final class Heads {
    private static final long MAX_NANOS = SECONDS.toNanos(15);
    private static final int MOST = JdkHttp.maxHeads();

    private final Map<Thread, Long> sinceNanos = new ConcurrentHashMap<>();

    /** Does a task of the JDK's server, which first reads a head. */
    void read(Runnable task) {
        Thread reader = Thread.currentThread();
        sinceNanos.put(reader, System.nanoTime());
        if (sinceNanos.size() > MOST) {
            sinceNanos.entrySet().stream().min(Comparator.comparing(Map.Entry::getValue))
                .ifPresent(oldest -> cut(oldest.getKey(), oldest.getValue()));
        }
        try {
            task.run();
        } finally {
            sinceNanos.remove(reader);
            Thread.interrupted();
        }
    }

    /** The head that this thread reads is complete. */
    void isRead() {
        sinceNanos.remove(Thread.currentThread());
    }

    boolean isEmpty() {
        return sinceNanos.isEmpty();
    }

    /**
     * Gives up those that take too long: an interrupt closes their connection. Connections that
     * have not begun with a head are no better.
     */
    void look(long nowNanos, HttpServer server) {
        Internals.endSilent(server, MOST, NANOSECONDS.toMillis(MAX_NANOS));
        sinceNanos.forEach((reader, since) -> {
            if (nowNanos - since > MAX_NANOS) cut(reader, since);
        });
    }

    private void cut(Thread reader, Long since) {
        if (sinceNanos.remove(reader, since)) reader.interrupt();
    }
}
