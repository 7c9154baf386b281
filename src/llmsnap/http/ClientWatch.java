package llmsnap.http;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/**
 * Notices clients that hang up while their request waits. The JDK's server does not tell, so on Linux the kernel's own
 * table of connections is looked at, about twice a second and only while an exchange takes longer than a moment: a connection
 * that the client has closed is in CLOSE_WAIT, one that it has reset is not there any more; two looks have to agree. Also
 * drops clients that take no byte of their answer for a minute, as the length of the connection's send queue tells. Elsewhere than on Linux a failed write tells, later.
 */
final class ClientWatch {
    private static final long LOOK_MS = 420;
    private static final long YOUNG_NANOS = TimeUnit.MILLISECONDS.toNanos(100);
    private static final long STALLED_NANOS = TimeUnit.SECONDS.toNanos(60);
    private static final String CLOSE_WAIT = "08";
    private static final Path[] TABLES = {Path.of("/proc/net/tcp6"), Path.of("/proc/net/tcp")};

    private final Set<Exchange> exchanges = ConcurrentHashMap.newKeySet();
    private final String localPort;
    private final Thread thread;
    private volatile boolean asleep;

    ClientWatch(int port) {
        this.localPort = String.format(":%04X", port);
        this.thread = Thread.ofPlatform().daemon().name("client-watch").unstarted(this::run);
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
    }

    /** Breaks the exchanges off that would not end by themselves. */
    private void endEndless() {
        for (Exchange exchange : exchanges) if (exchange.endless) exchange.breakOff("llmsnap is shutting down");
    }

    /** Waits until no exchange is left, at most {@code nanos}; those that would not end by themselves are broken off. */
    void awaitEmpty(long nanos) throws InterruptedException {
        long end = System.nanoTime() + nanos;
        do {
            endEndless();
            TimeUnit.MILLISECONDS.sleep(2);
        } while (!exchanges.isEmpty() && System.nanoTime() < end);
    }

    boolean isEmpty() {
        return exchanges.isEmpty();
    }

    private void run() {
        Set<Exchange> suspects = new HashSet<>();
        while (true) {
            asleep = exchanges.isEmpty();
            if (asleep && exchanges.isEmpty()) LockSupport.park(this);
            asleep = false;
            LockSupport.parkNanos(this, TimeUnit.MILLISECONDS.toNanos(LOOK_MS));
            suspects = look(suspects);
        }
    }

    /** @param before what the last look found gone @return what this one did */
    private Set<Exchange> look(Set<Exchange> before) {
        Set<Exchange> suspects = new HashSet<>();
        long now = System.nanoTime();
        Map<Exchange, String> old = new HashMap<>();
        for (Exchange exchange : exchanges) {
            exchange.checkSilence(now);
            if (now - exchange.startNanos > YOUNG_NANOS) old.put(exchange, address(exchange.http.getRemoteAddress()));
        }
        if (old.isEmpty()) return suspects;
        Map<String, String> open = new HashMap<>();
        boolean anyTable = false;
        for (Path table : TABLES) {
            if (!open.keySet().containsAll(old.values())) anyTable |= readOpen(table, open);
        }
        if (!anyTable) return suspects;
        old.forEach((exchange, address) -> {
            String unsent = open.get(address);
            if (unsent != null) {
                exchange.checkProgress(now, STALLED_NANOS, unsent);
                return;
            }
            if (before.contains(exchange)) exchange.breakOff(Exchange.CLIENT_LEFT);
            else suspects.add(exchange);
        });
        return suspects;
    }

    /** Adds the far ends of this server's connections that are not in CLOSE_WAIT, with their send queues. @return false when there is no such table */
    private boolean readOpen(Path table, Map<String, String> open) {
        byte[] text;
        try {
            text = Files.readAllBytes(table);
        } catch (IOException e) {
            return false;
        }
        // "  0: LOCAL_ADDRESS:PORT REMOTE_ADDRESS:PORT STATE SENDQUEUE:RECEIVEQUEUE ...", all in hex
        String all = new String(text, java.nio.charset.StandardCharsets.ISO_8859_1);
        int line = all.indexOf('\n') + 1;
        while (line > 0 && line < all.length()) {
            int local = all.indexOf(": ", line) + 2;
            int localEnd = all.indexOf(' ', local);
            int remoteEnd = all.indexOf(' ', localEnd + 1);
            if (all.startsWith(localPort, localEnd - 5) && !all.startsWith(CLOSE_WAIT, remoteEnd + 1)) {
                String remote = all.substring(localEnd + 1, remoteEnd);
                open.put(remote.length() > 13 && remote.startsWith("0000000000000000FFFF0000") ? remote.substring(24) : remote,
                    all.substring(remoteEnd + 4, all.indexOf(':', remoteEnd)));
            }
            line = all.indexOf('\n', line) + 1;
        }
        return true;
    }

    /** An address as those tables spell it: each four bytes in the machine's order; IPv4 in its own form. */
    private static String address(InetSocketAddress remote) {
        byte[] bytes = remote.getAddress().getAddress();
        boolean little = java.nio.ByteOrder.nativeOrder() == java.nio.ByteOrder.LITTLE_ENDIAN;
        StringBuilder hex = new StringBuilder();
        for (int word = 0; word < bytes.length; word += 4) {
            for (int i = 0; i < 4; i++) hex.append(String.format("%02X", bytes[word + (little ? 3 - i : i)]));
        }
        return hex.append(String.format(":%04X", remote.getPort())).toString();
    }
}
