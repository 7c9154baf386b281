package llmsnap.models;

import static java.lang.Math.max;
import static llmsnap.models.ModelState.ASLEEP;
import static llmsnap.models.ModelState.READY;
import static llmsnap.models.ModelState.STARTING;
import static llmsnap.models.ModelState.STOPPED;
import static llmsnap.models.ModelState.WAKING;
import static llmsnap.models.Refusal.NO_MEMORY;
import static llmsnap.models.Refusal.PAUSED;
import static llmsnap.models.Refusal.START_FAILED;
import static llmsnap.models.Slot.Leave.NO;
import static llmsnap.models.Slot.Leave.SLEEP;

import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.Map;
import llmsnap.config.Config;
import llmsnap.models.Placement.Choice;

/** Who waits for which model, and what is done for them, walked after each event. */
final class Queue {
    /** How long a look at what strangers hold is waited for, and how long it stays fresh. */
    private static final long LOOK_MS = 2_000;

    private final Placement placement;
    private final Moves moves;
    private final Slots slots;
    private Config config;
    private Pause pause;        // or null

    Queue(Placement placement, Moves moves, Config config) {
        this.placement = placement;
        this.moves = moves;
        this.slots = moves.slots();
        this.config = config;
    }

    /** Loads nothing from now on. @param to null: loads again */
    void pause(Pause to) {
        pause = to;
    }

    void configure(Config to) {
        config = to;
    }

    /**
     * Walks the queue: grants what may go, puts away what has to go, starts what can start. A model
     * that still waits goes to {@code ahead}, and holds back those behind it that cannot be loaded
     * beside it.
     */
    void settle() {
        Map<Slot, Choice> ahead = new LinkedHashMap<>();
        for (Slot slot : slots.inOrder()) {
            if (slot.is(READY) && grantWaiting(slot, ahead)) continue;
            if (pause != null && pause.refuse()) {
                moves.refuseWaiting(slot, PAUSED, "llmsnap is " + pause.why());
                continue;
            }
            Choice choice = slots.choose(slot, ahead);
            boolean loads = slot.is(STOPPED) || slot.is(ASLEEP);
            boolean served = loads && load(slot, choice);
            if (!served) ahead.put(slot, choice);
        }
    }

    private boolean isGraceOver(Slot waiting) {
        return moves.nowMs() - waiting.firstWaitMs >= config.settings().swapGraceSeconds() * 1000L;
    }

    /** Grants all that wait for a loaded model, unless one waited for its end for too long. */
    private boolean grantWaiting(Slot slot, Map<Slot, Choice> ahead) {
        // A pause loads nobody in its place.
        boolean due = pause == null && ahead.keySet().stream()
            .anyMatch(first -> ahead.get(first).mustGo().contains(slot) && isGraceOver(first));
        if (due || slot.leave != NO) return false;
        slot.waiting.keySet().forEach(ticket -> moves.grant(slot, ticket));
        slot.waiting.clear();
        slots.queue.remove(slot);
        clearTheWay(slot);
        return true;
    }

    /** What a model does not tolerate beside it goes also when it came later, once it is idle. */
    void clearTheWay(Slot slot) {
        if (slot.clearedAtChange == slots.changes()) return;
        for (Slot other : slots.all()) {
            if (!other.is(READY) || other.leave != NO || !placement.excludes(slot, other)) continue;
            other.leave(SLEEP, placement.makesRoom(slot), slot);
            if (other.isIdle()) moves.putAway(other, other.leaveWhy);
        }
        slot.clearedAtChange = slots.changes();
    }

    /** Loads a model once nothing stands in its way. @return whether its requests wait no longer */
    private boolean load(Slot slot, Choice choice) {
        if (!choice.behind().isEmpty()) return false;
        if (pause != null) return false;
        if (slot.is(STOPPED) && moves.nowMs() < slot.backOffUntilMs) {
            moves.refuseWaiting(slot, START_FAILED, slot.the() + " failed to start "
                + slot.failuresMs.size() + " times in a row and is not tried again for "
                + (slot.backOffUntilMs - moves.nowMs() + 999) / 1000 + " s; the last time: "
                + slot.trouble);
            return true;
        }
        if (choice.forStrangers() && !isFresh(slot)) return false;
        if (choice.lack() != null) {
            moves.refuseWaiting(slot, NO_MEMORY, choice.lack());
            return true;
        }
        Collection<Slot> mustGo = choice.mustGo();
        if (isHeldUp(slot, mustGo)) return false;
        for (Slot other : mustGo) {
            if (other.state.isLeaving()) continue;
            String what = placement.describe(other, moves.nowMs());
            moves.putAway(other, what, placement.makesRoom(slot));
        }
        slot.madeRoom |= !mustGo.isEmpty();
        if (!mustGo.isEmpty()) return false;
        if (slot.madeRoom) slot.swaps++;
        slot.madeRoom = false;
        boolean asleep = slot.is(ASLEEP);
        slots.become(slot, asleep ? WAKING : STARTING, moves.nowMs());
        if (asleep) moves.add(new Effect.Wake(slot.model, slot.run));
        else moves.add(new Effect.Start(slot.model, ++slot.run));
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
        if (isGraceOver(slot) || moves.nowMs() >= lingerUntilMs) return false;
        moves.arm(lingerUntilMs);
        return true;
    }

    /** Whether what strangers hold was looked at of late; else that is asked for, once. */
    private boolean isFresh(Slot slot) {
        if (moves.nowMs() - placement.sizes.strangersAtMs() <= LOOK_MS) return true;
        if (slot.lookMs == Slot.NEVER) {
            slot.lookMs = moves.nowMs();
            moves.add(new Effect.Look());
            moves.arm(moves.nowMs() + LOOK_MS);
        }
        return moves.nowMs() - slot.lookMs >= LOOK_MS;
    }
}
