package llmsnap;

import static llmsnap.text.Json.obj;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import llmsnap.models.ModelPool;
import llmsnap.models.ModelState;
import llmsnap.models.ModelStatus;
import llmsnap.record.History;
import llmsnap.record.RowJson;
import llmsnap.text.Json;

/** Writes down what becomes of models: that they were loaded, fell asleep, woke or stopped. */
final class Chronicle implements ModelPool.Listener {
    private final ModelPool pool;
    private final History history;
    // Under the pool's lock.
    private final Map<String, ModelState> states = new HashMap<>();
    private final Map<String, Long> sinceMs = new HashMap<>();
    private final Map<String, Map<String, Long>> memory = new HashMap<>();

    Chronicle(ModelPool pool, History history) {
        this.pool = pool;
        this.history = history;
    }

    @Override public void changed(Set<String> ids, Map<String, ModelState> brief,
            Supplier<List<ModelStatus>> now) {
        if (!history.isOn()) return;
        if (ids == null) {
            List<ModelStatus> all = now.get();
            all.forEach(this::changed);
            forgetAllBut(all);
        } else {
            ids.forEach(id -> changed(pool.status(id)));
        }
    }

    /** Those that a reload has removed are gone with their last state. */
    private void forgetAllBut(List<ModelStatus> all) {
        Set<String> there = all.stream().map(ModelStatus::id).collect(Collectors.toSet());
        for (String id : List.copyOf(states.keySet())) {
            if (there.contains(id)) continue;
            if (states.remove(id) == ModelState.STOPPED) continue;
            stopped(id, "it was removed from the configuration");
        }
    }

    private void changed(ModelStatus status) {
        if (status == null) return;     // gone with the configuration
        String id = status.id();
        if (!status.server().holds().isEmpty()) memory.put(id, status.server().holds());
        ModelState before = states.put(id, status.state());
        if (before == status.state()) return;
        switch (status.state()) {
            case READY -> {
                boolean woke = before == ModelState.WAKING;
                if (!woke) sinceMs.put(id, System.currentTimeMillis());
                long tookMs = woke ? -1 : status.history().loadMs();
                history.model(line(id, woke ? "woke" : "loaded").with("took_ms", tookMs));
            }
            case ASLEEP ->
                history.model(line(id, "slept").with("why", status.history().lastStop()));
            case STOPPED -> stopped(status);
            case STARTING, WAKING, SLEEP_PENDING, STOPPING -> { }
        }
    }

    private void stopped(ModelStatus status) {
        if (status.history().starts() == 0) return;     // it has only come into the list
        stopped(status.id(), status.history().lastStop());
    }

    private void stopped(String id, String why) {
        Long since = sinceMs.remove(id);
        Map<String, Long> held = memory.remove(id);
        history.model(line(id, "stopped")
            .with("why", why)
            .with("loaded_ms", since == null ? 0 : System.currentTimeMillis() - since)
            .with("memory", held == null ? Map.of() : held));
    }

    private static Json.Obj line(String model, String event) {
        return obj(
            "timestamp", RowJson.time(System.currentTimeMillis()),
            "model", model,
            "event", event);
    }
}
