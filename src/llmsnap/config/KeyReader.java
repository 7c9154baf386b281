package llmsnap.config;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;
import llmsnap.config.Config.Key;
import llmsnap.text.Place;
import llmsnap.text.YamlNode;
import llmsnap.text.YamlNode.Mapping;
import llmsnap.text.YamlNode.Scalar;
import llmsnap.text.YamlNode.Seq;

/** Reads {@code apiKeys}: texts, or mappings that say what a key may. */
final class KeyReader {
    static final String KEYS = "apiKeys";

    private final Problems problems;
    private final Set<String> texts = new HashSet<>();

    KeyReader(Problems problems) {
        this.problems = problems;
    }

    /** A key, and its patterns as they were written, each with its place. */
    record Given(Key key, List<Scalar> models) {}

    List<Given> read(Fields top) {
        List<Given> keys = new ArrayList<>();
        Set<String> names = new HashSet<>();
        YamlNode all = top.mixed(KEYS);
        if (!(all instanceof Seq list)) {
            top.scalars(KEYS);      // says what is wrong
            return keys;
        }
        for (YamlNode each : list.items()) {
            if (each instanceof Mapping mapping) {
                keys.add(key(top.item(KEYS, mapping), names));
            } else if (each instanceof Scalar scalar) {
                check(scalar.isNull() ? "" : scalar.text(), scalar.place());
                keys.add(new Given(new Key(scalar.text(), "", List.of(), true, 0), List.of()));
            } else {
                problems.error(each.place(),
                    "an API key is a text or a mapping (key: ...), this is " + Fields.kind(each));
            }
        }
        return List.copyOf(keys);
    }

    private void check(String key, Place place) {
        if (!texts.add(key)) problems.error(place, "an API key is there twice");
        boolean odd = key.chars().anyMatch(c -> c <= ' ' || c == 0x7f);
        if (odd) problems.error(place, "an API key " + Fields.ODD);
        if (key.isEmpty()) problems.error(place, "an API key is empty");
    }

    private Given key(Fields fields, Set<String> names) {
        String key = fields.text("key", "");
        check(key, fields.place("key"));
        String name = fields.text("name", "").strip();
        if (!name.isEmpty() && !names.add(name)) {
            fields.error("name", "two API keys have the name \"" + name + "\"");
        }
        List<Scalar> models = fields.scalars("models");
        if (fields.has("models") && models.isEmpty()) {
            fields.error("models", "a key with no models may use nothing; without models it may use"
                + " all");
        }
        List<Pattern> patterns = models.stream().map(each -> pattern(each.text())).toList();
        var read = new Key(key, name, patterns, fields.flag("control", true),
            fields.whole("priority", 0, Integer.MIN_VALUE));
        fields.close();
        return new Given(read, models);
    }

    private static Pattern pattern(String text) {
        return Pattern.compile(Pattern.quote(text.strip()).replace("*", "\\E.*\\Q"));
    }

    /** Warns of what a key may use and nobody has. */
    void check(List<Given> keys, Config config) {
        for (Given each : keys) {
            for (Scalar scalar : each.models) {
                Pattern pattern = pattern(scalar.text());
                boolean elsewhere = config.peers().byId().values().stream()
                    .anyMatch(peer -> peer.reach().refreshSeconds() > 0);
                boolean known = elsewhere || isKnown(pattern, config);
                if (known) continue;
                problems.warn(scalar.place(), "apiKeys: no model is called \"" + scalar.text()
                    + "\"");
            }
        }
    }

    private static boolean isKnown(Pattern pattern, Config config) {
        Set<String> ids = new HashSet<>(config.models().keySet());
        ids.addAll(config.names().selectors().keySet());
        config.peers().byId().values().forEach(peer ->
            peer.models().forEach(name -> ids.addAll(List.of(name, peer.id() + "/" + name))));
        return ids.stream().anyMatch(id -> pattern.matcher(id).matches());
    }
}
