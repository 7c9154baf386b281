package llmsnap.config;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
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
    private String port;       // null while ${PORT} is not known

    Expander(Macros macros, Problems problems) {
        this.macros = macros;
        this.problems = problems;
    }

    void setPort(int port) {
        this.port = String.valueOf(port);
    }

    /** What <code>${PORT}</code> is, 0 when it is not known. */
    int port() {
        return port == null ? 0 : Integer.parseInt(port);
    }

    boolean usesPort(String text) {
        return macros.expand(text, unknown -> { }).contains("${PORT}");
    }

    /** The text of a field, without blanks around it; {@code lenient} as below. */
    String field(Fields fields, String key, String otherwise, boolean lenient) {
        return text(fields.text(key, otherwise), fields.place(key), key, lenient).strip();
    }

    /** @param lenient an unknown macro is only a warning */
    String text(String text, Place place, String key, boolean lenient) {
        String expanded = macros.expand(text, unknown -> unknown(unknown, place, key, lenient));
        if (expanded.contains("${PORT}")) {
            if (port == null) {
                problems.error(place, key
                    + ": ${PORT} can be used only by a model whose cmd uses it");
            }
            expanded = expanded.replace("${PORT}", port == null ? "1" : port);
        }
        if (expanded.contains("${PID}") && !key.equals("cmdStop")) {
            problems.error(place, key + ": ${PID} is known only in cmdStop");
        }
        return expanded;
    }

    private void unknown(String sentence, Place place, String key, boolean lenient) {
        if (!lenient) {
            problems.error(place, key + ": " + sentence);
            return;
        }
        List<String> names = Macros.uses(sentence);
        String hint = names.isEmpty() ? "" : "; did you mean ${env." + names.getFirst() + "}?";
        problems.warn(place, key + ": " + sentence + ", it stays as it is" + hint);
    }

    /** The JSON of a node. A value that is exactly one macro keeps the macro's type. */
    Json json(YamlNode node, String key, boolean lenient) {
        return switch (node) {
            case Scalar scalar -> json(scalar, key, lenient);
            case Seq seq ->
                Json.of(seq.items().stream().map(item -> json(item, key, lenient)).toList());
            case Mapping mapping -> object(mapping, key, lenient);
        };
    }

    Json.Obj object(Mapping mapping, String key, boolean lenient) {
        Map<String, Json> entries = new LinkedHashMap<>();
        mapping.entries().forEach((name, entry) -> entries.put(
            text(name, entry.key().place(), key, lenient), json(entry.value(), key, lenient)));
        return new Json.Obj(entries);
    }

    private Json json(Scalar scalar, String key, boolean lenient) {
        String text = scalar.text();
        if (text.equals("${PORT}") && port != null) return new Json.Num(port);
        Json exactly = macros.exactly(text);
        if (exactly != null) return exactly;
        if (text.contains("${")) return new Json.Str(text(text, scalar.place(), key, lenient));
        if (scalar.plain() && NO_JSON.matcher(text).matches()) {
            problems.error(scalar.place(), key + ": JSON has no " + text);
        }
        return scalar.value();
    }

    /** The URL of a server, with its problem reported. */
    Address address(String url, Place place) {
        try {
            return Address.parse(url);
        } catch (IllegalArgumentException e) {
            problems.error(place, "proxy: " + e.getMessage());
            return Address.parse("http://localhost:1");
        }
    }
}
