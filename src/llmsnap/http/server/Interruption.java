package llmsnap.http.server;

import static llmsnap.record.Cause.CLIENT_LEFT;
import static llmsnap.record.Cause.SHUTTING_DOWN;
import static llmsnap.record.Cause.UNLOADED;

import llmsnap.models.ModelPool;
import llmsnap.models.Refusal;
import llmsnap.platform.Guard;

/**
 * Breaks one exchange off, from any thread, until its handler is done: that interrupts the handler,
 * which then answers with the reason or cuts the connection.
 */
public final class Interruption implements ModelPool.Client {
    private final Thread handler = Thread.currentThread();
    private final Guard guard = new Guard();     // guards over, and the interrupt
    private boolean over;
    private Thread writer;      // who writes to the client now, or null
    private boolean answering;
    private volatile Failure failure;

    /** Breaks off for that reason; the first one counts. */
    public void breakOff(Failure why) {
        guard.run(() -> {
            boolean late = answering && why.cause != CLIENT_LEFT;
            if (over || late || failure != null) return;
            failure = why;
            if (writer == null) handler.interrupt();
        });
    }

    @Override public void breakOff(Refusal why) {
        boolean shutdown = why == Refusal.SHUTTING_DOWN;
        breakOff(Failure.of(shutdown ? SHUTTING_DOWN : UNLOADED));
    }

    /** @throws Failure when it was broken off */
    void check() throws Failure {
        boolean broken = guard.get(() -> failure != null && !over);
        if (broken) throw failure;
    }

    /**
     * Something is about to be written to the client: an interrupt in the middle of that would
     * close the connection, and the client would not learn why. It comes when that was written.
     */
    void beginWrite() {
        guard.run(() -> {
            writer = Thread.currentThread();
            Thread.interrupted();
        });
    }

    void endWrite() {
        guard.run(() -> {
            writer = null;
            if (failure != null && !over) handler.interrupt();
        });
    }

    /** Breaks off a write, too, which may wait for a client that reads nothing. */
    void insist() {
        guard.run(() -> {
            if (failure != null && writer != null && !over) writer.interrupt();
        });
    }

    /** Interrupts the handler, whatever it is at: its answer is given. */
    void cut() {
        guard.run(() -> {
            if (!over) handler.interrupt();
        });
    }

    /** Why it was broken off, or null. */
    public Failure failure() {
        return failure;
    }

    /** The answer is on its way, whatever it is: only that its client leaves breaks it off. */
    void answering() {
        guard.run(() -> {
            answering = true;
            failure = null;
            Thread.interrupted();
        });
    }

    /** From now on nothing interrupts the handler's thread, which may be a pool's. */
    void end() {
        guard.run(() -> {
            over = true;
            Thread.interrupted();
        });
    }
}
