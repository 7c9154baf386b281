package llmsnap.http.api;

import static llmsnap.text.Json.obj;

import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentLinkedDeque;
import java.util.function.Supplier;
import llmsnap.models.ModelPool;
import llmsnap.models.ModelState;
import llmsnap.models.ModelStatus;
import llmsnap.record.Log;
import llmsnap.text.Json;

/** Which state each model was in during the last two hours, for a picture of it. */
final class Timeline implements ModelPool.Listener {
    private static final long KEPT_MS = 2 * 3_600_000;
    private static final int MAX_CHANGES = 4_000;

    /** @param number counts all changes, from 1 */
    private record Change(long number, long atMs, Json.Obj json) {}

    private final Map<String, ModelState> states = new HashMap<>();     // under the pool's lock
    // Written under the pool's lock alone.
    private final Deque<Change> changes = new ConcurrentLinkedDeque<>();        // oldest first
    private int kept;
    private volatile long last;

    private final ModelPool pool;

    Timeline(ModelPool pool) {
        this.pool = pool;
    }

    @Override public void changed(Set<String> ids, Map<String, ModelState> brief,
            Supplier<List<ModelStatus>> now) {
        if (ids == null) now.get().forEach(this::note);
        else ids.forEach(id -> note(pool.status(id)));
    }

    private void note(ModelStatus status) {
        if (status == null) return;     // gone with the configuration
        ModelState before = states.put(status.id(), status.state());
        boolean same = before == status.state();
        boolean never = before == null && status.state() == ModelState.STOPPED;
        if (same || never) return;
        long atMs = System.currentTimeMillis();
        boolean leaves = status.state().isLeaving() || status.state() == ModelState.STOPPED;
        boolean failed = leaves && !status.history().trouble().why().isEmpty();
        add(atMs, obj(
            "id", status.id(),
            "at", atMs,
            "state", status.state().label,
            "failed", failed,
            "why", leaves ? Log.inBrief(status.history().lastStop()) : ""));
    }

    private void add(long atMs, Json.Obj json) {
        long number = last + 1;
        changes.addLast(new Change(number, atMs, json));
        kept++;
        while (kept > MAX_CHANGES || changes.getFirst().atMs < atMs - KEPT_MS) {
            changes.removeFirst();
            kept--;
        }
        last = number;
    }

    /** The number of the last change. */
    long last() {
        return last;
    }

    /** What came after that one and up to another, as far as it is kept. */
    List<Json.Obj> between(long after, long upTo) {
        return changes.stream().filter(each -> each.number > after && each.number <= upTo)
            .map(Change::json).toList();
    }
}
