package llmsnap.swap;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import llmsnap.config.Config;
import llmsnap.config.Config.Model;

/**
 * Decides which model is loaded when, and which request may go. Pure: events go in, effects come out, time is a value
 * in the events; no thread, no clock, no I/O. Used by one thread at a time.
 *
 * <pre>
 *   stopped --Start--> starting --ready--> ready --Sleep--> sleepPending --slept--> asleep --Wake--> waking --woke--> ready
 *      ^                  |                  |                   |                     |                |
 *      |                  |   Stop (evicted, idle, unloaded, call failed), or the process died          |
 *      +------gone---- stopping <------------+-------------------+---------------------+----------------+
 * </pre>
 *
 * Requests that wait are kept per model in order of their arrival; the queue holds those models, in the order in which
 * their first request came. After each event the queue is walked once, see {@link #settle}.
 */
public final class Scheduler {
    private static final int START_FAILURES = 3;
    private static final long FAILURE_WINDOW_MS = 60_000;
    private static final long BACK_OFF_MS = 10_000;
    private static final long SHUTDOWN_GRACE_MS = 5_000;
    /**
     * How long a model that has just answered its last request stays, within the grace, when others wait for it to go:
     * the client's next request is often on its way, and a swap there and back costs a thousand times as much.
     */
    private static final long LINGER_MS = 15;

    /** A model's state; {@link #label} is its name in the API. */
    public enum State {
        STOPPED("stopped"), STARTING("starting"), READY("ready"), SLEEP_PENDING("sleepPending"), ASLEEP("asleep"),
        WAKING("waking"), STOPPING("stopping");

        public final String label;

        State(String label) {
            this.label = label;
        }

        /** Whether the model holds what others may need: memory, the GPU. */
        boolean isLoaded() {
            return this != STOPPED && this != ASLEEP;
        }
    }

    /** What happened. Tickets are numbers that the caller makes up, one per request or control call. */
    public sealed interface Event {
        /** Somebody wants to use a model. */
        record Request(String model, long ticket) implements Event {}

        /** Somebody who waits has left. */
        record Cancel(String model, long ticket) implements Event {}

        /** A granted request has ended. */
        record Release(String model, long ticket) implements Event {}

        /** The model's server answers: after Start, or after Wake. */
        record Ready(String model, int run) implements Event {}

        record Slept(String model, int run) implements Event {}

        /** A sleep or wake call failed while the process lives. */
        record CallFailed(String model, int run, String why) implements Event {}

        /** The process has died or did not get ready; its remains are being cleaned up, {@link Gone} follows. */
        record Failed(String model, int run, String why) implements Event {}

        /** Nothing is left of that run. */
        record Gone(String model, int run) implements Event {}

        record Unload(List<String> models, long ticket) implements Event {}

        record PutToSleep(String model, long ticket) implements Event {}

        /** A new configuration: unchanged models stay as they are, changed and removed ones end their requests and go. */
        record Reconfigure(Config config) implements Event {}

        record Shutdown() implements Event {}

        /** The time asked for by {@link Effect.Timer} has come. */
        record Tick() implements Event {}
    }

    /** What is to be done. */
    public sealed interface Effect {
        record Start(Model model, int run) implements Effect {}

        record Wake(Model model, int run) implements Effect {}

        record Sleep(Model model, int run) implements Effect {}

        /** {@code why} is for the log. */
        record Stop(Model model, int run, String why) implements Effect {}

        /** The request may go now; it ends with {@link Event.Release}. */
        record Grant(long ticket, String model, int run) implements Effect {}

        record Refuse(long ticket, Refusal refusal, String message) implements Effect {}

        /** A granted request has to be broken off. */
        record BreakOff(long ticket, String why) implements Effect {}

        /** A control call has done what it was to do. */
        record Done(long ticket) implements Effect {}

        /** Send a Tick at that time; it replaces a later one. */
        record Timer(long atMs) implements Effect {}

        /** After a shutdown: nothing runs any more. */
        record AllStopped() implements Effect {}
    }

    /** Why a request was not granted. */
    public enum Refusal { LIMIT, START_FAILED, UNLOADED, SHUTTING_DOWN, NO_SLEEP_MODE, NOT_LOADED, REMOVED }

