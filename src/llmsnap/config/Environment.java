package llmsnap.config;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.function.UnaryOperator;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import llmsnap.text.Words;
import llmsnap.text.YamlNode;
import llmsnap.text.YamlNode.Entry;
import llmsnap.text.YamlNode.Mapping;
import llmsnap.text.YamlNode.Scalar;
import llmsnap.text.YamlNode.Seq;

/**
 * Puts environment variables into a file. They are data: put into scalars after the structure of
 * the file is known, so that no value can change it.
 *
 * @param variables the value of a variable, or null
 */
record Environment(UnaryOperator<String> variables, Problems problems) {
    private static final Pattern USE = Pattern.compile("\\$\\{env\\.([^}]*)}");
    private static final Set<String> COMMANDS = Set.of("cmd", "cmdStop");

    /** Where in a file a mapping stands. */
    private enum Level { TOP, MODELS, MODEL, OTHER }

    Mapping in(Mapping file) {
        return (Mapping) in(file, Level.TOP);
    }

    private YamlNode in(YamlNode node, Level level) {
        return switch (node) {
            case Scalar scalar -> in(scalar);
            case Seq seq -> new Seq(
                seq.items().stream().map(item -> in(item, Level.OTHER)).toList(), seq.place());
            case Mapping mapping -> {
                Map<String, Entry> entries = new LinkedHashMap<>();
                mapping.entries().values().forEach(entry -> add(entry, level, entries));
                yield new Mapping(entries, mapping.place());
            }
        };
    }

    private void add(Entry entry, Level level, Map<String, Entry> entries) {
        Scalar key = in(entry.key());
        YamlNode value = entry.value();
        boolean models = level == Level.TOP && key.text().equals("models");
        Level inside = models ? Level.MODELS : Level.OTHER;
        if (level == Level.MODELS) inside = Level.MODEL;
        boolean command = level == Level.MODEL && COMMANDS.contains(key.text());
        if (command && value instanceof Scalar scalar) {
            // What a comment in a command mentions need not be set.
            String text = Words.withoutComments(scalar.text());
            value = new Scalar(text, scalar.plain(), scalar.place());
        }
        if (entries.put(key.text(), new Entry(key, in(value, inside))) != null) {
            problems.error(key.place(), "the key \"" + key.text() + "\" is there twice");
        }
    }

    private Scalar in(Scalar scalar) {
        if (!scalar.text().contains("${env.")) return scalar;
        String text = USE.matcher(scalar.text()).replaceAll(match -> {
            String variable = "the environment variable " + match.group(1);
            String value = variables.apply(match.group(1));
            if (value == null) {
                problems.error(scalar.place(), variable + " is not set");
                return "";
            }
            if (value.chars().anyMatch(c -> c == '\n' || c == '\r' || c == 0)) {
                problems.error(scalar.place(), variable + " has a line break or NUL in it");
            }
            return Matcher.quoteReplacement(value);
        });
        return new Scalar(text, scalar.plain(), scalar.place());
    }
}
