package llmsnap;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static java.util.concurrent.TimeUnit.SECONDS;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.util.concurrent.CompletableFuture;
import llmsnap.http.proxy.ReverseProxy.Clients;

/**
 * Ends at once what an Error has left half alive, so that whoever started it starts it again: the
 * JDK's threads swallow some, and then listen and never answer.
 *
 * @param server where this server listens; over HTTPS an accepted connection is an answer
 * @param last done before the end
 */
record Vitals(InetSocketAddress server, boolean https, Runnable last) {
    private static final int BROKEN_STATUS = 3;
    private static final int LOOK_SECONDS = 2;
    private static final int MAX_SILENT = 3;
    private static final int ANSWER_MS = 5_000;
    private static final byte[] HEALTH = ("GET /health HTTP/1.1\r\nHost: localhost\r\n"
        + "Connection: close\r\n\r\n").getBytes(US_ASCII);

    /** From now on an Error that ends a thread ends all. */
    void begin() {
        Thread.setDefaultUncaughtExceptionHandler((thread, e) -> {
            if (e instanceof Error) die(e.getClass().getSimpleName(), thread.getName());
        });
    }

    /** Looks now and then whether those clients and the server work. */
    void watch(CompletableFuture<Clients> clients) {
        Thread.ofPlatform().daemon().name("vitals").start(() -> {
            int silent = 0;
            while (true) {
                try {
                    SECONDS.sleep(LOOK_SECONDS);
                    if (clients.join().isDead()) die("an error", "the HTTP client");
                    silent = isFull() && !answers() ? silent + 1 : 0;
                    if (silent == MAX_SILENT) die("a full heap", "the HTTP server");
                } catch (OutOfMemoryError e) {
                    // the next look may do better
                } catch (InterruptedException e) {
                    return;
                }
            }
        });
    }

    /** Whether little of the heap is free, though it may be garbage that is in it. */
    private static boolean isFull() {
        Runtime java = Runtime.getRuntime();
        return java.maxMemory() - java.totalMemory() + java.freeMemory() < java.maxMemory() / 8;
    }

    private boolean answers() {
        try (var socket = new Socket()) {
            socket.connect(server, ANSWER_MS);
            if (https) return true;
            socket.setSoTimeout(ANSWER_MS);
            socket.getOutputStream().write(HEALTH);
            return socket.getInputStream().read() >= 0;
        } catch (IOException e) {
            return false;
        }
    }

    private void die(String why, String what) {
        try {
            System.err.println("llmsnap: " + why + " has ended " + what + ", which is beyond"
                + " repair; with a small heap give it more (java -Xmx)");
            last.run();
        } finally {
            Runtime.getRuntime().halt(BROKEN_STATUS);
        }
    }
}
