package llmsnap.models;

import static java.lang.Math.max;
import static java.util.stream.Collectors.toSet;
import static llmsnap.models.ModelState.ASLEEP;
import static llmsnap.models.ModelState.READY;
import static llmsnap.models.ModelState.SLEEP_PENDING;
import static llmsnap.models.ModelState.STARTING;
import static llmsnap.models.ModelState.STOPPED;
import static llmsnap.models.ModelState.STOPPING;
import static llmsnap.models.ModelState.WAKING;
import static llmsnap.models.Refusal.LIMIT;
import static llmsnap.models.Refusal.NOT_LOADED;
import static llmsnap.models.Refusal.NO_SLEEP_MODE;
import static llmsnap.models.Refusal.REMOVED;
import static llmsnap.models.Refusal.SHUTTING_DOWN;
import static llmsnap.models.Refusal.START_FAILED;
import static llmsnap.models.Refusal.UNLOADED;
import static llmsnap.models.Slot.Leave.NO;
import static llmsnap.models.Slot.Leave.SLEEP;
import static llmsnap.models.Slot.Leave.STOP;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import llmsnap.config.Config;
import llmsnap.config.Config.Model;
import llmsnap.config.Eviction;

/**
 * Decides which model is loaded when, and which request may go. Pure: events go in, effects come
 * out, time is a value in the events; no thread, no clock, no I/O. Used by one thread at a time.
 *
 * <pre>
 *   stopped --Start--> starting --ready--> ready --Sleep--> sleepPending --slept--> asleep
 *      ^                  |                ^   |                   |                   |
 *      |                  |                |   |                   |                 Wake
 *      |                  |                +---|---- woke ---------|---- waking <------+
 *      |                  |  Stop (evicted, idle, unloaded, call failed), or it died
 *      +------gone---- stopping <--------------+-------------------+-- from these two, too
 * </pre>
 *
 * Requests that wait are kept per model in order of their arrival; the queue holds those models, in
 * the order in which their first request came. After each event the queue is walked once, see
 * {@link #settle}.
 */
public final class Scheduler {
    private static final long SHUTDOWN_GRACE_MS = 5_000;
    /**
     * How long a model stays after its last request, within the grace, when others wait: the next
     * request is often on its way, and a swap there and back costs a thousand times as much.
     */
    private static final long LINGER_MS = 15;

    private Config config;
    private Map<String, Slot> slots = new LinkedHashMap<>();
    /** Models with waiting requests, first come first. */
    private final Set<Slot> queue = new LinkedHashSet<>();
    private List<Effect> effects = new ArrayList<>();
    private long nowMs;
    private long changes;
    private final Set<Slot> changed = new HashSet<>();
    private boolean relisted;
    private final Map<String, ModelState> brief = new LinkedHashMap<>();
    private long timerMs = Slot.NEVER;
    /** When requests in flight are broken off. */
    private long shutdownAtMs = Slot.NEVER;

    public Scheduler(Config config) {
        this.config = config;
        config.models().values().forEach(model -> slots.put(model.id(), new Slot(model)));
    }

    // ---- for those who look

    /** Every model, in file order. */
    public List<ModelStatus> statuses() {
        return slots.values().stream().map(this::status).toList();
    }

    /** One model; null for one that there is not. */
    public ModelStatus status(String model) {
        return slots.containsKey(model) ? status(slots.get(model)) : null;
    }

    private ModelStatus status(Slot slot) {
        return slot.status(List.copyOf(queue).indexOf(slot) + 1);
    }

    /** A number that grows whenever a model's state or the list of models changes. */
    long changes() {
        return changes;
    }

    /** The models that the last event changed, by id; null when there are others now. */
    public Set<String> changed() {
        return relisted ? null : changed.stream().map(each -> each.model.id()).collect(toSet());
    }

    /** The states that models were in for no time during the last event, by id. */
    public Map<String, ModelState> brief() {
        return Map.copyOf(brief);
    }

