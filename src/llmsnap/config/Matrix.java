package llmsnap.config;

import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * llama-swap's matrix: which models may be loaded together, as named expressions. They are never
 * written out: what they allow is worked out for the models asked about, of which there are few.
 *
 * @param sets in file order
 * @param costs of a model's going, by id; 1 where there is none
 */
public record Matrix(Map<String, Node> sets, Map<String, Integer> costs) {
    /** Alternatives of models that may be loaded together. */
    public sealed interface Node {
        record Model(String id) implements Node {}

        /** One alternative of each. */
        record All(List<Node> nodes) implements Node {}

        record Any(List<Node> nodes) implements Node {}

        /** What another set says. */
        record Ref(String set) implements Node {}
    }

    /** Works the sets out, each once, for {@code asked} alone. */
    private record Alternatives(Map<String, Node> sets, Set<String> asked,
            Map<String, Set<Set<String>>> known) {
        Set<Set<String>> of(String set) {
            Set<Set<String>> before = known.get(set);
            if (before != null) return before;
            Set<Set<String>> alternatives = of(sets.get(set));
            known.put(set, alternatives);
            return alternatives;
        }

        private Set<Set<String>> of(Node node) {
            return switch (node) {
                case Node.Model model ->
                    Set.of(asked.contains(model.id) ? Set.of(model.id) : Set.of());
                case Node.Ref ref -> of(ref.set);
                case Node.Any any -> {
                    Set<Set<String>> either = new LinkedHashSet<>();
                    for (Node each : any.nodes) either.addAll(of(each));
                    yield either;
                }
                case Node.All all -> {
                    Set<Set<String>> products = Set.of(Set.of());
                    for (Node each : all.nodes) products = product(products, of(each));
                    yield products;
                }
            };
        }

        private static Set<Set<String>> product(Set<Set<String>> left, Set<Set<String>> right) {
            Set<Set<String>> products = new LinkedHashSet<>();
            for (Set<String> one : left) {
                for (Set<String> other : right) {
                    Set<String> both = new HashSet<>(one);
                    both.addAll(other);
                    products.add(both);
                }
            }
            return products;
        }
    }

    /** Those of {@code loaded} that cannot stay beside {@code model}, so that least is lost. */
    public Set<String> outsiders(String model, Collection<String> loaded) {
        Set<String> asked = new LinkedHashSet<>(loaded);
        asked.add(model);
        Set<String> best = new LinkedHashSet<>(loaded);
        int least = Integer.MAX_VALUE;
        for (Set<String> alternative : alternatives(asked)) {
            if (!alternative.contains(model)) continue;
            Set<String> lost = new LinkedHashSet<>(loaded);
            lost.removeAll(alternative);
            int cost = 0;
            for (String id : lost) cost += costs.getOrDefault(id, 1);
            if (cost >= least) continue;
            least = cost;
            best = lost;
        }
        return best;
    }

    /** Whether two models may be loaded at the same time. */
    public boolean allows(String model, String other) {
        Set<String> both = Set.of(model, other);
        return alternatives(both).stream().anyMatch(each -> each.containsAll(both));
    }

    private List<Set<String>> alternatives(Set<String> asked) {
        var known = new Alternatives(sets, asked, new HashMap<>());
        List<Set<String>> all = new ArrayList<>();
        for (String set : sets.keySet()) all.addAll(known.of(set));
        return all;
    }
}
