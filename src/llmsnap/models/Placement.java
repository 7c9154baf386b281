package llmsnap.models;

import static java.util.stream.Collectors.toSet;
import static llmsnap.models.ModelState.ASLEEP;

import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import llmsnap.config.Config;
import llmsnap.config.Config.Group;
import llmsnap.config.Matrix;
import llmsnap.models.Victims.Resident;
import llmsnap.text.Size;

/**
 * Who can be loaded beside whom, and who has to go for whom: by groups or a matrix, and by memory.
 * The scheduler asks before it loads; nothing is remembered here but what models take.
 */
final class Placement {
    private static final long LEAVING_MS = -1;
    private static final long MINUTE_SECONDS = 60;
    private static final ModelStatus.Server NO_MEMORY = new ModelStatus.Server(0, Map.of(),
        MemorySource.UNKNOWN, Map.of(), Kept.NOTHING);

    /**
     * What loading a model takes now.
     *
     * @param mustGo who has to go first
     * @param behind those that wait longer and hold it back
     * @param lack why it cannot be, whoever goes, for people; or null
     * @param forStrangers without them fewer had to go, or it could be
     */
    record Choice(Collection<Slot> mustGo, List<Slot> behind, String lack, boolean forStrangers) {
        static final Choice NOBODY = new Choice(List.of(), List.of(), null, false);
    }

    private Config config;
    final Sizes sizes;

    Placement(Config config) {
        this.config = config;
        this.sizes = new Sizes(config);
    }

    void configure(Config to) {
        config = to;
        sizes.configure(to);
    }

    /** Whether a loaded model does not tolerate another beside it, whichever came first. */
    boolean excludes(Slot slot, Slot other) {
        boolean byGroups = config.groups().matrix() == null;
        return byGroups && config.evicts(slot.model.id(), other.model.id());
    }

    /** @param ahead those that wait longer, first come first, and what was chosen for them */
    Choice choose(Slot slot, Collection<Slot> slots, Map<Slot, Choice> ahead) {
        Matrix matrix = config.groups().matrix();
        List<Slot> behind = ahead.keySet().stream().filter(first -> matrix == null
            ? excludes(first, slot) || excludes(slot, first)
            : !matrix.allows(first.model.id(), slot.model.id())).toList();
        Set<Slot> mustGo = new LinkedHashSet<>();
        for (Slot other : slots) {
            boolean excluded = excludes(slot, other) || slot.ranOut && isBeside(slot, other);
            if (other != slot && other.state.holdsMemory() && excluded) mustGo.add(other);
        }
        if (matrix != null) mustGo.addAll(outsiders(matrix, slot, slots));
        if (!sizes.areKnown()) return new Choice(mustGo, behind, null, false);
        return byMemory(slot, slots, ahead, new Choice(mustGo, behind, null, false));
    }

    private static List<Slot> outsiders(Matrix matrix, Slot slot, Collection<Slot> slots) {
        List<Slot> loaded = slots.stream()
            .filter(other -> other != slot && other.state.holdsMemory()).toList();
        Set<String> gone = matrix.outsiders(slot.model.id(),
            loaded.stream().map(each -> each.model.id()).toList());
        return loaded.stream().filter(each -> gone.contains(each.model.id())).toList();
    }

    /** Those loaded in pools that it needs, too, and that are not pinned. */
    boolean isBeside(Slot slot, Slot other) {
        if (other == slot || holds(other).isEmpty() || !mayGo(slot, other)) return false;
        Set<String> needed = sizes.of(slot.model).keySet();
        return holds(other).keySet().stream().anyMatch(needed::contains);
    }

    private boolean mayGo(Slot slot, Slot other) {
        boolean known = config.models().containsKey(other.model.id())
            && config.models().containsKey(slot.model.id());
        if (!known) return true;
        Group its = config.group(other.model.id());
        boolean kept = its.persistent() && its != config.group(slot.model.id());
        return !kept && !other.model.limits().needs().pinned();
    }

    /** Why a model can never be loaded, for people, or null. */
    String never(Slot slot) {
        String lack = sizes.lack(slot.model);
        return lack == null ? null : slot.the() + " " + lack;
    }

    /** Learns that a model ran out of memory. @return whether others can make more room */
    boolean ranOut(Slot slot, Collection<Slot> slots) {
        if (slots.stream().noneMatch(other -> isBeside(slot, other))) return false;
        Map<String, Long> free = sizes.room(true);
        for (Slot other : slots) {
            if (other == slot) continue;
            holds(other).forEach((pool, its) -> free.merge(pool, -its, Long::sum));
        }
        sizes.ranOut(slot.model, free);
        return true;
    }

    // ---- for people

    ModelStatus.Server server(Slot slot) {
        // Asked for each model whenever one changes.
        if (!sizes.areKnown()) return NO_MEMORY;
        Map<String, Long> holds = new HashMap<>(holds(slot));
        if (slot.state.holdsMemory()) holds.putAll(slot.heldBytes);
        holds.keySet().retainAll(config.memory().pools().keySet());     // a reload may end one
        return new ModelStatus.Server(0, sizes.of(slot.model), sizes.shownSource(slot.model),
            holds,
            Kept.NOTHING);
    }

