package llmsnap.http.api;

import static java.lang.Math.max;

import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Supplier;
import llmsnap.record.Activity;
import llmsnap.record.Row;

/**
 * What has happened since a reader of events last looked; marked by anybody, who goes on at once.
 */
final class Inbox implements Activity.Listener, Runnable {
    /** All models at one moment; written out once, by the first reader that needs it. */
    static final class ModelList {
        final int size;
        private final Supplier<byte[]> makingWhole;
        private final Supplier<byte[]> makingChanges;
        private volatile byte[] whole;
        private volatile byte[] changes;

        ModelList(int size, Supplier<byte[]> whole, Supplier<byte[]> changes) {
            this.size = size;
            this.makingWhole = whole;
            this.makingChanges = changes;
        }

        byte[] whole() {
            if (whole == null) whole = makingWhole.get();
            return whole;
        }

        /** What differs from the list before it. */
        byte[] changes() {
            if (changes == null) changes = makingChanges.get();
            return changes;
        }
    }

    private static final int MAX_ROWS = 1000;
    private static final int MAX_MODELS = 4096;     // in all lists that wait
    private static final int MIN_LISTS = 4;

    private final Thread reader = Thread.currentThread();
    private final Queue<ModelList> lists = new ConcurrentLinkedQueue<>();
    private final BlockingQueue<Row> rows = new LinkedBlockingQueue<>(MAX_ROWS);
    private final boolean changesDo;
    private volatile boolean rung;
    private volatile boolean inFlightChanged;

    /** @param changesDo its reader wants of models only what has changed */
    Inbox(boolean changesDo) {
        this.changesDo = changesDo;
    }

    /** Something has happened. */
    @Override public void run() {
        if (rung) return;
        rung = true;
        LockSupport.unpark(reader);
    }

    void modelsChanged(ModelList list) {
        // It does not keep up: the newest has to do.
        int most = max(MIN_LISTS, MAX_MODELS / max(1, list.size));
        boolean late = lists.size() >= most;
        if (late) lists.clear();
        lists.add(late ? new ModelList(list.size, list::whole, list::whole) : list);
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
        for (long left; !rung && (left = deadlineNanos - System.nanoTime()) > 0; ) {
            LockSupport.parkNanos(this, left);
            if (Thread.interrupted()) throw new InterruptedException();
        }
        rung = false;
    }

    /** The next message with models, or null. */
    byte[] nextModels() {
        ModelList list = lists.poll();
        if (list == null) return null;
        return changesDo ? list.changes() : list.whole();
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
