package llmsnap.config;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import llmsnap.config.Config.Address;
import llmsnap.text.Json;
import llmsnap.text.Place;
import llmsnap.text.YamlNode;
import llmsnap.text.YamlNode.Mapping;
import llmsnap.text.YamlNode.Scalar;
import llmsnap.text.YamlNode.Seq;

/** Replaces the macros of one model (or of the whole file) and reports what cannot be replaced. */
final class Expander {
    private static final Pattern NO_JSON =
        Pattern.compile("[-+]?\\.(inf|Inf|INF)|\\.(nan|NaN|NAN)");

    private final Macros macros;
    private final Problems problems;
    private final Set<String> lenient;
    private int port;       // 0 while ${PORT} is not known

    /** @param lenient keys where an unknown macro is only a warning */
    Expander(Macros macros, Problems problems, Set<String> lenient) {
        this.macros = macros;
        this.problems = problems;
        this.lenient = lenient;
    }

    void setPort(int port) {
        this.port = port;
    }

    /** What <code>${PORT}</code> is, 0 when it is not known. */
    int port() {
        return port;
    }

    boolean usesPort(String text) {
        return macros.expand(text, unknown -> { }).contains("${PORT}");
    }

    /** The text of a field, without blanks around it. */
    String field(Fields fields, String key, String otherwise) {
        return text(fields.text(key, otherwise), fields.place(key), key).strip();
    }

    String text(String text, Place place, String key) {
        String expanded = macros.expand(text, unknown -> unknown(unknown, place, key));
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

    private void unknown(String sentence, Place place, String key) {
        if (!lenient.contains(key)) {
            problems.error(place, key + ": " + sentence);
            return;
        }
        int name = sentence.indexOf("${") + 2;
        String hint = name < 2 ? "" : "; did you mean ${env." + sentence.substring(name) + "?";
        problems.warn(place, key + ": " + sentence + ", it stays as it is" + hint);
    }

    /** The JSON of a node. A value that is exactly one macro keeps the macro's type. */
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
        Json exactly = macros.exactly(text);
        if (exactly != null) return exactly;
        if (text.contains("${")) return new Json.Str(text(text, scalar.place(), key));
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
