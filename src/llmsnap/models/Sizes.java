package llmsnap.models;

import static java.lang.Math.max;
import static java.lang.Math.min;

import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import llmsnap.config.Config;
import llmsnap.config.Config.Model;
import llmsnap.config.Config.Needs;
import llmsnap.config.Config.Pool;

/** What models take of each pool, and what strangers do: the sums that memory is shared out by. */
final class Sizes {

    /** To what was not enough, a tenth more. */
    private static final int GROWTH_PART = 10;
    private static final String GPU = "gpu";

    private Config config;
    /** The largest that was measured, by command line and pool. */
    private final Map<String, Map<String, Long>> measured = new HashMap<>();
    /** What those need that ran out of memory, until they are measured. */
    private final Map<String, Map<String, Long>> guesses = new HashMap<>();
    private Map<String, Long> strangers = Map.of();
    private long strangersAtMs = Long.MIN_VALUE / 2;

    Sizes(Config config) {
        this.config = config;
    }

    void configure(Config to) {
        config = to;
    }

    boolean areKnown() {
        return !config.memory().pools().isEmpty();
    }

    private static String key(Model model) {
        return model.line();
    }

    // ---- what is learned

    /** Takes what an earlier llmsnap has learned. */
    void learned(Map<String, Map<String, Long>> before) {
        before.forEach((key, bytes) -> grow(measured.computeIfAbsent(key, each -> new HashMap<>()),
            bytes));
    }

    /** All that was learned, by command line. */
    Map<String, Map<String, Long>> learned() {
        return Map.copyOf(measured);
    }

    /** @return whether that is more than was known */
    boolean learn(Model model, Map<String, Long> seen) {
        Map<String, Long> bytes = new HashMap<>(seen);
        // One that ran out once is given a tenth more than it takes now.
        boolean guessed = guesses.remove(key(model)) != null;
        if (guessed) bytes.replaceAll((pool, its) -> its + its / GROWTH_PART);
        Map<String, Long> known = new HashMap<>(measured.getOrDefault(key(model), Map.of()));
        Map<String, Long> before = Map.copyOf(known);
        grow(known, bytes);
        measured.put(key(model), Map.copyOf(known));
        return !before.equals(known);
    }

    private static void grow(Map<String, Long> known, Map<String, Long> bytes) {
        bytes.forEach((pool, its) -> known.merge(pool, its, Math::max));
    }

    /** It ran out of memory: it needs more than it was taken for, and more than was free. */
    void ranOut(Model model, Map<String, Long> free) {
        Map<String, Long> more = new HashMap<>();
        of(model).forEach((pool, its) -> {
            long least = max(its, free.getOrDefault(pool, 0L));
            more.put(pool, min(least + least / GROWTH_PART, most(model, pool)));
        });
        guesses.put(key(model), more);
    }

    boolean isMeasured(Model model) {
        return source(model) == MemorySource.MEASURED;
    }

    /** Whether it is seen what a model holds. */
    boolean isMeasurable(Model model) {
        return areKnown() && !model.limits().needs().pools().isEmpty();
    }

    boolean isUnknown(Model model) {
        return areKnown() && source(model) == MemorySource.UNKNOWN;
    }

    void strangers(Map<String, Long> bytes, long nowMs) {
        strangers = Map.copyOf(bytes);
        strangersAtMs = nowMs;
    }

    // ---- what is known

    MemorySource source(Model model) {
        Needs needs = model.limits().needs();
        if (measured(model) != null) return MemorySource.MEASURED;
        if (!needs.declared().isEmpty()) return MemorySource.DECLARED;
        return needs.estimated().isEmpty() ? MemorySource.UNKNOWN : MemorySource.ESTIMATED;
    }

    /** The same for people. */
    MemorySource shownSource(Model model) {
        return guesses.containsKey(key(model)) ? MemorySource.GUESSED : source(model);
    }