    /** What a request would meet; null for no model. @param complete adds what others know */
    public Outlook outlook(String model, long nowMs, UnaryOperator<ModelStatus> complete) {
        Slot slot = slots.get(model);
        if (slot == null) return null;
        List<Slot> mustGo = slot.state.holdsMemory() ? List.of() : mustGo(slot);
        return new Outlook(complete.apply(status(slot)), ids(mustGo.stream()),
            ids(mustGo.stream().filter(other -> !other.isIdle() || !other.waiting.isEmpty())),
            ids(queue.stream().takeWhile(first -> first != slot)
                .filter(first -> excludes(first, slot))),
            slot.leave == NO ? "" : slot.leaveWhy, max(0, slot.backOffUntilMs - nowMs));
    }

    private static List<String> ids(Stream<Slot> slots) {
        return slots.map(slot -> slot.model.id()).toList();
    }

    // ---- what happens

    /**
     * Takes in what happened at {@code nowMs} (a clock that never goes back).
     *
     * @return what follows
     */
    public List<Effect> on(Event event, long nowMs) {
        this.nowMs = nowMs;
        effects = new ArrayList<>(4);
        changed.clear();
        relisted = false;
        brief.clear();
        switch (event) {
            case Event.Request request -> request(request.model(), request.ticket());
            case Event.Reconfigure reconfigure -> reconfigure(reconfigure.config());
            case Event.Cancel cancel -> cancel(slot(cancel.model()), cancel.ticket());
            case Event.Release release -> release(slot(release.model()), release.ticket());
            case Event.Ready ready -> ready(slot(ready.model()), ready.run());
            case Event.Slept slept -> slept(slot(slept.model()), slept.run());
            case Event.CallFailed failed -> callFailed(slot(failed.model()), failed);
            case Event.Failed failed -> failed(slot(failed.model()), failed);
            case Event.Gone gone -> gone(slot(gone.model()), gone.run());
            case Event.Unload unload -> unload(unload.models(), unload.ticket());
            case Event.UnloadAll all -> unload(List.copyOf(slots.keySet()), all.ticket());
            case Event.PutToSleep sleep -> putToSleep(sleep.model(), sleep.ticket());
            case Event.Shutdown shutdown -> shutdown();
            case Event.Tick tick -> tick();
        }
        if (!queue.isEmpty()) settle();
        return effects;
    }

    /** A model's slot; for one that is gone an empty one, since late reports of it mean nothing. */
    private Slot slot(String model) {
        Slot slot = slots.get(model);
        return slot == null ? new Slot(null) : slot;
    }

    private boolean isShuttingDown() {
        return shutdownAtMs != Slot.NEVER;
    }

    // ---- requests

    private void request(String model, long ticket) {
        Slot slot = slots.get(model);
        if (slot == null || slot.removed) {
            refuse(ticket, REMOVED, Slot.removed(model));
            return;
        }
        int limit = slot.model.limits().requests();
        if (isShuttingDown()) {
            refuse(ticket, SHUTTING_DOWN, "llmsnap is shutting down");
        } else if (slot.inFlight.size() + slot.waiting.size() >= limit) {
            refuse(ticket, LIMIT, slot.the() + " already has " + limit
                + " requests, its concurrencyLimit; try again in a moment");
        } else if (slot.is(READY) && slot.leave == NO && queue.isEmpty()) {
            grant(slot, ticket);
            clearTheWay(slot);
        } else {
            if (slot.waiting.isEmpty()) slot.firstWaitMs = nowMs;
            slot.waiting.add(ticket);
            queue.add(slot);
        }
    }

    private void grant(Slot slot, long ticket) {
        slot.inFlight.add(ticket);
        effects.add(new Effect.Grant(ticket, slot.model.id(), slot.run));
    }

    private void refuse(long ticket, Refusal refusal, String message) {
        effects.add(new Effect.Refuse(ticket, refusal, message));
    }

    private void refuseWaiting(Slot slot, Refusal refusal, String message) {
        slot.waiting.forEach(ticket -> refuse(ticket, refusal, message));
        slot.waiting.clear();
        queue.remove(slot);
    }

    private void cancel(Slot slot, long ticket) {
        slots.values().forEach(each -> each.controls.remove(ticket));
        if (!slot.waiting.remove(ticket) || !slot.waiting.isEmpty()) return;
        queue.remove(slot);
        armTtl(slot);
    }

