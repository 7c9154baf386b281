package llmsnap.models;

import static java.lang.Math.max;
import static java.lang.Math.min;

import java.util.ArrayList;
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

    private Config config;
    /** The largest that was measured, by command line and pool. */
    private final Map<String, Map<String, Long>> measured = new HashMap<>();
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

    /** The command line without its port: runs of the same one take the same. */
    private static String key(Model model) {
        List<String> words = new ArrayList<>(model.cmd());
        String port = String.valueOf(model.launch().port());
        words.replaceAll(word -> word.equals(port) ? "${PORT}" : word);
        return String.join(" ", words);
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
    boolean learn(Model model, Map<String, Long> bytes) {
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
            more.put(pool, min(least + least / GROWTH_PART, room(pool)));
        });
        learn(model, more);
    }

    boolean isMeasured(Model model) {
        return source(model) == MemorySource.MEASURED;
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
        if (measured.containsKey(key(model))) return MemorySource.MEASURED;
        if (!needs.declared().isEmpty()) return MemorySource.DECLARED;
        return needs.estimated().isEmpty() ? MemorySource.UNKNOWN : MemorySource.ESTIMATED;
    }

    /** What a model takes once it is loaded, by pool. */
    Map<String, Long> of(Model model) {
        if (!areKnown()) return Map.of();
        Needs needs = model.limits().needs();
        Map<String, Long> bytes = new LinkedHashMap<>(needs.declared());
        switch (source(model)) {
            case MEASURED -> bytes.putAll(here(needs, measured.get(key(model))));
            case ESTIMATED -> needs.estimated()
                .forEach((pool, its) -> bytes.put(pool, min(its, most(model, pool))));
            case UNKNOWN -> needs.pools().forEach(pool -> bytes.put(pool, most(model, pool)));
            case DECLARED -> { }
        }
        return bytes;
    }

    /** What was measured elsewhere, of the only pool that it may use now. */
    private static Map<String, Long> here(Needs needs, Map<String, Long> bytes) {
        boolean moved = needs.pools().size() == 1 && !bytes.containsKey(needs.pools().getFirst());
        if (!moved) return bytes;
        long sum = bytes.values().stream().mapToLong(Long::longValue).sum();
        return Map.of(needs.pools().getFirst(), sum);
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
            long others = real ? strangers.getOrDefault(pool.name(), 0L) : 0;
            room.put(pool.name(), pool.room() - others);
        }
        return room;
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
