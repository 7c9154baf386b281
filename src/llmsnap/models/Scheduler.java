package llmsnap.models;

import static java.lang.Math.max;
import static java.lang.Math.min;
import static llmsnap.models.ModelState.ASLEEP;
import static llmsnap.models.ModelState.READY;
import static llmsnap.models.ModelState.SLEEP_PENDING;
import static llmsnap.models.ModelState.STARTING;
import static llmsnap.models.ModelState.STOPPED;
import static llmsnap.models.ModelState.STOPPING;
import static llmsnap.models.ModelState.WAKING;
import static llmsnap.models.Refusal.LIMIT;
import static llmsnap.models.Refusal.NOT_LOADED;
import static llmsnap.models.Refusal.NO_MEMORY;
import static llmsnap.models.Refusal.NO_SLEEP_MODE;
import static llmsnap.models.Refusal.REMOVED;
import static llmsnap.models.Refusal.SHUTTING_DOWN;
import static llmsnap.models.Refusal.START_FAILED;
import static llmsnap.models.Refusal.UNLOADED;
import static llmsnap.models.Slot.Leave.NO;
import static llmsnap.models.Slot.Leave.SLEEP;
import static llmsnap.models.Slot.Leave.STOP;

import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import llmsnap.config.Config;
import llmsnap.config.Config.Model;
import llmsnap.models.Placement.Choice;

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

    /** How long a look at what strangers hold is waited for, and how long it stays fresh. */
    private static final long LOOK_MS = 2_000;
    /** A model of unknown size that is ready is measured before it may have to go again. */
    private static final long MEASURE_MS = 3_000;

    private Config config;
    private final Placement placement;
    /** What is known of models, also for those who look. */
    final Slots slots;
    private List<Effect> effects = new ArrayList<>();
    private long nowMs;
    private long timerMs = Slot.NEVER;
    /** When requests in flight are broken off. */
    private long shutdownAtMs = Slot.NEVER;

    public Scheduler(Config config) {
        this.config = config;
        this.placement = new Placement(config);
        this.slots = new Slots(placement);
        slots.replace(config);
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
        slots.begin();
        switch (event) {
            case Event.Request request -> request(request.model(), request.ticket());
            case Event.Reconfigure reconfigure -> reconfigure(reconfigure.config());
            case Event.Cancel cancel -> cancel(slots.get(cancel.model()), cancel.ticket());
            case Event.Release release -> release(slots.get(release.model()), release.ticket());
            case Event.Ready ready -> ready(slots.get(ready.model()), ready.run());
            case Event.Slept slept -> slept(slots.get(slept.model()), slept.run());
            case Event.CallFailed failed -> callFailed(slots.get(failed.model()), failed);
            case Event.Failed failed -> failed(slots.get(failed.model()), failed);
            case Event.RanOut ranOut -> ranOut(slots.get(ranOut.model()), ranOut);
            case Event.Measured measured -> measured(measured);
            case Event.Learned learned -> learned(learned.sizes());
            case Event.Noted noted -> slots.note(slots.get(noted.model()));
            case Event.Gone gone -> gone(slots.get(gone.model()), gone.run());
            case Event.Unload unload -> unload(unload.models(), unload.ticket());
            case Event.UnloadAll all -> unload(slots.ids(), all.ticket());
            case Event.PutToSleep sleep -> putToSleep(sleep.model(), sleep.ticket());
            case Event.Shutdown shutdown -> shutdown();
            case Event.Tick tick -> tick();
        }
        if (!slots.queue.isEmpty()) settle();
        return effects;
    }

    private boolean isShuttingDown() {
        return shutdownAtMs != Slot.NEVER;
    }

    // ---- requests

    private void request(String model, long ticket) {
        Slot slot = slots.known(model);
        if (slot == null || slot.removed) {
            refuse(ticket, REMOVED, Slot.removed(model));
            return;
        }
        int limit = slot.model.limits().requests();
        String never = slot.state.isServing() ? null : placement.never(slot);
        if (isShuttingDown()) {
            refuse(ticket, SHUTTING_DOWN, "llmsnap is shutting down");
        } else if (slot.inFlight.size() + slot.waiting.size() >= limit) {
            refuse(ticket, LIMIT, slot.the() + " already has " + limit
                + " requests, its concurrencyLimit; try again in a moment");
        } else if (never != null) {
            refuse(ticket, NO_MEMORY, never);
        } else if (slot.is(READY) && slot.leave == NO && slots.queue.isEmpty()) {
            grant(slot, ticket);
            clearTheWay(slot);
        } else {
            if (slot.waiting.isEmpty()) slot.begin(nowMs);
            slot.waiting.add(ticket);
            slots.queue.add(slot);
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
        slots.queue.remove(slot);
    }

    private void cancel(Slot slot, long ticket) {
        slots.all().forEach(each -> each.controls.remove(ticket));
        if (!slot.waiting.remove(ticket) || !slot.waiting.isEmpty()) return;
        slots.queue.remove(slot);
        slot.ranOut = false;
        armTtl(slot);
    }

    private void release(Slot slot, long ticket) {
        if (!slot.inFlight.remove(ticket) || !slot.isIdle()) return;
        slot.idleSinceMs = nowMs;
        if (!slots.queue.isEmpty()) slot.lingerUntilMs = max(slot.lingerUntilMs, nowMs + LINGER_MS);
        if (isShuttingDown()) stop(slot, "shutdown");
        else if (slot.leave == SLEEP) putAway(slot, slot.leaveWhy);
        else if (slot.leave == STOP) stop(slot, slot.leaveWhy);
        else armTtl(slot);
    }

    // ---- what models report

    private void ready(Slot slot, int run) {
        if (!slot.runs(run) || !slot.state.isLoading()) return;
        if (slot.is(STARTING)) slot.loadMs = nowMs - slot.stateSinceMs;
        slots.become(slot, READY, nowMs);
        slot.idleSinceMs = nowMs;
        slot.failuresMs.clear();
        slot.ranOut = false;
        slot.trouble = "";
        if (slot.model.cmd().isEmpty()) placement.sizes.attached(slot.model);
        slot.unmeasured = placement.sizes.isUnknown(slot.model);
        if (slot.unmeasured) {
            slot.lingerUntilMs = nowMs + MEASURE_MS;
            arm(slot.lingerUntilMs);
        }
        armTtl(slot);
    }

    private void slept(Slot slot, int run) {
        if (!slot.runs(run) || !slot.is(SLEEP_PENDING)) return;
        slots.become(slot, ASLEEP, nowMs);
        if (!slot.asleepKnown && placement.sizes.isMeasurable(slot.model)) {
            // Until it is seen what it still holds, it may be all of it.
            slot.asleepBytes = placement.sizes.of(slot.model);
            slot.lingerUntilMs = nowMs + MEASURE_MS;
        }
        atRest(slot);
        armTtl(slot);
    }

    private void callFailed(Slot slot, Event.CallFailed failed) {
        boolean calling = slot.is(SLEEP_PENDING) || slot.is(WAKING);
        if (slot.runs(failed.run()) && calling) stop(slot, failed.why());
    }

    private void failed(Slot slot, Event.Failed failed) {
        if (!slot.runs(failed.run()) || slot.is(STOPPING)) return;
        slot.ranOut = false;
        slot.failed(failed, nowMs);
        if (slot.is(STARTING)) refuseWaiting(slot, START_FAILED, failed.why());
        leave(slot, STOPPING, failed.why());
        // They see their connections break; what they release later is unknown by then.
        slot.inFlight.clear();
    }

    /** Once more for the same waiters, when others can make more room. */
    private void ranOut(Slot slot, Event.RanOut event) {
        boolean helps = slot.runs(event.run()) && slot.is(STARTING) && !slot.ranOut
            && !slot.waiting.isEmpty() && placement.ranOut(slot, slots.all());
        if (!helps) {
            failed(slot, new Event.Failed(event.model(), event.run(), event.why()));
            return;
        }
        slot.ranOut = true;
        leave(slot, STOPPING, event.why());
    }

    private void learned(Map<String, Map<String, Long>> sizes) {
        placement.sizes.learned(sizes);
        slots.relist();
    }

    private void measured(Event.Measured event) {
        boolean more = false;
        for (Event.Held held : event.models()) {
            Slot slot = slots.get(held.model());
            if (!slot.runs(held.run())) continue;
            if (!held.bytes().equals(slot.heldBytes)) slots.note(slot);
            slot.heldBytes = held.bytes();
            if (slot.is(ASLEEP)) slot.asleep(held.bytes());
            if (!slot.is(READY)) continue;
            more |= placement.sizes.learn(slot.model, held.bytes());
            slot.lingerUntilMs = min(slot.lingerUntilMs, nowMs + LINGER_MS);
            slot.unmeasured = false;
        }
        if (event.strangers() != null) placement.sizes.strangers(event.strangers(), nowMs);
        if (more) effects.add(new Effect.Learned(placement.sizes.learned()));
    }

    private void gone(Slot slot, int run) {
        if (!slot.runs(run)) return;
        slots.become(slot, STOPPED, nowMs);
        slot.inFlight.clear();
        slot.heldBytes = Map.of();
        atRest(slot);
        if (slot.removed || slot.replacement != null) slots.relist();
        if (slot.removed) slots.remove(slot);
        if (slot.replacement != null) slot.model = slot.replacement;
        slot.replacement = null;
        if (isShuttingDown()) checkAllStopped();
    }

    private void leave(Slot slot, ModelState state, String why) {
        slots.become(slot, state, nowMs);
        // Who was to make room for it may stay.
        for (Slot other : slots.all()) if (other.leaveFor == slot) other.leave(NO, "", null);
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
        for (Slot slot : slots.all()) if (slot.controls.contains(ticket)) return;
        effects.add(new Effect.Done(ticket));
    }

    // ---- putting models away

    private void stop(Slot slot, String why) {
        stop(slot, "", why);
    }

    private void stop(Slot slot, String what, String why) {
        leave(slot, STOPPING, why);
        effects.add(new Effect.Stop(slot.model, slot.run, what, why, isShuttingDown()));
    }

    private void putAway(Slot slot, String why) {
        putAway(slot, "", why);
    }

    /** Sleep if the model can, else stop. @param what it is, for people */
    private void putAway(Slot slot, String what, String why) {
        if (slot.model.launch().sleep() == null || !slot.is(READY)) {
            stop(slot, what, why);
            return;
        }
        leave(slot, SLEEP_PENDING, why);
        effects.add(new Effect.Sleep(slot.model, slot.run));
    }

    private void unload(List<String> models, long ticket) {
        for (String model : models) {
            Slot slot = slots.get(model);
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
        Slot slot = slots.known(model);
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
        placement.configure(to);
        List<Slot> gone = slots.replace(to);
        for (Model model : to.models().values()) reconfigure(slots.get(model.id()), model);
        for (Slot lost : gone) {
            refuseWaiting(lost, REMOVED, Slot.removed(lost.model.id()));
            if (lost.is(STOPPED)) continue;
            slots.keep(lost);
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
        for (Slot slot : slots.all()) {
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
        for (Slot slot : slots.all()) if (!slot.is(STOPPED)) return;
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
            for (Slot slot : slots.all()) {
                breakOff(slot, SHUTTING_DOWN);
                stopForShutdown(slot);
            }
            return;
        }
        arm(shutdownAtMs);
        for (Slot slot : slots.all()) {
            if (nowMs >= slot.lingerUntilMs) slot.unmeasured = false;
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
        Map<Slot, Choice> ahead = new LinkedHashMap<>();
        for (Slot slot : new ArrayList<>(slots.queue)) {
            if (slot.is(READY) && grantWaiting(slot, ahead)) continue;
            Choice choice = slots.choose(slot, ahead);
            boolean loads = slot.is(STOPPED) || slot.is(ASLEEP);
            boolean served = loads && load(slot, choice);
            if (!served) ahead.put(slot, choice);
        }
    }

    private boolean isGraceOver(Slot waiting) {
        return nowMs - waiting.firstWaitMs >= config.settings().swapGraceSeconds() * 1000L;
    }

    /** Grants all that wait for a loaded model, unless one waited for its end for too long. */
    private boolean grantWaiting(Slot slot, Map<Slot, Choice> ahead) {
        boolean due = ahead.keySet().stream()
            .anyMatch(first -> ahead.get(first).mustGo().contains(slot) && isGraceOver(first));
        if (due || slot.leave != NO) return false;
        slot.waiting.forEach(ticket -> grant(slot, ticket));
        slot.waiting.clear();
        slots.queue.remove(slot);
        clearTheWay(slot);
        return true;
    }

    /** What a model does not tolerate beside it goes also when it came later, once it is idle. */
    private void clearTheWay(Slot slot) {
        if (slot.clearedAtChange == slots.changes()) return;
        for (Slot other : slots.all()) {
            if (!other.is(READY) || other.leave != NO || !placement.excludes(slot, other)) continue;
            other.leave(SLEEP, placement.makesRoom(slot), slot);
            if (other.isIdle()) putAway(other, other.leaveWhy);
        }
        slot.clearedAtChange = slots.changes();
    }

    /** Loads a model once nothing stands in its way. @return whether its requests wait no longer */
    private boolean load(Slot slot, Choice choice) {
        if (!choice.behind().isEmpty()) return false;
        if (slot.is(STOPPED) && nowMs < slot.backOffUntilMs) {
            refuseWaiting(slot, START_FAILED, slot.the() + " failed to start "
                + slot.failuresMs.size() + " times in a row and is not tried again for "
                + (slot.backOffUntilMs - nowMs + 999) / 1000 + " s; the last time: "
                + slot.trouble);
            return true;
        }
        if (choice.forStrangers() && !isFresh(slot)) return false;
        if (choice.lack() != null) {
            refuseWaiting(slot, NO_MEMORY, choice.lack());
            return true;
        }
        Collection<Slot> mustGo = choice.mustGo();
        if (isHeldUp(slot, mustGo)) return false;
        for (Slot other : mustGo) {
            if (other.state.isLeaving()) continue;
            putAway(other, placement.describe(other, nowMs), placement.makesRoom(slot));
        }
        slot.madeRoom |= !mustGo.isEmpty();
        if (!mustGo.isEmpty()) return false;
        if (slot.madeRoom) slot.swaps++;
        slot.madeRoom = false;
        boolean asleep = slot.is(ASLEEP);
        slots.become(slot, asleep ? WAKING : STARTING, nowMs);
        if (asleep) effects.add(new Effect.Wake(slot.model, slot.run));
        else effects.add(new Effect.Start(slot.model, ++slot.run));
        return false;
    }

    /** Whether one that has to go is busy, or was so a moment ago and may be again. */
    private boolean isHeldUp(Slot slot, Collection<Slot> mustGo) {
        long lingerUntilMs = 0;
        for (Slot other : mustGo) {
            boolean loadingForSomebody = other.state.isLoading() && !other.waiting.isEmpty();
            if (!other.isIdle() || loadingForSomebody) return true;
            if (!other.is(READY) && !other.is(ASLEEP)) continue;
            lingerUntilMs = max(lingerUntilMs, other.lingerUntilMs);
        }
        if (isGraceOver(slot) || nowMs >= lingerUntilMs) return false;
        arm(lingerUntilMs);
        return true;
    }

    /** Whether what strangers hold was looked at of late; else that is asked for, once. */
    private boolean isFresh(Slot slot) {
        if (nowMs - placement.sizes.strangersAtMs() <= LOOK_MS) return true;
        if (slot.lookMs == Slot.NEVER) {
            slot.lookMs = nowMs;
            effects.add(new Effect.Look());
            arm(nowMs + LOOK_MS);
        }
        return nowMs - slot.lookMs >= LOOK_MS;
    }
}
