package llmsnap.config;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import llmsnap.text.Json;
import llmsnap.text.Place;
import llmsnap.text.YamlNode;
import llmsnap.text.YamlNode.Entry;
import llmsnap.text.YamlNode.Mapping;
import llmsnap.text.YamlNode.Scalar;
import llmsnap.text.YamlNode.Seq;

/**
 * Replaces macros in all values of a mapping before anybody reads their type, so that there is no
 * key in which they stay as they are. <code>${PORT}</code> and <code>${PID}</code> do stay.
 *
 * @param lenient keys where an unknown macro is only a warning: it may be meant for others
 */
record MacroTree(Macros macros, Problems problems, Set<String> lenient) {
    /** Under these keys stands JSON: a value that is exactly one macro has the macro's type. */
    private static final Set<String> JSON = Set.of("metadata", "filters");

    /** One mapping whose keys are those that messages name. */
    Mapping in(Mapping mapping) {
        Map<String, Entry> entries = new LinkedHashMap<>();
        mapping.entries().forEach((key, entry) -> {
            YamlNode value = entry.value();
            // Definitions stay; models have macros of their own.
            boolean left = key.equals("macros") || key.equals("models") && value instanceof Mapping;
            if (key.equals("peers") && value instanceof Mapping peers) value = each(peers);
            else if (!left) value = in(value, key, JSON.contains(key));
            entries.put(key, new Entry(entry.key(), value));
        });
        return new Mapping(entries, mapping.place());
    }

    private Mapping each(Mapping mappings) {
        Map<String, Entry> entries = new LinkedHashMap<>();
        mappings.entries().forEach((key, entry) -> {
            YamlNode value = entry.value() instanceof Mapping inner ? in(inner) : entry.value();
            entries.put(key, new Entry(entry.key(), value));
        });
        return new Mapping(entries, mappings.place());
    }

    private YamlNode in(YamlNode node, String key, boolean json) {
        return switch (node) {
            case Scalar scalar -> in(scalar, key, json);
            case Seq seq -> new Seq(
                seq.items().stream().map(item -> in(item, key, json)).toList(), seq.place());
            case Mapping mapping -> {
                Map<String, Entry> entries = new LinkedHashMap<>();
                mapping.entries().values().forEach(entry -> {
                    Scalar name = in(entry.key(), key, json);
                    String inner = key.equals("filters") ? name.text() : key;
                    entries.put(name.text(), new Entry(name, in(entry.value(), inner, json)));
                });
                yield new Mapping(entries, mapping.place());
            }
        };
    }

    private Scalar in(Scalar scalar, String key, boolean json) {
        String text = scalar.text();
        if (!text.contains("${")) return scalar;
        Json exactly = macros.exactly(text);
        boolean typed = exactly != null && !(exactly instanceof Json.Str);
        boolean plain = typed || scalar.plain() && !json;
        String expanded = exactly != null ? Macros.text(exactly)
            : macros.expand(text, (name, why) -> unknown(name, why, scalar.place(), key));
        return new Scalar(expanded, plain, scalar.place());
    }

    private void unknown(String name, String why, Place place, String key) {
        if (lenient.contains(key)) {
            problems.warn(place, key + ": " + why + ", it stays as it is; did you mean ${env."
                + name + "}?");
        } else {
            problems.error(place, key + ": " + why);
        }
    }
}