    private void release(Slot slot, long ticket) {
        if (!slot.inFlight.remove(ticket) || !slot.isIdle()) return;
        slot.idleSinceMs = nowMs;
        if (!queue.isEmpty()) slot.lingerUntilMs = nowMs + LINGER_MS;
        if (isShuttingDown()) stop(slot, "shutdown");
        else if (slot.leave == SLEEP) putAway(slot, slot.leaveWhy);
        else if (slot.leave == STOP) stop(slot, slot.leaveWhy);
        else armTtl(slot);
    }

    // ---- what models report

    private void ready(Slot slot, int run) {
        if (!slot.runs(run) || !slot.state.isLoading()) return;
        if (slot.is(STARTING)) slot.loadMs = nowMs - slot.stateSinceMs;
        become(slot, READY);
        slot.idleSinceMs = nowMs;
        slot.failuresMs.clear();
        slot.trouble = "";
        armTtl(slot);
    }

    private void slept(Slot slot, int run) {
        if (!slot.runs(run) || !slot.is(SLEEP_PENDING)) return;
        become(slot, ASLEEP);
        atRest(slot);
        armTtl(slot);
    }

    private void callFailed(Slot slot, Event.CallFailed failed) {
        boolean calling = slot.is(SLEEP_PENDING) || slot.is(WAKING);
        if (slot.runs(failed.run()) && calling) stop(slot, failed.why());
    }

    private void failed(Slot slot, Event.Failed failed) {
        if (!slot.runs(failed.run()) || slot.is(STOPPING)) return;
        slot.failed(failed.why(), nowMs);
        if (slot.is(STARTING)) refuseWaiting(slot, START_FAILED, failed.why());
        leave(slot, STOPPING, failed.why());
        // They see their connections break; what they release later is unknown by then.
        slot.inFlight.clear();
    }

    private void gone(Slot slot, int run) {
        if (!slot.runs(run)) return;
        become(slot, STOPPED);
        slot.inFlight.clear();
        atRest(slot);
        relisted = slot.removed || slot.replacement != null;
        if (slot.removed) slots.remove(slot.model.id());
        if (slot.replacement != null) slot.model = slot.replacement;
        slot.replacement = null;
        if (isShuttingDown()) checkAllStopped();
    }

    private void become(Slot slot, ModelState state) {
        if (!changed.add(slot)) brief.put(slot.model.id(), slot.state);
        slot.state = state;
        slot.stateSinceMs = nowMs;
        changes++;
    }

    private void leave(Slot slot, ModelState state, String why) {
        become(slot, state);
        // Who was to make room for it may stay.
        for (Slot other : slots.values()) if (other.leaveFor == slot) other.leave(NO, "", null);
        slot.lastStop = why;
        slot.lastStopMs = nowMs;
    }

    private void atRest(Slot slot) {
        slot.leave(NO, "", null);
        List<Long> controls = List.copyOf(slot.controls);
        slot.controls.clear();
        controls.forEach(this::checkDone);
    }

    /** A control call is done once no model keeps it waiting. */
    private void checkDone(long ticket) {
        for (Slot slot : slots.values()) if (slot.controls.contains(ticket)) return;
        effects.add(new Effect.Done(ticket));
    }

    // ---- putting models away

    private void stop(Slot slot, String why) {
        leave(slot, STOPPING, why);
        effects.add(new Effect.Stop(slot.model, slot.run, why));
    }

    /** Sleep if the model can, else stop. */
    private void putAway(Slot slot, String why) {
        if (slot.model.launch().sleep() == null || !slot.is(READY)) {
            stop(slot, why);
            return;
        }
        leave(slot, SLEEP_PENDING, why);
        effects.add(new Effect.Sleep(slot.model, slot.run));
    }

    private void unload(List<String> models, long ticket) {
        for (String model : models) {
            Slot slot = slot(model);
            if (slot.is(STOPPED)) continue;
            slot.controls.add(ticket);
            if (!slot.is(STOPPING)) unload(slot);
        }
        checkDone(ticket);
    }

    private void unload(Slot slot) {
        if (slot.state.isLoading()) {
            refuseWaiting(slot, UNLOADED, slot.the() + " was unloaded while it was loading");
        }
        breakOff(slot, UNLOADED);
        stop(slot, "unloaded on request");
    }