    /** What a model takes once it is loaded, by pool. */
    Map<String, Long> of(Model model) {
        if (!areKnown()) return Map.of();
        Needs needs = model.limits().needs();
        Map<String, Long> bytes = new LinkedHashMap<>(needs.declared());
        switch (source(model)) {
            case MEASURED -> measured(model).forEach((pool, its) -> {
                // It has proven to fit: what is kept free is not held against it.
                boolean fits = its <= config.memory().pools().get(pool).bytes();
                bytes.put(pool, fits ? min(its, most(model, pool)) : its);
            });
            case ESTIMATED -> needs.estimated()
                .forEach((pool, its) -> bytes.put(pool, min(its, most(model, pool))));
            case UNKNOWN -> needs.pools().forEach(pool -> bytes.put(pool, most(model, pool)));
            case DECLARED, GUESSED -> { }
        }
        guesses.getOrDefault(key(model), Map.of())
            .forEach((pool, its) -> bytes.merge(pool, its, Math::max));
        return bytes;
    }

    /** The same for one that is to be loaded: what nobody has said may be less. */
    Map<String, Long> wanted(Model model) {
        Map<String, Long> bytes = new LinkedHashMap<>(of(model));
        // What somebody else has started is one of the strangers so far.
        if (model.isAttached()) bytes.replaceAll((pool, its) -> max(0, its - stranger(pool)));
        if (source(model) == MemorySource.DECLARED) return bytes;
        Map<String, Long> room = room(true);
        bytes.replaceAll((pool, its) -> {
            long pinned = room(pool) - most(model, pool);
            long left = room.getOrDefault(pool, its) - pinned;
            boolean most = its >= most(model, pool);
            return most ? max(0, min(its, left)) : its;
        });
        return bytes;
    }

    /**
     * What was measured, in the pools that it may use now, also of one that has moved to another;
     * null when that says nothing.
     */
    private Map<String, Long> measured(Model model) {
        Map<String, Long> all = measured.get(key(model));
        if (all == null) return null;
        List<String> may = model.limits().needs().pools();
        Map<String, Long> here = new HashMap<>(all);
        here.keySet().removeIf(name -> {
            Pool pool = config.memory().pools().get(name);
            boolean others = pool != null && !may.contains(name)
                && pool.devices().stream().anyMatch(device -> device.startsWith(GPU));
            return pool == null || others;
        });
        if (!here.isEmpty() || all.isEmpty()) return here;
        boolean moved = all.size() == 1 && may.size() == 1;
        return moved ? Map.of(may.getFirst(), all.values().iterator().next()) : null;
    }

    /** All of a pool that a model can have. */
    private long most(Model model, String pool) {
        long left = room(pool);
        for (Map<String, Long> its : pinnedBeside(model).values()) {
            left -= its.getOrDefault(pool, 0L);
        }
        return max(0, left);
    }

    private long room(String pool) {
        return config.memory().pools().get(pool).room();
    }

    /** What others take that are pinned, by model; of unknown ones nobody knows. */
    private Map<String, Map<String, Long>> pinnedBeside(Model model) {
        Map<String, Map<String, Long>> pinned = new LinkedHashMap<>();
        for (Model other : config.models().values()) {
            boolean counts = other.limits().needs().pinned() && !other.id().equals(model.id());
            if (counts && source(other) != MemorySource.UNKNOWN) pinned.put(other.id(), of(other));
        }
        return pinned;
    }

    /** Why a model never fits, for people, or null. */
    String lack(Model model) {
        return areKnown() ? config.memory().lack(of(model), pinnedBeside(model)) : null;
    }

    /** What there is of each pool for models. @param real less what strangers take */
    Map<String, Long> room(boolean real) {
        Map<String, Long> room = new HashMap<>();
        for (Pool pool : config.memory().pools().values()) {
            long others = real ? stranger(pool.name()) : 0;
            room.put(pool.name(), pool.room() - others);
        }
        return room;
    }

    private long stranger(String pool) {
        return strangers.getOrDefault(pool, 0L);
    }

    /** What an attached model holds is no stranger's from now on. */
    void attached(Model model) {
        Map<String, Long> others = new HashMap<>(strangers);
        of(model).forEach((pool, its) ->
            others.computeIfPresent(pool, (same, all) -> max(0, all - its)));
        strangers = others;
    }

    boolean hasStrangers() {
        return strangers.values().stream().anyMatch(bytes -> bytes > 0);
    }

    Map<String, Long> strangers() {
        return strangers;
    }

    /** When strangers were last looked at; long ago when they never were. */
    long strangersAtMs() {
        return strangersAtMs;
    }
}