    /** What a model should become once its requests in flight have ended. */
    private enum Leave { NO, SLEEP, STOP }

    /** One model. */
    private static final class Slot {
        Model model;
        State state = State.STOPPED;
        int run;                                    // counts starts; what an older run reports is ignored
        long stateSinceMs;
        long idleSinceMs;
        long lingerUntilMs;
        Leave leave = Leave.NO;
        String leaveWhy = "";
        Model replacement;                          // what the model becomes when this run is gone; itself: it is removed then
        String lastStop = "";                       // why it last went, or was put to sleep
        long lastStopMs;
        long loadMs = -1;                           // how long the last start took, not a wake
        int swaps;                                  // how often others had to go for it
        boolean madeRoom;                           // others had to go for the load that comes
        long firstWaitMs;
        long backOffUntilMs;
        String lastFailure = "";
        final Set<Long> waiting = new LinkedHashSet<>();
        final Set<Long> inFlight = new LinkedHashSet<>();
        final List<Long> controls = new ArrayList<>();      // answered when the model has come to rest
        final Deque<Long> failuresMs = new ArrayDeque<>();  // the last starts that failed in a row

        Slot(Model model) {
            this.model = model;
        }

        boolean isIdle() {
            return inFlight.isEmpty();
        }
    }

    /**
     * One model as others see it.
     *
     * @param run how often it was started
     * @param swaps how often others had to go for it
     * @param loadMs how long its last start took, -1 before the first
     * @param lastStop why it last went or fell asleep, "" when it never did; {@code lastStopMs} is when
     */
    public record Status(Model model, State state, int run, int swaps, long stateSinceMs, long idleSinceMs, long loadMs, int inFlight, int waiting,
            String lastStop, long lastStopMs) {
        Status in(State other) {
            return new Status(model, other, run, swaps, stateSinceMs, idleSinceMs, loadMs, inFlight, waiting, lastStop, lastStopMs);
        }
    }

    /**
     * What a request for a model would meet now; ids of models.
     *
     * @param position in the queue from 1, 0 when nothing waits for the model
     * @param mustGo what would have to go for it; those of {@code busy} only once they have ended what they are at
     * @param ahead what waits before it and holds it back
     * @param leaving why it goes as soon as its requests in flight have ended, before any new one; "" when it does not
     * @param backOffMs how long it will not be started, since its starts failed; else 0
     */
    public record Outlook(int position, List<String> mustGo, List<String> busy, List<String> ahead, String leaving, long backOffMs, String lastFailure) {}

    private Config config;
    private Map<String, Slot> slots = new LinkedHashMap<>();
    private final Set<Slot> queue = new LinkedHashSet<>();          // models with waiting requests, first come first
    private final Map<Long, Integer> controlsLeft = new HashMap<>(); // models that a control call still waits for
    private List<Effect> effects = new ArrayList<>();
    private long nowMs;
    private long changes;
    private final Set<Slot> changed = new HashSet<>();                      // by this event
    private final Map<String, State> passed = new LinkedHashMap<>();        // see passed()
    private long timerMs = Long.MAX_VALUE;
    private long shutdownAtMs = Long.MAX_VALUE;     // requests in flight are broken off then

    public Scheduler(Config config) {
        this.config = config;
        config.models().values().forEach(model -> slots.put(model.id(), new Slot(model)));
    }

    /** The state of every model, in file order. */
    public List<Status> statuses() {
        return slots.values().stream().map(Scheduler::status).toList();
    }

    /** The state of a model; null for one that there is not. */
    public Status status(String model) {
        Slot slot = slots.get(model);
        return slot == null ? null : status(slot);
    }

    private static Status status(Slot slot) {
        return new Status(slot.model, slot.state, slot.run, slot.swaps, slot.stateSinceMs, slot.idleSinceMs, slot.loadMs, slot.inFlight.size(),
            slot.waiting.size(), slot.lastStop, slot.lastStopMs);
    }

    /** A number that grows whenever a model's state or the list of models changes. */
    public long changes() {
        return changes;
    }

    /** The states that models were in for a moment during the last event, before the one that they are in now; by model id. */
    public Map<String, State> passed() {
        return Map.copyOf(passed);
    }

