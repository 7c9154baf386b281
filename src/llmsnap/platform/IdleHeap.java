package llmsnap.platform;

import com.sun.management.HotSpotDiagnosticMXBean;
import java.lang.management.ManagementFactory;
import java.util.concurrent.TimeUnit;
import java.util.function.LongPredicate;

/**
 * Gives memory back. Without flags the JVM takes a 64th of the machine's memory at start, and keeps
 * what its heap once grew to. So a collection that gives memory back is asked for when nobody has
 * asked for anything for a second; it takes some ms.
 */
public final class IdleHeap {
    private static final long QUIET_MS = 1_000;
    private static final long SMALL_BYTES = 32L << 20;

    private IdleHeap() {}

    /** Goes on for good. @param isQuietFor whether nothing was asked for that many ms */
    public static void watch(LongPredicate isQuietFor) throws InterruptedException {
        try {
            HotSpotDiagnosticMXBean options =
                ManagementFactory.getPlatformMXBean(HotSpotDiagnosticMXBean.class);
            options.setVMOption("MinHeapFreeRatio", "10");
            options.setVMOption("MaxHeapFreeRatio", "30");
        } catch (RuntimeException e) {
            return;     // another collector, or another JVM
        }
        long kept = SMALL_BYTES;
        while (true) {
            TimeUnit.MILLISECONDS.sleep(QUIET_MS);
            boolean grown = Runtime.getRuntime().totalMemory() > Math.max(kept, SMALL_BYTES);
            if (!grown || !isQuietFor.test(QUIET_MS)) continue;
            System.gc();
            kept = Runtime.getRuntime().totalMemory();
        }
    }
}
