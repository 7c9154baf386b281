package llmsnap.text;

import java.util.List;
import java.util.Map;

/** A node of a YAML tree. Aliases share the node of their anchor. */
public sealed interface YamlNode {
    Place place();

    /** {@code plain} is false for quoted and block scalars, which are always text. */
    record Scalar(String text, boolean plain, Place place) implements YamlNode {
        /** The value by the core schema: null, bool, number (Str for .inf and .nan) or text. */
        public Json value() {
            return plain ? YamlTypes.resolve(text) : new Json.Str(text);
        }

        /** Whether nothing is given: an empty value, null or ~. */
        public boolean isNull() {
            return value() == Json.NULL;
        }
    }

    record Seq(List<YamlNode> items, Place place) implements YamlNode {}

    record Entry(Scalar key, YamlNode value) {}

    /** Entries by the text of their keys, in file order, merge keys resolved. */
    record Mapping(Map<String, Entry> entries, Place place) implements YamlNode {}
}
