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
import static llmsnap.models.Refusal.PAUSED;
import static llmsnap.models.Refusal.QUEUE_TIMEOUT;
import static llmsnap.models.Refusal.REMOVED;
import static llmsnap.models.Refusal.SHUTTING_DOWN;
import static llmsnap.models.Refusal.START_FAILED;
import static llmsnap.models.Refusal.UNLOADED;
import static llmsnap.models.Slot.Leave.NO;
import static llmsnap.models.Slot.Leave.SLEEP;
import static llmsnap.models.Slot.Leave.STOP;

import java.util.List;
import java.util.Map;
import llmsnap.config.Config.Hooks;
import llmsnap.config.Config;
import llmsnap.config.Config.Model;
import llmsnap.models.Slot.Turn;

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
 * Requests that wait are kept per model; the queue holds those models, in the order in which their
 * most urgent request came. After each event it is walked once, see {@link Queue}.
 */
public final class Scheduler {
    private static final long SHUTDOWN_GRACE_MS = 5_000;
    /**
     * How long a model stays after its last request, within the grace, when others wait: the next
     * request is often on its way, and a swap there and back costs a thousand times as much.
     */
    private static final long LINGER_MS = 15;

    /** A model of unknown size that is ready is measured before it may have to go again. */
    private static final long MEASURE_MS = 3_000;

    private final Placement placement;
    /** What is known of models, also for those who look. */
    final Slots slots;
    private final Moves moves;
    private final Queue queue;
    private Hooks hooks;
    private Pause pause;        // or null
    private long pauseEndMs = Slot.NEVER;
    /** When something was last asked for. */
    private long askedMs = Slot.NEVER;

    public Scheduler(Config config) {
        this.placement = new Placement(config);
        this.slots = new Slots(placement);
        this.moves = new Moves(slots);
        this.queue = new Queue(placement, moves, config);
        this.hooks = config.settings().hooks();
        slots.replace(config);
    }

    // ---- what happens

    /**
     * Takes in what happened at {@code nowMs} (a clock that never goes back).
     *
     * @return what follows
     */
    public List<Effect> on(Event event, long nowMs) {
        moves.begin(nowMs);
        switch (event) {
            case Event.Request request -> request(request);
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
            case Event.Moved moved -> moved(slots.get(moved.to().id()), moved);
            case Event.Gone gone -> gone(slots.get(gone.model()), gone.run());
            case Event.Unload unload -> unload(unload.models(), unload.ticket());
            case Event.UnloadAll all -> unload(slots.ids(), all.ticket());
            case Event.PutToSleep sleep -> putToSleep(sleep.model(), sleep.ticket());
            case Event.Shutdown shutdown -> shutdown();
            case Event.Paused paused -> pause(paused.pause(), paused.forMs());
            case Event.Resumed resumed -> resume();
            case Event.Tick tick -> tick();
        }
        if (!slots.queue.isEmpty()) queue.settle();
        return moves.effects();
    }

    // ---- requests

    private void request(Event.Request request) {
        long ticket = request.ticket();
        Slot slot = slots.known(request.model());
        if (slot == null || slot.removed) {
            moves.refuse(ticket, REMOVED, Slot.removed(request.model()));
            return;
        }
        askedMs = moves.nowMs();
        int limit = slot.model.limits().turns().requests();
        boolean ready = slot.is(READY) && slot.leave == NO;
        String never = slot.state.isServing() ? null : placement.never(slot);
        if (moves.isShuttingDown()) {
            moves.refuse(ticket, SHUTTING_DOWN, "llmsnap is shutting down");
        } else if (slot.inFlight.size() + slot.waiting.size() >= limit) {
            moves.refuse(ticket, LIMIT, slot.the() + " already has " + limit
                + " requests, its concurrencyLimit; try again in a moment");
        } else if (never != null) {
            moves.refuse(ticket, NO_MEMORY, never);
        } else if (ready && slots.queue.isEmpty()) {
            moves.grant(slot, ticket);
            queue.clearTheWay(slot);
        } else if (pause != null && pause.refuse() && !ready) {
            moves.refuse(ticket, PAUSED, "llmsnap is " + pause.why());
        } else {
            slot.await(request, moves.nowMs());
            slots.queue.add(slot);
            moves.arm(slot.waiting.get(ticket).endMs());
        }
    }

    /** Whoever has waited for as long as its model allows. */
    private void refuseLate(Slot slot) {
        for (Map.Entry<Long, Turn> each : Map.copyOf(slot.waiting).entrySet()) {
            if (each.getValue().endMs() > moves.nowMs()) {
                moves.arm(each.getValue().endMs());
                continue;
            }
            moves.refuse(each.getKey(), QUEUE_TIMEOUT, slot.the() + " did not get its turn within "
                + slot.model.limits().turns().timeoutSeconds() + " s (queueTimeout)");
            cancel(slot, each.getKey());
        }
    }

