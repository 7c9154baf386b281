package llmsnap.config;

import java.util.List;
import java.util.Set;
import llmsnap.text.Json;
import llmsnap.text.Place;
import llmsnap.text.YamlNode.Mapping;
import llmsnap.text.YamlNode.Scalar;

/**
 * Replaces macros in all values of a mapping before anybody reads their type, so that there is no
 * key in which they stay as they are.
 *
 * @param lenient keys where an unknown macro is only a warning: it may be meant for others
 */
record MacroTree(Macros macros, Problems problems, Set<String> lenient) {
    /** Definitions stay; models have macros of their own. */
    private static final Set<String> LEFT = Set.of("macros", "models", Discovery.KEY);
    /** Under these keys stands JSON: a value that is exactly one macro has the macro's type. */
    private static final Set<String> JSON = Set.of("metadata", "filters");
    /** What is put together once more when a model has to move to another port. */
    static final Set<String> COMMANDS = Set.of("cmd", "cmdStop", "env");

    /** All but <code>${PORT}</code> and <code>${PID}</code>, see {@link #known}. */
    Mapping in(Mapping mapping) {
        return new ScalarTree(problems, this::in).in(mapping);
    }

    private static boolean isLeft(Scalar scalar, List<String> path) {
        return path.isEmpty() || LEFT.contains(path.getFirst()) || !scalar.text().contains("${");
    }

    /** The keys inside one model or peer. */
    private static List<String> inside(List<String> path) {
        boolean peer = path.getFirst().equals("peers") && path.size() > 2;
        return peer ? path.subList(2, path.size()) : path;
    }

    /** The key that messages name. */
    private static String key(List<String> path) {
        List<String> inside = inside(path);
        boolean filter = inside.getFirst().equals("filters") && inside.size() > 1;
        return inside.get(filter ? 1 : 0);
    }

    private Scalar in(Scalar scalar, List<String> path) {
        if (isLeft(scalar, path)) return scalar;
        Json exactly = macros.exactly(scalar.text());
        boolean json = JSON.contains(inside(path).getFirst());
        boolean typed = exactly != null && !(exactly instanceof Json.Str);
        String expanded = exactly != null ? Macros.text(exactly)
            : macros.expand(scalar.text(),
                (name, why) -> unknown(name, why, scalar.place(), key(path)));
        return new Scalar(expanded, typed || scalar.plain() && !json, scalar.place());
    }

    private void unknown(String name, String why, Place place, String key) {
        if (lenient.contains(key)) {
            problems.warn(place, key + ": " + why + ", it stays as it is; did you mean ${env."
                + name + "}?");
        } else {
            problems.error(place, key + ": " + why);
        }
    }

    /** What the others have left, once it is known. @param port 0 when there is none */
    static Mapping known(Mapping mapping, int port, Problems problems) {
        String number = String.valueOf(Math.max(port, 1));
        return new ScalarTree(problems, (scalar, path) -> {
            String text = scalar.text();
            if (isLeft(scalar, path)) return scalar;
            String key = key(path);
            boolean command = COMMANDS.contains(key);
            boolean exactly = text.equals("${PORT}") && port > 0 && !command;
            if (exactly) return new Scalar(number, true, scalar.place());
            if (text.contains("${PORT}") && port == 0) {
                problems.error(scalar.place(), key
                    + ": ${PORT} can be used only by a model whose cmd uses it");
            }
            if (text.contains("${PID}") && !key.equals("cmdStop")) {
                problems.error(scalar.place(), key + ": ${PID} is known only in cmdStop");
            }
            if (command) return scalar;
            return new Scalar(text.replace("${PORT}", number), scalar.plain(), scalar.place());
        }).in(mapping);
    }
}
