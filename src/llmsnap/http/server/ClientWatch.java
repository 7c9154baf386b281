package llmsnap.http.server;

import static java.util.concurrent.TimeUnit.MILLISECONDS;
import static java.util.concurrent.TimeUnit.SECONDS;
import static llmsnap.record.Cause.CLIENT_LEFT;
import static llmsnap.record.Cause.SHUTTING_DOWN;

import com.sun.net.httpserver.HttpServer;
import java.nio.channels.SocketChannel;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.LockSupport;
import llmsnap.platform.Proc;

/**
 * Notices clients that hang up while their request waits. The JDK's server does not tell, so on
 * Linux the kernel's own table of connections is looked at, about twice a second and only while an
 * exchange takes longer than a moment: one that the client has reset is not there any more; two
 * looks have to agree. Also drops clients that take next to nothing of their answer for a minute,
 * as the length of the connection's send queue tells. Elsewhere than on Linux a failed write tells,
 * later.
 */
final class ClientWatch {
    private static final long LOOK_NANOS = MILLISECONDS.toNanos(420);
    private static final long SHORT_LOOK_NANOS = MILLISECONDS.toNanos(60);
    private static final long LONG_WRITE_NANOS = SECONDS.toNanos(5);
    private static final long YOUNG_NANOS = MILLISECONDS.toNanos(100);
    private static final int STALLED_SECONDS = 60;
    private static final long HEADS_NANOS = SECONDS.toNanos(5);
    private static final long STOP_LOOK_MS = 2;

    private final Set<Exchange> exchanges = ConcurrentHashMap.newKeySet();
    private final int localPort;
    private final Heads heads;
    private final HttpServer server;
    private final Thread thread =
        Thread.ofPlatform().daemon().name("client-watch").unstarted(this::run);
    private HangUps hangUps;        // this and the next are our thread's: it takes a moment
    private boolean tried;
    private volatile boolean asleep;

    ClientWatch(HttpServer server, Heads heads) {
        this.server = server;
        this.localPort = server.getAddress().getPort();
        this.heads = heads;
    }

    void start() {
        thread.start();
    }

    void add(Exchange exchange) {
        exchanges.add(exchange);
        if (asleep) LockSupport.unpark(thread);
    }

    void remove(Exchange exchange) {
        exchanges.remove(exchange);
        if (exchange.watchedAs > 0) hangUps.remove(exchange, exchange.watchedAs);
    }

    boolean isEmpty() {
        return exchanges.isEmpty();
    }

    /** Whether there are none but those that go on until their client leaves. */
    boolean isQuiet() {
        return exchanges.stream().allMatch(exchange -> exchange.endless);
    }

    /** Waits until no exchange is left, at most {@code nanos}; endless ones are broken off. */
    void awaitEmpty(long nanos) throws InterruptedException {
        long end = System.nanoTime() + nanos;
        do {
            for (Exchange exchange : exchanges) {
                if (exchange.endless) exchange.interruption.breakOff(Failure.of(SHUTTING_DOWN));
            }
            MILLISECONDS.sleep(STOP_LOOK_MS);
        } while (!isEmpty() && System.nanoTime() < end);
    }

    private void run() {
        Set<Exchange> suspects = Set.of();
        while (true) {
            asleep = isEmpty();
            // A head takes long before it is worth a look.
            if (asleep && isEmpty() && heads.isEmpty()) LockSupport.parkNanos(this, HEADS_NANOS);
            heads.look(System.nanoTime(), server);
            asleep = false;
            LockSupport.parkNanos(this, hangUps == null ? LOOK_NANOS : SHORT_LOOK_NANOS);
            try {
                suspects = look(suspects);
            } catch (RuntimeException | Error e) {
                suspects = Set.of();        // the next look may do better; without any all hang
            }
        }
    }

    /** Whether nothing that the tables of /proc say is needed to know how it is. */
    private boolean isWatched(Exchange exchange, long now) {
        if (exchange.progress.isWritingFor(now, LONG_WRITE_NANOS)) return false;
        if (!tried) {
            tried = true;
            hangUps = HangUps.open(
                each -> each.interruption.breakOff(Failure.of(CLIENT_LEFT)));
        }
        // Who writes now and then to a client for ever notices by that, in time.
        if (hangUps == null || exchange.watchedAs < 0) return exchange.endless;
        if (exchange.watchedAs > 0) return true;
        SocketChannel channel = exchange.channel();
        exchange.watchedAs = channel == null ? -1 : hangUps.add(exchange, channel);
        // It may have ended meanwhile.
        if (!exchanges.contains(exchange)) remove(exchange);
        return exchange.watchedAs > 0 || exchange.endless;
    }

    /** @param before what the last look found gone @return what this one did */
    private Set<Exchange> look(Set<Exchange> before) {
        long now = System.nanoTime();
        Map<Exchange, String> old = new HashMap<>();
        for (Exchange exchange : exchanges) {
            exchange.interruption.insist();
            Failure silence = exchange.progress.silence(now);
            if (silence != null) exchange.interruption.breakOff(silence);
            Failure stuck = exchange.progress.stuck(now);
            if (stuck != null && exchanges.remove(exchange)) {
                Thread.ofVirtual().start(() -> exchange.refuse(stuck));
            }
            boolean young = now - exchange.startNanos <= YOUNG_NANOS;
            if (young || isWatched(exchange, now)) continue;
            old.put(exchange, Proc.address(exchange.client()));
        }
        if (old.isEmpty()) return Set.of();
        Map<String, String> open = Proc.connections(localPort, old.values());
        if (open == null) return Set.of();
        Set<Exchange> suspects = new HashSet<>();
        old.forEach((exchange, address) -> {
            String unsent = open.get(address);
            boolean gone = unsent == null;
            boolean left = gone ? before.contains(exchange)
                : exchange.progress.isStalled(now, STALLED_SECONDS, Long.parseLong(unsent, 16));
            if (left) exchange.interruption.breakOff(Failure.of(CLIENT_LEFT));
            else if (gone) suspects.add(exchange);
        });
        return suspects;
    }
}