    private void cancel(Slot slot, long ticket) {
        slots.all().forEach(each -> each.controls.remove(ticket));
        if (slot.waiting.remove(ticket) == null || !slot.waiting.isEmpty()) return;
        slots.queue.remove(slot);
        slot.ranOut = false;
        moves.armTtl(slot);
    }

    private void release(Slot slot, long ticket) {
        if (!slot.inFlight.remove(ticket) || !slot.isIdle()) return;
        slot.idleSinceMs = moves.nowMs();
        if (!slots.queue.isEmpty()) {
            slot.lingerUntilMs = max(slot.lingerUntilMs, moves.nowMs() + LINGER_MS);
        }
        if (moves.isShuttingDown()) moves.stop(slot, "shutdown");
        else if (slot.leave == SLEEP) moves.putAway(slot, slot.leaveWhy);
        else if (slot.leave == STOP) moves.stop(slot, slot.leaveWhy);
        else moves.armTtl(slot);
    }

    // ---- what models report

    private void ready(Slot slot, int run) {
        if (!slot.runs(run) || !slot.state.isLoading()) return;
        if (slot.is(STARTING)) slot.loadMs = moves.nowMs() - slot.stateSinceMs;
        slots.become(slot, READY, moves.nowMs());
        slot.idleSinceMs = moves.nowMs();
        slot.failuresMs.clear();
        slot.ranOut = false;
        slot.trouble = "";
        if (slot.model.isAttached()) placement.sizes.attached(slot.model);
        slot.unmeasured = placement.sizes.isUnknown(slot.model);
        if (slot.unmeasured) {
            slot.lingerUntilMs = moves.nowMs() + MEASURE_MS;
            moves.arm(slot.lingerUntilMs);
        }
        moves.armTtl(slot);
    }

    private void moved(Slot slot, Event.Moved moved) {
        if (!slot.runs(moved.run())) return;
        // A reload may have changed the rest of it meanwhile.
        slot.model = slot.model.at(moved.to().launch().port());
        slots.note(slot);
    }

    private void slept(Slot slot, int run) {
        if (!slot.runs(run) || !slot.is(SLEEP_PENDING)) return;
        slots.become(slot, ASLEEP, moves.nowMs());
        if (!slot.asleepKnown && placement.sizes.isMeasurable(slot.model)) {
            // Until it is seen what it still holds, it may be all of it.
            slot.asleepBytes = placement.sizes.of(slot.model);
            slot.lingerUntilMs = moves.nowMs() + MEASURE_MS;
        }
        moves.atRest(slot);
        moves.armTtl(slot);
    }

    private void callFailed(Slot slot, Event.CallFailed failed) {
        boolean calling = slot.is(SLEEP_PENDING) || slot.is(WAKING);
        if (slot.runs(failed.run()) && calling) moves.stop(slot, failed.why());
    }

