package llmsnap.platform;

import com.sun.management.HotSpotDiagnosticMXBean;
import java.lang.management.GarbageCollectorMXBean;
import java.lang.management.ManagementFactory;
import java.util.concurrent.TimeUnit;
import java.util.function.LongPredicate;

/**
 * Gives memory back. Without flags the JVM takes a 64th of the machine's memory at start, and keeps
 * what its heap once grew to. G1 gives back at the end of a concurrent cycle, which it can be told
 * to begin: that stops nobody for more than some ms, a System.gc() stops all for 100. Under another
 * collector that one is all there is: once, when nobody has asked for anything for a minute.
 */
public final class IdleHeap {
    private static final long QUIET_MS = 1_000;
    private static final long LONG_QUIET_MS = 60_000;
    private static final long SMALL_BYTES = 32L << 20;
    private static final String INTERVAL = "G1PeriodicGCInterval";
    private static final int LOOKS = 10;

    private IdleHeap() {}

    /** Goes on for good. @param isQuietFor whether nothing was asked for that many ms */
    public static void watch(LongPredicate isQuietFor) throws InterruptedException {
        HotSpotDiagnosticMXBean options;
        try {
            options = ManagementFactory.getPlatformMXBean(HotSpotDiagnosticMXBean.class);
            options.setVMOption("MinHeapFreeRatio", "10");
            options.setVMOption("MaxHeapFreeRatio", "30");
        } catch (RuntimeException e) {
            return;     // another JVM
        }
        boolean concurrent = cycles() >= 0;
        long quietMs = concurrent ? QUIET_MS : LONG_QUIET_MS;
        long kept = SMALL_BYTES;
        while (true) {
            TimeUnit.MILLISECONDS.sleep(QUIET_MS);
            boolean grown = Runtime.getRuntime().totalMemory() > Math.max(kept, SMALL_BYTES);
            if (!grown || !isQuietFor.test(quietMs)) continue;
            if (concurrent) cycle(options);
            else System.gc();
            kept = Runtime.getRuntime().totalMemory();
        }
    }

    /** How many concurrent cycles G1 has made; -1 under another collector. */
    private static long cycles() {
        for (GarbageCollectorMXBean each : ManagementFactory.getGarbageCollectorMXBeans()) {
            if (each.getName().equals("G1 Concurrent GC")) return each.getCollectionCount();
        }
        return -1;
    }

    /** Has G1 make one, and waits for it; it looks at its interval once a second. */
    private static void cycle(HotSpotDiagnosticMXBean options) throws InterruptedException {
        long before = cycles();
        options.setVMOption(INTERVAL, String.valueOf(QUIET_MS / 2));
        try {
            for (int i = 0; i < LOOKS && cycles() == before; i++) {
                TimeUnit.MILLISECONDS.sleep(QUIET_MS / 2);
            }
        } finally {
            options.setVMOption(INTERVAL, "0");
        }
    }
}
