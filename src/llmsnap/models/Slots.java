package llmsnap.models;

import static java.lang.Math.max;
import static java.util.Comparator.comparingLong;
import static java.util.stream.Collectors.toSet;
import static llmsnap.models.Slot.Leave.NO;

import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import llmsnap.config.Config;
import llmsnap.config.Config.Model;
import llmsnap.models.Placement.Choice;

/** All models as the {@link Scheduler} knows them: who waits, and what its last event changed. */
final class Slots {
    private final Placement placement;
    private Map<String, Slot> byId = new LinkedHashMap<>();
    /** Models with waiting requests, first come first. */
    final Set<Slot> queue = new LinkedHashSet<>();
    private long changes;
    private final Set<Slot> changed = new HashSet<>();
    private boolean relisted;
    private final Map<String, ModelState> brief = new LinkedHashMap<>();

    Slots(Placement placement) {
        this.placement = placement;
    }

    // ---- for the scheduler

    Collection<Slot> all() {
        return byId.values();
    }

    List<String> ids() {
        return List.copyOf(byId.keySet());
    }

    /** A model's slot, or null. */
    Slot known(String model) {
        return byId.get(model);
    }

    /** A model's slot; for one that is gone an empty one, since late reports of it mean nothing. */
    Slot get(String model) {
        Slot slot = byId.get(model);
        return slot == null ? new Slot(null) : slot;
    }

    /** An event begins: nothing has changed so far. */
    void begin() {
        changed.clear();
        relisted = false;
        brief.clear();
    }

    void become(Slot slot, ModelState state, long nowMs) {
        if (!changed.add(slot)) brief.put(slot.model.id(), slot.state);
        slot.state = state;
        slot.stateSinceMs = nowMs;
        changes++;
    }

    /** Something else of it has changed. */
    void note(Slot slot) {
        changed.add(slot);
        changes++;
    }

    void relist() {
        relisted = true;
        changes++;
    }

    void remove(Slot slot) {
        byId.remove(slot.model.id());
    }

    /** It is lost, and still there for a while. */
    void keep(Slot lost) {
        byId.put(lost.model.id(), lost);
    }

    /** Takes the models of a configuration. @return the slots that it has lost */
    List<Slot> replace(Config to) {
        relist();
        Map<String, Slot> before = byId;
        byId = new LinkedHashMap<>();
        for (Model model : to.models().values()) {
            Slot slot = before.remove(model.id());
            byId.put(model.id(), slot == null ? new Slot(model) : slot);
        }
        return new ArrayList<>(before.values());
    }

    /** Models with waiting requests, whose turn comes first first. */
    List<Slot> inOrder() {
        List<Slot> order = new ArrayList<>(queue);
        // Those of one rank stay in the order in which they came.
        if (order.size() > 1) order.sort(comparingLong(Slot::rankMs));
        return order;
    }

    /** What is chosen for those who wait before {@code slot}. */
    private Map<Slot, Choice> ahead(Slot slot) {
        Map<Slot, Choice> ahead = new LinkedHashMap<>();
        for (Slot first : inOrder()) {
            if (first == slot) break;
            ahead.put(first, choose(first, ahead));
        }
        return ahead;
    }

    Choice choose(Slot slot, Map<Slot, Choice> ahead) {
        // One that loads has its room.
        return slot.state.isLoading() ? Choice.NOBODY
            : placement.choose(slot, all(), ahead);
    }

    // ---- for those who look

    /** Every model, in file order. */
    List<ModelStatus> statuses() {
        return all().stream().map(this::status).toList();
    }

    /** One model; null for one that there is not. */
    ModelStatus status(String model) {
        return byId.containsKey(model) ? status(byId.get(model)) : null;
    }

    private ModelStatus status(Slot slot) {
        return slot.status(inOrder().indexOf(slot) + 1, placement.server(slot));
    }

    /** A number that grows whenever a model's state or the list of models changes. */
    long changes() {
        return changes;
    }

    /** The models that the last event changed, by id; null when there are others now. */
    Set<String> changed() {
        return relisted ? null : changed.stream().filter(each -> each.model != null)
            .map(each -> each.model.id()).collect(toSet());
    }

    /** The states that models were in for no time during the last event, by id. */
    Map<String, ModelState> brief() {
        return Map.copyOf(brief);
    }

    /** What a request would meet; null for no model. @param complete adds what others know */
    Outlook outlook(String model, long nowMs, UnaryOperator<ModelStatus> complete) {
        Slot slot = byId.get(model);
        if (slot == null) return null;
        Choice choice = placement.choose(slot, all(), ahead(slot));
        Collection<Slot> mustGo = slot.state.holdsMemory() ? List.of() : choice.mustGo();
        boolean never = !slot.state.isServing() && placement.never(slot) != null;
        String lack = never ? placement.never(slot) : choice.lack();
        return new Outlook(complete.apply(status(slot)), ids(mustGo.stream()),
            ids(mustGo.stream().filter(other -> !other.isIdle() || !other.waiting.isEmpty())),
            ids(choice.behind().stream()),
            new Outlook.Hindrance(slot.leave == NO ? "" : slot.leaveWhy, lack),
            max(0, slot.backOffUntilMs - nowMs));
    }

    /** Why models that were measured can never be loaded, for people. */
    List<String> never() {
        return all().stream().filter(each -> placement.sizes.isMeasured(each.model))
            .map(placement::never).filter(Objects::nonNull).toList();
    }

    /** Memory for people, see {@link Placement#pools}. */
    List<PoolStatus> pools() {
        return placement.pools(all());
    }

    private static List<String> ids(Stream<Slot> some) {
        return some.map(slot -> slot.model.id()).toList();
    }
}
