package llmsnap.config;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.regex.Pattern;
import llmsnap.config.Config.Address;
import llmsnap.text.Json;
import llmsnap.text.Place;
import llmsnap.text.YamlNode;
import llmsnap.text.YamlNode.Mapping;
import llmsnap.text.YamlNode.Scalar;
import llmsnap.text.YamlNode.Seq;

/** Replaces what macros leave: <code>${PORT}</code>, and reports <code>${PID}</code>. */
final class Expander {
    private static final Pattern NO_JSON =
        Pattern.compile("[-+]?\\.(inf|Inf|INF)|\\.(nan|NaN|NAN)");

    private final Problems problems;
    private int port;       // 0 while ${PORT} is not known

    Expander(Problems problems) {
        this.problems = problems;
    }

    void setPort(int port) {
        this.port = port;
    }

    /** What <code>${PORT}</code> is, 0 when it is not known. */
    int port() {
        return port;
    }

    /** The text of a field, without blanks around it. */
    String field(Fields fields, String key, String otherwise) {
        return text(fields.text(key, otherwise), fields.place(key), key).strip();
    }

    String text(String text, Place place, String key) {
        String expanded = text;
        if (expanded.contains("${PORT}")) {
            if (port == 0) {
                problems.error(place, key
                    + ": ${PORT} can be used only by a model whose cmd uses it");
            }
            expanded = expanded.replace("${PORT}", String.valueOf(Math.max(port, 1)));
        }
        if (expanded.contains("${PID}") && !key.equals("cmdStop")) {
            problems.error(place, key + ": ${PID} is known only in cmdStop");
        }
        return expanded;
    }

    /** The JSON of a node. */
    Json json(YamlNode node, String key) {
        return switch (node) {
            case Scalar scalar -> json(scalar, key);
            case Seq seq -> Json.of(seq.items().stream().map(item -> json(item, key)).toList());
            case Mapping mapping -> object(mapping, key);
        };
    }

    Json.Obj object(Mapping mapping, String key) {
        Map<String, Json> entries = new LinkedHashMap<>();
        mapping.entries().forEach((name, entry) -> entries.put(
            text(name, entry.key().place(), key), json(entry.value(), key)));
        return new Json.Obj(entries);
    }

    private Json json(Scalar scalar, String key) {
        String text = scalar.text();
        if (text.equals("${PORT}") && port > 0) return Json.of(port);
        if (text.contains("${P")) return new Json.Str(text(text, scalar.place(), key));
        if (scalar.plain() && NO_JSON.matcher(text).matches()) {
            problems.error(scalar.place(), key + ": JSON has no " + text);
        }
        return scalar.value();
    }

    /** The URL of a server, with its problem reported. */
    Address proxy(Fields fields, String otherwise) {
        try {
            return Address.parse(field(fields, "proxy", otherwise));
        } catch (IllegalArgumentException e) {
            fields.error("proxy", "proxy: " + e.getMessage());
            return Address.parse("http://localhost:1");
        }
    }
}
