package llmsnap.http;

import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/** One thread per task: virtual ones where they do not pin. */
final class Threads {
    private static final boolean VIRTUAL = Runtime.version().feature() >= 24;

    private Threads() {}

    /**
     * Before Java 24 the JDK's server and client do I/O inside {@code synchronized}, which pins a virtual thread to its
     * carrier: with two cores, two slow clients would stall everybody. There the threads are the platform's.
     */
    static ExecutorService perTask(String name) {
        return VIRTUAL ? Executors.newThreadPerTaskExecutor(Thread.ofVirtual().name(name + " ", 0).factory())
            : Executors.newCachedThreadPool(Thread.ofPlatform().daemon().name(name + " ", 0).factory());
    }
}
