package llmsnap.platform;

import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Supplier;

/** A lock around pieces of work; no monitor, which would pin virtual threads before Java 24. */
public final class Guard extends ReentrantLock {
    /** Does it while nobody else does any. */
    public void run(Runnable work) {
        lock();
        try {
            work.run();
        } finally {
            unlock();
        }
    }

    /** The same for work with a result. */
    public <T> T get(Supplier<T> work) {
        lock();
        try {
            return work.get();
        } finally {
            unlock();
        }
    }
}
