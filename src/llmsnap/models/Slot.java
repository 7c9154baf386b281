package llmsnap.models;

import static llmsnap.models.ModelState.ASLEEP;
import static llmsnap.models.ModelState.READY;
import static llmsnap.models.ModelState.STARTING;
import static llmsnap.models.ModelState.STOPPED;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import llmsnap.config.Config.Model;
import llmsnap.config.Config.Turns;

/**
 * What the scheduler knows of one model; nobody else writes it. Times are in its clock's
 * ms.
 */
final class Slot {
    /** A time that does not come. */
    static final long NEVER = Long.MAX_VALUE;
    static final int START_FAILURES = 3;
    private static final long FAILURE_WINDOW_MS = 60_000;
    private static final long BACK_OFF_MS = 10_000;

    /** Ten seconds of waiting count as one of priority, so that nobody starves. */
    private static final long PRIORITY_MS = 10_000;

    /**
     * When a request's turn comes.
     *
     * @param rankMs when it came, earlier by its priority: the earliest goes first
     * @param endMs until when it waits
     */
    record Turn(long rankMs, long endMs) {}

    /** What a model should become once its requests in flight have ended. */
    enum Leave { NO, SLEEP, STOP }

    Model model;
    ModelState state = STOPPED;
    int run;
    long stateSinceMs;
    long idleSinceMs;
    long lingerUntilMs;
    Leave leave = Leave.NO;
    String leaveWhy = "";
    /** The model that it makes room for, or null. */
    Slot leaveFor;
    /** What the model becomes when this run is gone, or null. */
    Model replacement;
    /** The configuration has lost it: it goes when this run is gone. */
    boolean removed;
    String lastStop = "";
    long lastStopMs;
    long loadMs = -1;
    int swaps;
    /** Others had to go for the load that comes. */
    boolean madeRoom;
    long firstWaitMs;
    /** The scheduler's change at which all that it evicts was last seen to be going. */
    long clearedAtChange = -1;
    long backOffUntilMs;
    /** Why it failed, until it is loaded again. */
    String trouble = "";
    long troubleMs;
    int exitCode = -1;
    /** It is ready, of unknown size, and will be measured in a moment. */
    boolean unmeasured;
    /** It ran out of memory at its last start: for the next one all others go. */
    boolean ranOut;
    /** When a fresh look at strangers was asked for, for those who wait now. */
    long lookMs = NEVER;
    /** What it was last seen to hold in this run, by pool; and when it was last asleep. */
    Map<String, Long> heldBytes = Map.of();
    Map<String, Long> asleepBytes = Map.of();
    boolean asleepKnown;
    final Map<Long, Turn> waiting = new LinkedHashMap<>();
    final Set<Long> inFlight = new LinkedHashSet<>();
    /** Control calls that are answered when the model has come to rest. */
    final Set<Long> controls = new LinkedHashSet<>();
    /** The last starts that failed in a row. */
    final List<Long> failuresMs = new ArrayList<>();

    Slot(Model model) {
        this.model = model;
    }

    String the() {
        return "the model \"" + model.id() + "\"";
    }

    /** It was seen to hold that while it sleeps. */
    void asleep(Map<String, Long> bytes) {
        asleepBytes = bytes;
        asleepKnown = true;
        lingerUntilMs = 0;
    }

    /** Somebody waits for it from now on. */
    void await(Event.Request request, long nowMs) {
        if (waiting.isEmpty()) {
            firstWaitMs = nowMs;
            lookMs = NEVER;
        }
        Turns turns = model.limits().turns();
        long seconds = request.patient() ? 0 : turns.timeoutSeconds();
        long rankMs = nowMs - PRIORITY_MS * ((long) request.priority() + turns.priority());
        long endMs = seconds == 0 ? NEVER : nowMs + seconds * 1000;
        waiting.put(request.ticket(), new Turn(rankMs, endMs));
    }

    /** When its most urgent request came, see {@link Turn}. */
    long rankMs() {
        return waiting.values().stream().mapToLong(Turn::rankMs).min().orElse(NEVER);
    }

    static String removed(String model) {
        return "the model \"" + model + "\" was removed from the configuration";
    }

    boolean isIdle() {
        return inFlight.isEmpty();
    }

    boolean is(ModelState any) {
        return state == any;
    }

    /** Whether a report of that run means something. */
    boolean runs(int reported) {
        return run == reported && state != STOPPED;
    }

    void leave(Leave how, String why, Slot whom) {
        leave = how;
        leaveWhy = why;
        leaveFor = whom;
    }

    void failed(Event.Failed failed, long nowMs) {
        trouble = failed.why();
        exitCode = failed.exitCode();
        troubleMs = nowMs;
        if (!is(STARTING)) return;
        failuresMs.removeIf(atMs -> nowMs - atMs > FAILURE_WINDOW_MS);
        failuresMs.add(nowMs);
        if (failuresMs.size() >= START_FAILURES) backOffUntilMs = nowMs + BACK_OFF_MS;
    }

    /** When it was last of use; now for one that is busy, loads, or is waited for. */
    long lastUsedMs() {
        boolean used = !isIdle() || !waiting.isEmpty() || state.isLoading();
        return used ? NEVER : idleSinceMs;
    }

    /** When its ttl is over; {@link #NEVER} while none counts. */
    long ttlEndMs() {
        int ttl = model.limits().ttlSeconds();
        boolean counts = ttl > 0 && (is(READY) || is(ASLEEP)) && isIdle() && waiting.isEmpty();
        return counts ? idleSinceMs + ttl * 1000L : NEVER;
    }

    /** @param position in the queue */
    ModelStatus status(int position, ModelStatus.Server server) {
        return new ModelStatus(model, state, server,
            new ModelStatus.Requests(inFlight.size(), waiting.size(), position),
            new ModelStatus.History(run, swaps, loadMs, lastStop, lastStopMs,
                new ModelStatus.Trouble(trouble, troubleMs, backOffUntilMs, exitCode)),
            new ModelStatus.Clock(0, stateSinceMs, idleSinceMs));
    }
}