    /** What a request for {@code model}, which exists, would meet at {@code nowMs}. */
    public Outlook outlook(String model, long nowMs) {
        Slot slot = slots.get(model);
        boolean loads = slot.state == State.STOPPED || slot.state == State.ASLEEP;
        List<String> mustGo = new ArrayList<>();
        List<String> busy = new ArrayList<>();
        for (Slot other : slots.values()) {
            if (!loads || !other.state.isLoaded() || !evicts(slot, other)) continue;
            mustGo.add(other.model.id());
            if (!other.isIdle() || !other.waiting.isEmpty()) busy.add(other.model.id());
        }
        List<String> ahead = new ArrayList<>();
        for (Slot first : queue) {
            if (first == slot) break;
            if (evicts(first, slot) || evicts(slot, first)) ahead.add(first.model.id());
        }
        String leaving = switch (slot.leave) {
            case NO -> "";
            case SLEEP -> "asked to sleep";
            case STOP -> slot.leaveWhy;
        };
        return new Outlook(queuePosition(model), mustGo, busy, ahead, leaving, Math.max(0, slot.backOffUntilMs - nowMs), slot.lastFailure);
    }

    /** The place of a waiting request's model in the queue from 1, 0 when nothing waits for the model. */
    public int queuePosition(String model) {
        int place = 0;
        for (Slot slot : queue) {
            place++;
            if (slot.model.id().equals(model)) return place;
        }
        return 0;
    }

    /** Takes in what happened at {@code nowMs} (any clock that never goes back) and says what follows. */
    public List<Effect> on(Event event, long nowMs) {
        this.nowMs = nowMs;
        effects = new ArrayList<>(4);
        changed.clear();
        passed.clear();
        switch (event) {
            case Event.Request request -> request(request.model, request.ticket);
            case Event.Reconfigure reconfigure -> reconfigure(reconfigure.config);
            case Event.Cancel cancel -> cancel(slot(cancel.model), cancel.ticket);
            case Event.Release release -> release(slot(release.model), release.ticket);
            case Event.Ready ready -> ready(slot(ready.model), ready.run);
            case Event.Slept slept -> slept(slot(slept.model), slept.run);
            case Event.CallFailed failed -> callFailed(slot(failed.model), failed.run, failed.why);
            case Event.Failed failed -> failed(slot(failed.model), failed.run, failed.why);
            case Event.Gone gone -> gone(slot(gone.model), gone.run);
            case Event.Unload unload -> unload(unload.models, unload.ticket);
            case Event.PutToSleep sleep -> putToSleep(slot(sleep.model), sleep.ticket);
            case Event.Shutdown shutdown -> shutdown();
            case Event.Tick tick -> tick();
        }
        if (!queue.isEmpty()) settle();
        return effects;
    }

    /** A model's slot; for one that is removed and gone an empty one, since late reports of it mean nothing. */
    private Slot slot(String model) {
        Slot slot = slots.get(model);
        return slot == null ? new Slot(null) : slot;
    }

    private boolean isShuttingDown() {
        return shutdownAtMs != Long.MAX_VALUE;
    }

    // ---- requests

