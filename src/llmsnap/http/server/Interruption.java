package llmsnap.http.server;

import static llmsnap.record.Cause.SHUTTING_DOWN;
import static llmsnap.record.Cause.UNLOADED;

import llmsnap.models.ModelPool;
import llmsnap.models.Refusal;
import llmsnap.record.Guard;

/**
 * Breaks one exchange off, from any thread, until its handler is done: that interrupts the handler,
 * which then answers with the reason or cuts the connection.
 */
public final class Interruption implements ModelPool.Client {
    private final Thread handler = Thread.currentThread();
    private final Guard guard = new Guard();     // guards over, and the interrupt
    private boolean over;
    private volatile Failure failure;

    /** Breaks off for that reason; the first one counts. */
    public void breakOff(Failure why) {
        guard.run(() -> {
            if (over || failure != null) return;
            failure = why;
            handler.interrupt();
        });
    }

    @Override public void breakOff(Refusal why) {
        boolean shutdown = why == Refusal.SHUTTING_DOWN;
        breakOff(Failure.of(shutdown ? SHUTTING_DOWN : UNLOADED));
    }

    /** Why it was broken off, or null. */
    public Failure failure() {
        return failure;
    }

    /** The handler is done: nothing interrupts its thread any more, which may be a pool's. */
    void end() {
        guard.run(() -> {
            over = true;
            Thread.interrupted();
        });
    }
}