    private void failed(Slot slot, Event.Failed failed) {
        if (!slot.runs(failed.run()) || slot.is(STOPPING)) return;
        slot.ranOut = false;
        slot.failed(failed, moves.nowMs());
        if (slot.is(STARTING)) moves.refuseWaiting(slot, START_FAILED, failed.why());
        moves.leave(slot, STOPPING, failed.why());
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
        moves.leave(slot, STOPPING, event.why());
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
            slot.lingerUntilMs = min(slot.lingerUntilMs, moves.nowMs() + LINGER_MS);
            slot.unmeasured = false;
        }
        if (event.strangers() != null) placement.sizes.strangers(event.strangers(), moves.nowMs());
        if (more) moves.add(new Effect.Learned(placement.sizes.learned()));
    }

    private void gone(Slot slot, int run) {
        if (!slot.runs(run)) return;
        slots.become(slot, STOPPED, moves.nowMs());
        slot.inFlight.clear();
        slot.heldBytes = Map.of();
        moves.atRest(slot);
        if (slot.removed || slot.replacement != null) slots.relist();
        if (slot.removed) slots.remove(slot);
        if (slot.replacement != null) slot.model = slot.replacement;
        slot.replacement = null;
        if (moves.isShuttingDown()) checkAllStopped();
    }

    // ---- putting models away

    private void unload(List<String> models, long ticket) {
        for (String model : models) {
            Slot slot = slots.get(model);
            if (slot.is(STOPPED)) continue;
            slot.controls.add(ticket);
            if (!slot.is(STOPPING)) unload(slot);
        }
        moves.checkDone(ticket);
    }

    private void unload(Slot slot) {
        if (slot.state.isLoading()) {
            moves.refuseWaiting(slot, UNLOADED,
                slot.the() + " was unloaded while it was loading");
        }
        moves.breakOff(slot, UNLOADED);
        moves.stop(slot, "unloaded on request");
    }

    private void putToSleep(String model, long ticket) {
        Slot slot = slots.known(model);
        if (slot == null) {
            moves.refuse(ticket, REMOVED, Slot.removed(model));
        } else if (slot.model.launch().sleep() == null) {
            moves.refuse(ticket, NO_SLEEP_MODE, slot.the() + " has no sleepMode");
        } else if (slot.is(ASLEEP)) {
            moves.add(new Effect.Done(ticket));
        } else if (slot.is(READY) || slot.is(SLEEP_PENDING)) {
            slot.controls.add(ticket);
            if (slot.leave == STOP) return;
            slot.leave(SLEEP, "asked to sleep", null);
            if (slot.is(READY) && slot.isIdle()) moves.putAway(slot, slot.leaveWhy);
        } else {
            moves.refuse(ticket, NOT_LOADED,
                slot.the() + " is not loaded, it is " + slot.state.label);
        }
    }

    private void reconfigure(Config to) {
        queue.configure(to);
        hooks = to.settings().hooks();
        idle();
        placement.configure(to);
        List<Slot> gone = slots.replace(to);
        for (Model model : to.models().values()) reconfigure(slots.get(model.id()), model);
        for (Slot lost : gone) {
            moves.refuseWaiting(lost, REMOVED, Slot.removed(lost.model.id()));
            if (lost.is(STOPPED)) continue;
            slots.keep(lost);
            lost.removed = true;
            lost.replacement = null;
            retire(lost, "it was removed from the configuration");
        }
        letGo();
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
            moves.armTtl(slot);
        } else {
            slot.replacement = model;
            retire(slot, "its settings changed");
        }
    }

    /** Stops a model once its requests in flight have ended; who waits for its load waits on. */
    private void retire(Slot slot, String why) {
        if (slot.is(STOPPING)) return;
        slot.leave(STOP, why, null);
        if (slot.isIdle()) moves.stop(slot, why);
    }

    private void shutdown() {
        if (moves.isShuttingDown()) return;
        moves.shutDown(SHUTDOWN_GRACE_MS);
        for (Slot slot : slots.all()) {
            moves.refuseWaiting(slot, SHUTTING_DOWN, "llmsnap is shutting down");
            if (slot.isIdle()) stopForShutdown(slot);
        }
        checkAllStopped();
    }

    private void stopForShutdown(Slot slot) {
        if (!slot.is(STOPPED) && !slot.is(STOPPING)) moves.stop(slot, "shutdown");
    }

    private void checkAllStopped() {
        for (Slot slot : slots.all()) if (!slot.is(STOPPED)) return;
        moves.add(new Effect.AllStopped());
    }

    // ---- the GPU for others

    private void pause(Pause to, long forMs) {
        pause = to;
        queue.pause(to);
        pauseEndMs = moves.nowMs() + forMs;
        moves.arm(pauseEndMs);
        slots.relist();
        letGo();
    }

    /** During a pause models go, those that a reload has changed meanwhile, too. */
    private void letGo() {
        if (pause == null || !pause.unload()) return;
        for (Slot slot : slots.all()) if (!slot.is(STOPPED)) retire(slot, pause.why());
    }

    private void resume() {
        if (pause == null) return;
        pause = null;
        queue.pause(null);
        askedMs = moves.nowMs();
        idle();
        pauseEndMs = Slot.NEVER;
        slots.relist();
        for (Slot slot : slots.all()) {
            boolean meant = slot.leave == STOP && slot.replacement == null && !slot.removed;
            if (meant) slot.leave(NO, "", null);
        }
    }

    /** Why nothing is loaded, or null. */
    Pause paused() {
        return pause;
    }

    // ---- time

    /** When nothing was asked for a while, and nothing is loaded, what the hook names is. */
    private void idle() {
        int seconds = hooks.idleSeconds();
        if (seconds == 0 || pause != null) return;
        if (askedMs == Slot.NEVER) askedMs = moves.nowMs();
        long atMs = askedMs + seconds * 1000L;
        if (moves.nowMs() >= atMs) {
            boolean empty = slots.all().stream().noneMatch(slot -> slot.state.holdsMemory());
            if (empty) moves.add(new Effect.Idle(hooks.onIdle()));
            askedMs = moves.nowMs();
            atMs = askedMs + seconds * 1000L;
        }
        moves.arm(atMs);
    }

    private void tick() {
        if (moves.isTimeUp()) {
            for (Slot slot : slots.all()) {
                moves.breakOff(slot, SHUTTING_DOWN);
                stopForShutdown(slot);
            }
            return;
        }
        if (moves.nowMs() >= pauseEndMs) resume();
        moves.arm(pauseEndMs);
        idle();
        for (Slot slot : slots.all()) {
            refuseLate(slot);
            if (moves.nowMs() >= slot.lingerUntilMs) slot.unmeasured = false;
            long endMs = slot.ttlEndMs();
            if (endMs > moves.nowMs()) moves.arm(endMs);
            else moves.stop(slot, "idle for its ttl of " + slot.model.limits().ttlSeconds()
                + " s");
        }
    }


}
