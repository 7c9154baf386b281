package llmsnap.config;

import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.UnaryOperator;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import llmsnap.text.Words;
import llmsnap.text.YamlNode.Mapping;
import llmsnap.text.YamlNode.Scalar;

/**
 * Puts environment variables into a file. They are data: put into scalars after the structure of
 * the file is known, so that no value can change it.
 *
 * @param variables the value of a variable, or null
 * @param used those that the file has named so far, with their values
 */
record Environment(UnaryOperator<String> variables, Problems problems, Map<String, String> used) {
    private static final Pattern SECRET =
        Pattern.compile("KEY|TOKEN|SECRET|PASS|AUTH", Pattern.CASE_INSENSITIVE);
    private static final Pattern USE = Pattern.compile("\\$\\{env\\.([^}]*)}");
    private static final Set<String> MODELS = Set.of("models", Discovery.KEY);
    private static final Set<String> COMMANDS = Set.of("cmd", "cmdStop");

    Mapping in(Mapping file) {
        return new ScalarTree(problems, this::in).in(file);
    }

    private Scalar in(Scalar scalar, List<String> path) {
        boolean command = path.size() == 3 && MODELS.contains(path.getFirst())
            && COMMANDS.contains(path.getLast());
        // What a comment in a command mentions need not be set.
        String text = command ? Words.withoutComments(scalar.text()) : scalar.text();
        if (text.contains("${env.")) {
            text = USE.matcher(text).replaceAll(match ->
                Matcher.quoteReplacement(value(match.group(1), scalar)));
        }
        return new Scalar(text, scalar.plain(), scalar.place());
    }

    private String value(String name, Scalar scalar) {
        String variable = "the environment variable " + name;
        String value = variables.apply(name);
        if (value == null) {
            problems.error(scalar.place(), variable + " is not set");
            return "";
        }
        if (value.chars().anyMatch(c -> c == '\n' || c == '\r' || c == 0)) {
            problems.error(scalar.place(), variable + " has a line break or NUL in it");
        }
        used.put(name, value);
        return value;
    }

    /** The variables whose values are part of one of the keys. */
    Set<String> of(Collection<String> keys) {
        Set<String> names = new TreeSet<>();
        used.forEach((name, value) -> {
            boolean inKey = !value.isEmpty() && keys.stream().anyMatch(key -> key.contains(value));
            if (inKey) names.add(name);
        });
        return names;
    }

    /** The text without the values of variables that sound secret, and of those. */
    String hidden(String text, Set<String> secrets) {
        String hidden = text;
        for (String name : used.keySet()) {
            boolean secret = secrets.contains(name) || SECRET.matcher(name).find();
            if (secret && !used.get(name).isEmpty()) hidden = hidden.replace(used.get(name), "***");
        }
        return hidden;
    }
}
