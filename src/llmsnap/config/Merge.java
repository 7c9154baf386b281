package llmsnap.config;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import llmsnap.text.Place;
import llmsnap.text.YamlNode.Scalar;
import llmsnap.text.YamlNode;
import llmsnap.text.YamlNode.Entry;
import llmsnap.text.YamlNode.Mapping;
import llmsnap.text.YamlNode.Seq;

/**
 * Puts several files together: mappings by key, lists one behind the other; of two single values
 * the later one wins, and is warned of. A model is written in one place.
 */
record Merge(Problems problems) {
    private static final String MODELS = "models";

    Mapping of(Mapping first, Mapping second) {
        return merged(first, second, "");
    }

    private Mapping merged(Mapping first, Mapping second, String path) {
        Map<String, Entry> entries = new LinkedHashMap<>(first.entries());
        second.entries().forEach((key, entry) -> {
            Entry before = entries.get(key);
            YamlNode value = before == null ? entry.value()
                : merged(before, entry, path.isEmpty() ? key : path + "." + key);
            entries.put(key, new Entry(entry.key(), value));
        });
        return new Mapping(entries, first.entries().isEmpty() ? second.place() : first.place());
    }

    private YamlNode merged(Entry before, Entry after, String path) {
        // What is left empty takes nothing away.
        if (after.value() instanceof Scalar none && none.isNull()) return before.value();
        if (before.value() instanceof Scalar none && none.isNull()) return after.value();
        String first = shown(before.key().place());
        boolean model = path.startsWith(MODELS + ".");
        if (model) {
            problems.error(after.key().place(), "the model \"" + after.key().text()
                + "\" is there twice; it is also at " + first);
            return after.value();
        }
        if (before.value() instanceof Mapping one && after.value() instanceof Mapping other) {
            return merged(one, other, path);
        }
        if (before.value() instanceof Seq one && after.value() instanceof Seq other) {
            List<YamlNode> items = new ArrayList<>(one.items());
            items.addAll(other.items());
            return new Seq(items, one.place());
        }
        problems.warn(after.key().place(), path + " is also at " + first + "; this one holds");
        return after.value();
    }

    private static String shown(Place place) {
        return place.file() + ":" + place.line() + ":" + place.column();
    }
}