    /** What each pool has, and who holds it. */
    List<PoolStatus> pools(Collection<Slot> slots) {
        return config.memory().pools().values().stream().map(pool -> {
            Map<String, Long> models = new LinkedHashMap<>();
            for (Slot slot : slots) {
                long its = server(slot).holds().getOrDefault(pool.name(), 0L);
                if (its > 0) models.put(slot.model.id(), its);
            }
            return new PoolStatus(pool, sizes.strangers().getOrDefault(pool.name(), 0L), models);
        }).toList();
    }

    /** Why others go for it. */
    String makesRoom(Slot slot) {
        String why = "to make room for " + slot.model.id();
        Map<String, Long> need = sizes.of(slot.model);
        if (need.isEmpty()) return why;
        boolean one = need.size() == 1;
        return why + ", which needs " + (one ? Size.shown(need.values().iterator().next())
            : config.memory().shown(need));
    }

    /** What one that goes holds, and when it was used; "" when memory decides nothing. */
    String describe(Slot slot, long nowMs) {
        Map<String, Long> holds = server(slot).holds();
        if (holds.isEmpty()) return "";
        long seconds = (nowMs - slot.idleSinceMs) / 1000;
        String ago = seconds < MINUTE_SECONDS ? seconds + " s" : seconds / MINUTE_SECONDS + " min";
        return config.memory().shown(holds) + ", last used " + ago + " ago";
    }

    // ---- sums

    /** What a model holds now, in bytes by pool. */
    Map<String, Long> holds(Slot slot) {
        if (slot.is(ASLEEP)) return slot.asleepBytes;
        return slot.state.holdsMemory() ? sizes.of(slot.model) : Map.of();
    }

    /** Goes on from who has to go by groups. */
    private Choice byMemory(Slot slot, Collection<Slot> slots, Map<Slot, Choice> ahead,
            Choice groups) {
        Set<Slot> goneForAhead = ahead.values().stream().flatMap(each -> each.mustGo.stream())
            .collect(toSet());
        Map<String, Long> reserved = new HashMap<>();
        for (Slot first : ahead.keySet()) {
            boolean stays = first.state.isServing() && !goneForAhead.contains(first);
            // One that waits behind another has its turn later.
            if (stays || !ahead.get(first).behind.isEmpty()) continue;
            sizes.of(first.model).forEach((pool, its) -> reserved.merge(pool, its, Long::sum));
        }
        Map<String, Slot> byId = new HashMap<>();
        List<Resident> residents = new ArrayList<>();
        for (Slot other : slots) {
            Map<String, Long> holds = holds(other);
            if (other == slot || groups.mustGo.contains(other) || holds.isEmpty()) continue;
            byId.put(other.model.id(), other);
            boolean leaving = other.state.isLeaving();
            residents.add(new Resident(other.model.id(), holds,
                leaving ? LEAVING_MS : other.lastUsedMs(), leaving || mayGo(slot, other),
                leaving || goneForAhead.contains(other)));
        }
        Map<String, Long> need = sizes.wanted(slot.model);
        List<Resident> gone = Victims.choose(need, sizes.room(true), reserved, residents);
        boolean strangers = false;
        if (sizes.hasStrangers()) {
            List<Resident> alone = Victims.choose(need, sizes.room(false), reserved, residents);
            strangers = alone != null && !alone.equals(gone);
        }
        if (gone == null) {
            boolean waits = Victims.choose(need, sizes.room(true), Map.of(), residents) != null;
            if (waits) return new Choice(groups.mustGo, List.copyOf(ahead.keySet()), null, false);
            // What is kept loaded may turn out to be smaller than nobody knows.
            List<Slot> unknown = slots.stream()
                .filter(other -> other != slot && sizes.isUnknown(other.model)
                    && (other.unmeasured || other.state.isLoading())).toList();
            if (!unknown.isEmpty()) return new Choice(groups.mustGo, unknown, null, false);
            return new Choice(groups.mustGo, groups.behind, lack(slot, slots, strangers),
                strangers);
        }
        Set<Slot> all = new LinkedHashSet<>(groups.mustGo);
        gone.forEach(each -> all.add(byId.get(each.id())));
        return new Choice(all, groups.behind, null, strangers);
    }

    private String lack(Slot slot, Collection<Slot> slots, boolean strangers) {
        Map<String, Long> need = sizes.of(slot.model);
        String what = slot.the() + " needs " + config.memory().shown(need);
        if (strangers) {
            return what + "; other programs hold " + config.memory().shown(sizes.strangers())
                + "; " + config.memory().left(need);
        }
        List<String> kept = slots.stream()
            .filter(other -> other != slot && !mayGo(slot, other) && !holds(other).isEmpty())
            .map(other -> other.model.id() + " holds "
                + config.memory().shown(holds(other)) + " and is kept loaded").toList();
        String others = kept.isEmpty() ? "" : ", of which " + String.join(", ", kept);
        return what + others + "; " + config.memory().left(need);
    }
}
