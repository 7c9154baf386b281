package llmsnap.record;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import llmsnap.config.Config.Kept;
import llmsnap.platform.Guard;
import llmsnap.record.Row.Copy;

/**
 * What was asked of the models: requests in flight, one row for each that has ended, and captures
 * of what was said. All of it is bounded: rows by their number, captures by their bytes.
 */
public final class Activity {
    /** Told of what happens; must return at once. */
    public interface Listener {
        void ended(Row row);

        /** A request came, or its turn has come, or it ended. */
        void inFlightChanged();
    }

    private final Guard guard = new Guard();     // guards rows, maxRows, captures
    private final Deque<Row> rows = new ArrayDeque<>();         // oldest first
    private int maxRows;
    private final Captures captures = new Captures();
    private final ConcurrentSkipListMap<Long, InFlight> inFlight = new ConcurrentSkipListMap<>();
    private final AtomicLong lastId = new AtomicLong();
    private final List<Listener> listeners = new CopyOnWriteArrayList<>();
    private final Consumer<Row> counter;

    /** @param counter takes each row once, before its client knows of its end */
    public Activity(Kept kept, Consumer<Row> counter) {
        this.counter = counter;
        configure(kept);
    }

    /** How much is kept, from now on. */
    public void configure(Kept kept) {
        guard.run(() -> {
            maxRows = kept.rows();
            captures.limit(kept.captureMb());
            forgetOldRows();
        });
    }

    private void forgetOldRows() {
        while (rows.size() > maxRows) {
            Row oldest = rows.removeFirst();
            captures.forget(oldest.id());
        }
    }

    /** Puts rows of earlier runs before all that come. @param before oldest first */
    public void restore(List<Row> before) {
        guard.run(() -> {
            rows.addAll(before);
            before.forEach(row -> lastId.accumulateAndGet(row.id(), Math::max));
        });
    }

    /** Adds a listener. @return the rows so far, oldest first: it is told of all later ones */
    public List<Row> listen(Listener listener) {
        return guard.get(() -> {
            listeners.add(listener);
            return rows();
        });
    }

    public void unlisten(Listener listener) {
        listeners.remove(listener);
    }

    /** The rows, oldest first; {@code copy} as it is now. */
    public List<Row> rows() {
        return guard.get(() -> rows.stream().map(row -> {
            boolean gone = row.copy() == Copy.KEPT && captures.get(row.id()) == null;
            return gone ? row.with(Copy.GONE) : row;
        }).toList());
    }

    /** The capture of that row, or null. */
    public Capture capture(long id) {
        return guard.get(() -> captures.get(id));
    }

    /** The requests in flight, in the order in which they came. */
    public List<InFlight> inFlight() {
        return new ArrayList<>(inFlight.values());
    }

    /** The request in flight with that id, or null. */
    public InFlight inFlight(long id) {
        return inFlight.get(id);
    }

    /**
     * A request for a model has come, and will wait for it.
     *
     * @param path with its query, for the capture; rows have it without
     * @param cancel breaks it off; must return at once
     */
    public InFlight begin(String model, String path, Runnable cancel) {
        return begin(new Row.Asked(model, path, "", ""), cancel);
    }

    /** The same of one that came with a key. */
    public InFlight begin(Row.Asked asked, Runnable cancel) {
        long id = lastId.incrementAndGet();
        var request = new InFlight(id, asked, cancel, captures.new Draft(),
            this::changed, this::add);
        inFlight.put(id, request);
        changed();
        return request;
    }

    private void changed() {
        for (Listener listener : listeners) listener.inFlightChanged();
    }

    private void add(Row row, Capture capture) {
        inFlight.remove(row.id());
        guard.run(() -> {
            boolean kept = capture != null && captures.keep(capture);
            Row added = kept ? row.with(Copy.KEPT) : row;
            rows.addLast(added);
            forgetOldRows();
            for (Listener listener : listeners) listener.ended(added);
        });
        counter.accept(row);
    }
}