    private void breakOff(Slot slot, Refusal why) {
        slot.inFlight.forEach(ticket -> effects.add(new Effect.BreakOff(ticket, why)));
        slot.inFlight.clear();
    }

    private void putToSleep(String model, long ticket) {
        Slot slot = slots.get(model);
        if (slot == null) {
            refuse(ticket, REMOVED, Slot.removed(model));
        } else if (slot.model.launch().sleep() == null) {
            refuse(ticket, NO_SLEEP_MODE, slot.the() + " has no sleepMode");
        } else if (slot.is(ASLEEP)) {
            effects.add(new Effect.Done(ticket));
        } else if (slot.is(READY) || slot.is(SLEEP_PENDING)) {
            slot.controls.add(ticket);
            if (slot.leave == STOP) return;
            slot.leave(SLEEP, "asked to sleep", null);
            if (slot.is(READY) && slot.isIdle()) putAway(slot, slot.leaveWhy);
        } else {
            refuse(ticket, NOT_LOADED, slot.the() + " is not loaded, it is " + slot.state.label);
        }
    }

    private void reconfigure(Config to) {
        config = to;
        changes++;
        relisted = true;
        Map<String, Slot> before = slots;
        slots = new LinkedHashMap<>();
        for (Model model : to.models().values()) {
            Slot slot = before.remove(model.id());
            if (slot == null) slot = new Slot(model);
            slots.put(model.id(), slot);
            reconfigure(slot, model);
        }
        for (Slot lost : before.values()) {
            refuseWaiting(lost, REMOVED, Slot.removed(lost.model.id()));
            if (lost.is(STOPPED)) continue;
            slots.put(lost.model.id(), lost);
            lost.removed = true;
            lost.replacement = null;
            retire(lost, "it was removed from the configuration");
        }
    }

    private void reconfigure(Slot slot, Model model) {
        slot.removed = false;
        slot.replacement = null;
        if (slot.leave == STOP) slot.leave(NO, "", null);
        boolean same = slot.model.launch().equals(model.launch());
        if (!same) slot.failuresMs.clear();      // the new settings have not failed yet
        if (same || slot.is(STOPPED)) {
            slot.model = model;
            slot.backOffUntilMs = 0;
            armTtl(slot);
        } else {
            slot.replacement = model;
            retire(slot, "its settings changed");
        }
    }

    /** Stops a model once its requests in flight have ended; who waits for its load waits on. */
    private void retire(Slot slot, String why) {
        if (slot.is(STOPPING)) return;
        slot.leave(STOP, why, null);
        if (slot.isIdle()) stop(slot, why);
    }

    private void shutdown() {
        if (isShuttingDown()) return;
        shutdownAtMs = nowMs + SHUTDOWN_GRACE_MS;
        for (Slot slot : slots.values()) {
            refuseWaiting(slot, SHUTTING_DOWN, "llmsnap is shutting down");
            if (slot.isIdle()) stopForShutdown(slot);
        }
        arm(shutdownAtMs);
        checkAllStopped();
    }

    private void stopForShutdown(Slot slot) {
        if (!slot.is(STOPPED) && !slot.is(STOPPING)) stop(slot, "shutdown");
    }

    private void checkAllStopped() {
        for (Slot slot : slots.values()) if (!slot.is(STOPPED)) return;
        effects.add(new Effect.AllStopped());
    }

    // ---- time

    private void arm(long atMs) {
        if (atMs >= timerMs) return;
        timerMs = atMs;
        effects.add(new Effect.Timer(atMs));
    }

    private void armTtl(Slot slot) {
        arm(slot.ttlEndMs());
    }

    private void tick() {
        timerMs = Slot.NEVER;
        if (nowMs >= shutdownAtMs) {
            for (Slot slot : slots.values()) {
                breakOff(slot, SHUTTING_DOWN);
                stopForShutdown(slot);
            }
            return;
        }
        arm(shutdownAtMs);
        for (Slot slot : slots.values()) {
            long endMs = slot.ttlEndMs();
            if (endMs > nowMs) arm(endMs);
            else stop(slot, "idle for its ttl of " + slot.model.limits().ttlSeconds() + " s");
        }
    }

