package llmsnap.models;

import static llmsnap.models.ModelState.READY;
import static llmsnap.models.ModelState.SLEEP_PENDING;
import static llmsnap.models.ModelState.STOPPING;
import static llmsnap.models.Slot.Leave.NO;

import java.util.ArrayList;
import java.util.List;

/** What can happen to a model by our own doing, each with its effects. */
final class Moves {
    private final Slots slots;
    private List<Effect> effects = new ArrayList<>();
    private long nowMs;
    private long timerMs = Slot.NEVER;
    /** When requests in flight are broken off. */
    private long shutdownAtMs = Slot.NEVER;

    Moves(Slots slots) {
        this.slots = slots;
    }

    /** Something has happened at that time; nothing follows so far. */
    void begin(long atMs) {
        nowMs = atMs;
        effects = new ArrayList<>(4);
        slots.begin();
    }

    Slots slots() {
        return slots;
    }

    /** When it happened. */
    long nowMs() {
        return nowMs;
    }

    /** What follows. */
    List<Effect> effects() {
        return effects;
    }

    void add(Effect effect) {
        effects.add(effect);
    }

    // ---- requests

    void grant(Slot slot, long ticket) {
        slot.inFlight.add(ticket);
        add(new Effect.Grant(ticket, slot.model.id(), slot.run));
    }

    void refuse(long ticket, Refusal refusal, String message) {
        add(new Effect.Refuse(ticket, refusal, message));
    }

    void refuseWaiting(Slot slot, Refusal refusal, String message) {
        slot.waiting.keySet().forEach(ticket -> refuse(ticket, refusal, message));
        slot.waiting.clear();
        slots.queue.remove(slot);
    }

    // ---- states

    void leave(Slot slot, ModelState state, String why) {
        slots.become(slot, state, nowMs);
        // Who was to make room for it may stay.
        for (Slot other : slots.all()) if (other.leaveFor == slot) other.leave(NO, "", null);
        slot.lastStop = why;
        slot.lastStopMs = nowMs;
    }

    void atRest(Slot slot) {
        slot.leave(NO, "", null);
        List<Long> controls = List.copyOf(slot.controls);
        slot.controls.clear();
        controls.forEach(this::checkDone);
    }

    /** A control call is done once no model keeps it waiting. */
    void checkDone(long ticket) {
        for (Slot slot : slots.all()) if (slot.controls.contains(ticket)) return;
        add(new Effect.Done(ticket));
    }

    void stop(Slot slot, String why) {
        stop(slot, "", why);
    }

    void stop(Slot slot, String what, String why) {
        leave(slot, STOPPING, why);
        add(new Effect.Stop(slot.model, slot.run, what, why, isShuttingDown()));
    }

    void putAway(Slot slot, String why) {
        putAway(slot, "", why);
    }

    /** Sleep if the model can, else stop. @param what it is, for people */
    void putAway(Slot slot, String what, String why) {
        if (slot.model.launch().sleep() == null || !slot.is(READY)) {
            stop(slot, what, why);
            return;
        }
        leave(slot, SLEEP_PENDING, why);
        add(new Effect.Sleep(slot.model, slot.run));
    }

    void breakOff(Slot slot, Refusal why) {
        slot.inFlight.forEach(ticket -> add(new Effect.BreakOff(ticket, why)));
        slot.inFlight.clear();
    }

    // ---- time

    void arm(long atMs) {
        if (atMs >= timerMs) return;
        timerMs = atMs;
        add(new Effect.Timer(atMs));
    }

    void armTtl(Slot slot) {
        arm(slot.ttlEndMs());
    }

    /** The timer has come. @return whether the time for a shutdown is over */
    boolean isTimeUp() {
        timerMs = Slot.NEVER;
        if (nowMs >= shutdownAtMs) return true;
        arm(shutdownAtMs);
        return false;
    }

    boolean isShuttingDown() {
        return shutdownAtMs != Slot.NEVER;
    }

    /** @param graceMs after which requests in flight are broken off */
    void shutDown(long graceMs) {
        shutdownAtMs = nowMs + graceMs;
        arm(shutdownAtMs);
    }
}
