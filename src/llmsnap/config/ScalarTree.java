package llmsnap.config;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import llmsnap.text.YamlNode;
import llmsnap.text.YamlNode.Entry;
import llmsnap.text.YamlNode.Mapping;
import llmsnap.text.YamlNode.Scalar;
import llmsnap.text.YamlNode.Seq;

/**
 * Makes a tree anew, scalar by scalar, keys included: so that there is no place that a replacement
 * does not reach.
 */
record ScalarTree(Problems problems, Making making) {
    /** Makes one scalar anew. */
    interface Making {
        /** @param path the keys that lead to it, "-" for a list; of a key to its mapping */
        Scalar made(Scalar scalar, List<String> path);
    }

    Mapping in(Mapping mapping) {
        return (Mapping) in(mapping, List.of());
    }

    private YamlNode in(YamlNode node, List<String> path) {
        return switch (node) {
            case Scalar scalar -> making.made(scalar, path);
            case Seq seq -> new Seq(
                seq.items().stream().map(item -> in(item, plus(path, "-"))).toList(), seq.place());
            case Mapping mapping -> {
                Map<String, Entry> entries = new LinkedHashMap<>();
                for (Entry entry : mapping.entries().values()) {
                    Scalar key = making.made(entry.key(), path);
                    YamlNode value = in(entry.value(), plus(path, key.text()));
                    if (entries.put(key.text(), new Entry(key, value)) == null) continue;
                    problems.error(key.place(), "the key \"" + key.text() + "\" is there twice");
                }
                yield new Mapping(entries, mapping.place());
            }
        };
    }

    private static List<String> plus(List<String> path, String key) {
        List<String> longer = new ArrayList<>(path);
        longer.add(key);
        return longer;
    }
}