    // ---- the queue

    /**
     * Walks the queue: grants what may go, puts away what has to go, starts what can start. A model
     * that still waits goes to {@code ahead}, and holds back those behind it that cannot be loaded
     * beside it.
     */
    private void settle() {
        List<Slot> ahead = new ArrayList<>();
        for (Slot slot : new ArrayList<>(queue)) {
            boolean served = switch (slot.state) {
                case READY -> grantWaiting(slot, ahead);
                case STOPPED, ASLEEP -> load(slot, ahead);
                case STARTING, WAKING, SLEEP_PENDING, STOPPING -> false;
            };
            if (!served) ahead.add(slot);
        }
    }

    private boolean isGraceOver(Slot waiting) {
        return nowMs - waiting.firstWaitMs >= config.settings().swapGraceSeconds() * 1000L;
    }

    /** Grants all that wait for a loaded model, unless one waited for its end for too long. */
    private boolean grantWaiting(Slot slot, List<Slot> ahead) {
        boolean due = ahead.stream().anyMatch(first -> evicts(first, slot) && isGraceOver(first));
        if (due || slot.leave != NO) return false;
        slot.waiting.forEach(ticket -> grant(slot, ticket));
        slot.waiting.clear();
        queue.remove(slot);
        clearTheWay(slot);
        return true;
    }

    /** What a model does not tolerate beside it goes also when it came later, once it is idle. */
    private void clearTheWay(Slot slot) {
        if (slot.clearedAtChange == changes) return;
        for (Slot other : mustGo(slot)) {
            if (!other.is(READY) || other.leave != NO) continue;
            other.leave(SLEEP, slot.makesRoom(), slot);
            if (other.isIdle()) putAway(other, other.leaveWhy);
        }
        slot.clearedAtChange = changes;
    }

    /** Loads a model once nothing stands in its way. @return whether its requests wait no longer */
    private boolean load(Slot slot, List<Slot> ahead) {
        if (ahead.stream().anyMatch(first -> excludes(first, slot))) return false;
        if (slot.is(STOPPED) && nowMs < slot.backOffUntilMs) {
            refuseWaiting(slot, START_FAILED, slot.the() + " failed to start "
                + slot.failuresMs.size() + " times in a row and is not tried again for "
                + (slot.backOffUntilMs - nowMs + 999) / 1000 + " s; the last time: "
                + slot.trouble);
            return true;
        }
        List<Slot> mustGo = mustGo(slot);
        if (isHeldUp(slot, mustGo)) return false;
        for (Slot other : mustGo) {
            if (!other.state.isLeaving()) putAway(other, slot.makesRoom());
        }
        slot.madeRoom |= !mustGo.isEmpty();
        if (!mustGo.isEmpty()) return false;
        if (slot.madeRoom) slot.swaps++;
        slot.madeRoom = false;
        boolean asleep = slot.is(ASLEEP);
        become(slot, asleep ? WAKING : STARTING);
        if (asleep) effects.add(new Effect.Wake(slot.model, slot.run));
        else effects.add(new Effect.Start(slot.model, ++slot.run));
        return false;
    }

    /** Whether one that has to go is busy, or was so a moment ago and may be again. */
    private boolean isHeldUp(Slot slot, List<Slot> mustGo) {
        long lingerUntilMs = 0;
        for (Slot other : mustGo) {
            boolean loadingForSomebody = other.state.isLoading() && !other.waiting.isEmpty();
            if (!other.isIdle() || loadingForSomebody) return true;
            if (!other.is(READY)) continue;
            lingerUntilMs = max(lingerUntilMs, other.lingerUntilMs);
        }
        if (isGraceOver(slot) || nowMs >= lingerUntilMs) return false;
        arm(lingerUntilMs);
        return true;
    }

    private List<Slot> mustGo(Slot slot) {
        return slots.values().stream()
            .filter(other -> other.state.holdsMemory() && evicts(slot, other)).toList();
    }

    private boolean evicts(Slot slot, Slot other) {
        return Eviction.evicts(config, slot.model.id(), other.model.id());
    }

    private boolean excludes(Slot slot, Slot other) {
        return evicts(slot, other) || evicts(other, slot);
    }
}