    private void request(String model, long ticket) {
        Slot slot = slots.get(model);
        if (slot == null || slot.replacement == slot.model) {
            refuse(ticket, Refusal.REMOVED, "the model \"" + model + "\" was removed from the configuration");
            return;
        }
        int limit = slot.model.concurrencyLimit();
        if (isShuttingDown()) {
            refuse(ticket, Refusal.SHUTTING_DOWN, "llmsnap is shutting down");
        } else if (slot.inFlight.size() + slot.waiting.size() >= limit) {
            refuse(ticket, Refusal.LIMIT, "the model \"" + slot.model.id() + "\" already has " + limit
                + " requests, its concurrencyLimit; try again in a moment");
        } else if (slot.state == State.READY && slot.leave == Leave.NO && queue.isEmpty()) {
            grant(slot, ticket);
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
        if (!slot.waiting.remove(ticket) || !slot.waiting.isEmpty()) return;
        queue.remove(slot);
        armTtl(slot);
    }

    private void release(Slot slot, long ticket) {
        if (slot.inFlight.remove(ticket) && slot.isIdle()) idle(slot);
    }

    /** The last request in flight has ended. */
    private void idle(Slot slot) {
        slot.idleSinceMs = nowMs;
        if (!queue.isEmpty()) slot.lingerUntilMs = nowMs + LINGER_MS;
        if (isShuttingDown()) stop(slot, "shutdown");
        else if (slot.leave == Leave.SLEEP) putAway(slot, "asked to sleep");
        else if (slot.leave == Leave.STOP) stop(slot, slot.leaveWhy);
        else armTtl(slot);
    }

    // ---- what models report

    private void ready(Slot slot, int run) {
        boolean expected = slot.state == State.STARTING || slot.state == State.WAKING;
        if (slot.run != run || !expected) return;
        if (slot.state == State.STARTING) slot.loadMs = nowMs - slot.stateSinceMs;
        become(slot, State.READY);
        slot.idleSinceMs = nowMs;
        slot.failuresMs.clear();
        armTtl(slot);
    }

    private void slept(Slot slot, int run) {
        if (slot.run != run || slot.state != State.SLEEP_PENDING) return;
        become(slot, State.ASLEEP);
        atRest(slot);
        armTtl(slot);
    }

    private void callFailed(Slot slot, int run, String why) {
        if (slot.run != run || (slot.state != State.SLEEP_PENDING && slot.state != State.WAKING)) return;
        stop(slot, why);
    }

    private void failed(Slot slot, int run, String why) {
        if (slot.run != run || slot.state == State.STOPPED || slot.state == State.STOPPING) return;
        went(slot, why);
        if (slot.state == State.STARTING) {
            slot.lastFailure = why;
            slot.failuresMs.addLast(nowMs);
            if (slot.failuresMs.size() > START_FAILURES) slot.failuresMs.removeFirst();
            if (slot.failuresMs.size() == START_FAILURES && nowMs - slot.failuresMs.getFirst() <= FAILURE_WINDOW_MS) {
                slot.backOffUntilMs = nowMs + BACK_OFF_MS;
            }
            refuseWaiting(slot, Refusal.START_FAILED, why);
        }
        become(slot, State.STOPPING);
        slot.inFlight.clear();      // they see their connections break; what they release later is unknown by then
    }

    private void gone(Slot slot, int run) {
        if (slot.run != run || slot.state == State.STOPPED) return;
        become(slot, State.STOPPED);
        slot.inFlight.clear();
        atRest(slot);
        if (slot.replacement == slot.model) slots.remove(slot.model.id());
        else if (slot.replacement != null) slot.model = slot.replacement;
        slot.replacement = null;
        if (isShuttingDown()) checkAllStopped();
    }

    private void become(Slot slot, State state) {
        if (!changed.add(slot)) passed.put(slot.model.id(), slot.state);
        slot.state = state;
        slot.stateSinceMs = nowMs;
        changes++;
    }

    private void went(Slot slot, String why) {
        slot.lastStop = why;
        slot.lastStopMs = nowMs;
    }

    private void atRest(Slot slot) {
        slot.leave = Leave.NO;
        slot.controls.forEach(this::controlDone);
        slot.controls.clear();
    }

    private void controlDone(long ticket) {
        if (controlsLeft.merge(ticket, -1, Integer::sum) > 0) return;
        controlsLeft.remove(ticket);
        effects.add(new Effect.Done(ticket));
    }

    // ---- putting models away

    private void stop(Slot slot, String why) {
        become(slot, State.STOPPING);
        went(slot, why);
        effects.add(new Effect.Stop(slot.model, slot.run, why));
    }

    /** Sleep if the model can, else stop. */
    private void putAway(Slot slot, String why) {
        if (slot.model.sleep() == null || slot.state != State.READY) {
            stop(slot, why);
            return;
        }
        become(slot, State.SLEEP_PENDING);
        went(slot, why);
        effects.add(new Effect.Sleep(slot.model, slot.run));
    }

    private void unload(List<String> models, long ticket) {
        int left = 0;
        for (String model : models) {
            Slot slot = slot(model);
            if (slot.state == State.STOPPED) continue;
            left++;
            slot.controls.add(ticket);
            if (slot.state != State.STOPPING) unload(slot);
        }
        if (left == 0) effects.add(new Effect.Done(ticket));
        else controlsLeft.put(ticket, left);
    }

    private void unload(Slot slot) {
        if (slot.state == State.STARTING || slot.state == State.WAKING) {
            refuseWaiting(slot, Refusal.UNLOADED, "the model \"" + slot.model.id() + "\" was unloaded while it was loading");
        }
        slot.inFlight.forEach(inFlight -> effects.add(new Effect.BreakOff(inFlight, "the model was unloaded")));
        slot.inFlight.clear();
        stop(slot, "unloaded on request");
    }

    private void putToSleep(Slot slot, long ticket) {
        if (slot.model.sleep() == null) {
            refuse(ticket, Refusal.NO_SLEEP_MODE, "the model \"" + slot.model.id() + "\" has no sleepMode");
        } else if (slot.state == State.ASLEEP) {
            effects.add(new Effect.Done(ticket));
        } else if (slot.state == State.READY || slot.state == State.SLEEP_PENDING) {
            slot.controls.add(ticket);
            controlsLeft.put(ticket, 1);
            if (slot.state == State.READY && slot.isIdle()) putAway(slot, "asked to sleep");
            else slot.leave = Leave.SLEEP;
        } else {
            refuse(ticket, Refusal.NOT_LOADED, "the model \"" + slot.model.id() + "\" is not loaded, it is " + slot.state.label);
        }
    }

    private void reconfigure(Config to) {
        config = to;
        changes++;
        Map<String, Slot> before = slots;
        slots = new LinkedHashMap<>();
        for (Model model : to.models().values()) {
            Slot slot = before.remove(model.id());
            if (slot == null) slot = new Slot(model);
            slots.put(model.id(), slot);
            slot.replacement = null;
            if (slot.leave == Leave.STOP) slot.leave = Leave.NO;
            if (!isSameProcess(slot.model, model)) slot.failuresMs.clear();      // the new settings have not failed yet
            if (slot.state == State.STOPPED || isSameProcess(slot.model, model)) {
                slot.model = model;
                slot.backOffUntilMs = 0;
                armTtl(slot);
            } else {
                slot.replacement = model;
                retire(slot, "its settings changed");
            }
        }
        for (Slot removed : before.values()) {
            refuseWaiting(removed, Refusal.REMOVED, "the model \"" + removed.model.id() + "\" was removed from the configuration");
            if (removed.state == State.STOPPED) continue;
            slots.put(removed.model.id(), removed);
            removed.replacement = removed.model;
            retire(removed, "it was removed from the configuration");
        }
    }

    /** Stops a model as soon as its requests in flight have ended; a load is broken off, who waits for it waits on. */
    private void retire(Slot slot, String why) {
        if (slot.state == State.STOPPING) return;
        slot.leave = Leave.STOP;
        slot.leaveWhy = why;
        if (slot.isIdle()) stop(slot, why);
    }

    /** Whether a running server can go on under the new settings; the others hold from the next request on. */
    private static boolean isSameProcess(Model a, Model b) {
        return a.cmd().equals(b.cmd()) && a.cmdStop().equals(b.cmdStop()) && a.env().equals(b.env()) && a.proxy().equals(b.proxy())
            && Objects.equals(a.checkEndpoint(), b.checkEndpoint()) && Objects.equals(a.sleep(), b.sleep()) && a.unloadTimeoutSeconds() == b.unloadTimeoutSeconds();
    }

    private void shutdown() {
        if (isShuttingDown()) return;
        shutdownAtMs = nowMs + SHUTDOWN_GRACE_MS;
        for (Slot slot : slots.values()) {
            refuseWaiting(slot, Refusal.SHUTTING_DOWN, "llmsnap is shutting down");
            boolean running = slot.state != State.STOPPED && slot.state != State.STOPPING;
            if (running && slot.isIdle()) stop(slot, "shutdown");
        }
        arm(shutdownAtMs);
        checkAllStopped();
    }

    private void checkAllStopped() {
        if (slots.values().stream().allMatch(slot -> slot.state == State.STOPPED)) effects.add(new Effect.AllStopped());
    }

    // ---- time

    private void arm(long atMs) {
        if (atMs >= timerMs) return;
        timerMs = atMs;
        effects.add(new Effect.Timer(atMs));
    }

    private long ttlEndMs(Slot slot) {
        boolean counts = slot.model != null && slot.model.ttlSeconds() > 0 && slot.isIdle() && slot.waiting.isEmpty()
            && (slot.state == State.READY || slot.state == State.ASLEEP);
        return counts ? slot.idleSinceMs + slot.model.ttlSeconds() * 1000L : Long.MAX_VALUE;
    }

    private void armTtl(Slot slot) {
        arm(ttlEndMs(slot));
    }

    private void tick() {
        timerMs = Long.MAX_VALUE;
        if (nowMs >= shutdownAtMs) {
            for (Slot slot : slots.values()) {
                slot.inFlight.forEach(ticket -> effects.add(new Effect.BreakOff(ticket, "llmsnap is shutting down")));
                slot.inFlight.clear();
                if (slot.state != State.STOPPED && slot.state != State.STOPPING) stop(slot, "shutdown");
            }
            return;
        }
        arm(shutdownAtMs);
        for (Slot slot : slots.values()) {
            long endMs = ttlEndMs(slot);
            if (endMs <= nowMs) stop(slot, "idle for its ttl of " + slot.model.ttlSeconds() + " s");
            else arm(endMs);
        }
    }

    // ---- the queue

    /**
     * Walks the queue: grants what may go, puts away what has to go, starts what can start. A model that still waits
     * goes to {@code ahead}, and holds back those behind it that cannot be loaded beside it.
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

    /** Grants all that wait for a loaded model, unless somebody waits for it to go and the grace is over. */
    private boolean grantWaiting(Slot slot, List<Slot> ahead) {
        if (slot.leave != Leave.NO) return false;
        long graceMs = config.swapGraceSeconds() * 1000L;
        for (Slot first : ahead) {
            if (evicts(first, slot) && nowMs - first.firstWaitMs >= graceMs) return false;
        }
        slot.waiting.forEach(ticket -> grant(slot, ticket));
        slot.waiting.clear();
        queue.remove(slot);
        return true;
    }

    /** Starts or wakes a model as soon as nothing stands in its way. @return true when its requests wait no longer */
    private boolean load(Slot slot, List<Slot> ahead) {
        for (Slot first : ahead) if (evicts(first, slot) || evicts(slot, first)) return false;
        if (slot.state == State.STOPPED && nowMs < slot.backOffUntilMs) {
            refuseWaiting(slot, Refusal.START_FAILED, "the model \"" + slot.model.id() + "\" failed to start " + START_FAILURES
                + " times in a row and is not tried again for " + (slot.backOffUntilMs - nowMs + 999) / 1000 + " s; the last time: "
                + slot.lastFailure);
            return true;
        }
        List<Slot> mustGo = slots.values().stream().filter(other -> other.state.isLoaded() && evicts(slot, other)).toList();
        for (Slot other : mustGo) {
            boolean loadingForSomebody = (other.state == State.STARTING || other.state == State.WAKING) && !other.waiting.isEmpty();
            if (!other.isIdle() || loadingForSomebody) return false;
        }
        if (nowMs - slot.firstWaitMs < config.swapGraceSeconds() * 1000L) {
            long lingerUntilMs = mustGo.stream().filter(other -> other.state == State.READY).mapToLong(other -> other.lingerUntilMs).max().orElse(0);
            if (nowMs < lingerUntilMs) {
                arm(lingerUntilMs);
                return false;
            }
        }
        for (Slot other : mustGo) {
            boolean going = other.state == State.STOPPING || other.state == State.SLEEP_PENDING;
            if (!going) putAway(other, "to make room for " + slot.model.id());
        }
        slot.madeRoom |= !mustGo.isEmpty();
        if (!mustGo.isEmpty()) return false;
        if (slot.madeRoom) slot.swaps++;
        slot.madeRoom = false;
        boolean asleep = slot.state == State.ASLEEP;
        if (!asleep) slot.run++;
        become(slot, asleep ? State.WAKING : State.STARTING);
        effects.add(asleep ? new Effect.Wake(slot.model, slot.run) : new Effect.Start(slot.model, slot.run));
        return false;
    }

    private boolean evicts(Slot slot, Slot other) {
        return Eviction.evicts(config, slot.model.id(), other.model.id());
    }
}
