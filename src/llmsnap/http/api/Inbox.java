package llmsnap.http.api;

import static java.lang.Math.max;
import static java.util.concurrent.TimeUnit.NANOSECONDS;

import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.Semaphore;
import java.util.function.Supplier;
import llmsnap.record.Activity;
import llmsnap.record.Row;

/**
 * What has happened since a reader of events last looked; marked by anybody, who goes on at once.
 */
final class Inbox implements Activity.Listener, Runnable {
    /** All models at one moment, and what differs from the list before it; see {@link #once}. */
    record ModelList(int size, Supplier<byte[]> whole, Supplier<byte[]> changes) {}

    /** A message that is written out once, by the first reader that needs it. */
    static Supplier<byte[]> once(Supplier<byte[]> making) {
        return new Supplier<>() {
            private volatile byte[] made;

            @Override public byte[] get() {
                if (made == null) made = making.get();
                return made;
            }
        };
    }

    private static final int MAX_ROWS = 1000;
    private static final int MAX_MODELS = 4096;     // in all lists that wait
    private static final int MIN_LISTS = 4;

    private final Semaphore bell = new Semaphore(0);
    private final Queue<ModelList> lists = new ConcurrentLinkedQueue<>();
    private final BlockingQueue<Row> rows = new LinkedBlockingQueue<>(MAX_ROWS);
    private final boolean changesDo;
    private volatile boolean inFlightChanged;

    /** @param changesDo its reader wants of models only what has changed */
    Inbox(boolean changesDo) {
        this.changesDo = changesDo;
    }

    /** Something has happened. */
    @Override public void run() {
        if (bell.availablePermits() == 0) bell.release();
    }

    void modelsChanged(ModelList list) {
        // It does not keep up: the newest has to do.
        int most = max(MIN_LISTS, MAX_MODELS / max(1, list.size()));
        boolean late = lists.size() >= most;
        if (late) lists.clear();
        lists.add(late ? new ModelList(list.size(), list.whole(), list.whole()) : list);
        run();
    }

    @Override public void ended(Row row) {
        while (!rows.offer(row)) rows.poll();
        run();
    }

    @Override public void inFlightChanged() {
        inFlightChanged = true;
        run();
    }

    /** Waits until something has happened, or that time has come. */
    void await(long deadlineNanos) throws InterruptedException {
        bell.tryAcquire(deadlineNanos - System.nanoTime(), NANOSECONDS);
        bell.drainPermits();
    }

    /** The next message with models, or null. */
    byte[] nextModels() {
        ModelList list = lists.poll();
        if (list == null) return null;
        return (changesDo ? list.changes() : list.whole()).get();
    }

    /** The rows since the last call. */
    List<Row> takeRows() {
        List<Row> taken = new ArrayList<>();
        rows.drainTo(taken);
        return taken;
    }

    boolean hasInFlightChanged() {
        return inFlightChanged;
    }

    void clearInFlightChanged() {
        inFlightChanged = false;
    }
}
