package llmsnap.models;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;

/** Who has to go so that a model's memory is free: a pure function. */
final class Victims {
    /**
     * One that holds memory.
     *
     * @param takes bytes by pool
     * @param lastUsedMs those used longest ago go first
     * @param mayGo it is not pinned, nor kept by its group
     * @param goesAnyway for somebody who waits longer: what comes after need not count on it
     */
    record Resident(String id, Map<String, Long> takes, long lastUsedMs, boolean mayGo,
            boolean goesAnyway) {
        long takes(String pool) {
            return takes.getOrDefault(pool, 0L);
        }
    }

    private Victims() {}

    /**
     * Chooses among {@code residents}: those used longest ago, until it fits; of these the cheapest
     * to keep that need not go after all stay, so that a large one does not take small ones along.
     *
     * @param need bytes by pool
     * @param room of each pool, for models
     * @param reserved of it, for those that wait longer
     * @return who goes, in the order of their last use; null when it never fits
     */
    static List<Resident> choose(Map<String, Long> need, Map<String, Long> room,
            Map<String, Long> reserved, List<Resident> residents) {
        Predicate<Set<Resident>> fits = gone -> need.keySet().stream().allMatch(pool -> {
            long now = need.get(pool);
            long later = now + reserved.getOrDefault(pool, 0L);
            for (Resident each : residents) {
                if (gone.contains(each)) continue;
                now += each.takes(pool);
                if (!each.goesAnyway) later += each.takes(pool);
            }
            return Math.max(now, later) <= room.getOrDefault(pool, 0L);
        });
        List<Resident> inOrder = residents.stream().filter(Resident::mayGo)
            .sorted(Comparator.comparingLong(Resident::lastUsedMs).thenComparing(Resident::id))
            .toList();
        Set<Resident> gone = new HashSet<>();
        for (Resident each : inOrder) {
            if (fits.test(gone)) break;
            gone.add(each);
        }
        if (!fits.test(gone)) return null;
        List<Resident> cheapest = new ArrayList<>(gone);
        cheapest.sort(Comparator.comparingLong((Resident each) -> cost(each, need))
            .thenComparing(Resident::id));
        for (Resident each : cheapest) {
            gone.remove(each);
            if (!fits.test(gone)) gone.add(each);
        }
        return inOrder.stream().filter(gone::contains).toList();
    }

    /** What keeping it takes away from the room that is wanted. */
    private static long cost(Resident resident, Map<String, Long> need) {
        return need.keySet().stream().mapToLong(resident::takes).sum();
    }
}
