package llmsnap.config;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import llmsnap.text.Yaml.Place;

/** What is wrong with a configuration, collected while it is read: errors forbid its use, warnings do not. */
public final class Problems {
    /** One problem at its place; {@link #at} prints it as compilers do. */
    public record Problem(Place place, String message) {
        /** {@code file:line:column: message}. */
        public String at(String file) {
            return file + ":" + place.line() + ":" + place.column() + ": " + message;
        }
    }

    private final Set<Problem> errors = new LinkedHashSet<>();
    private final Set<Problem> warnings = new LinkedHashSet<>();

    void error(Place place, String message) {
        errors.add(new Problem(place, message));
    }

    void warn(Place place, String message) {
        warnings.add(new Problem(place, message));
    }

    boolean hasErrors() {
        return !errors.isEmpty();
    }

    List<Problem> errors() {
        return inFileOrder(errors);
    }

    List<Problem> warnings() {
        return inFileOrder(warnings);
    }

    private static List<Problem> inFileOrder(Set<Problem> problems) {
        List<Problem> sorted = new ArrayList<>(problems);
        sorted.sort(Comparator.comparing((Problem p) -> p.place().line()).thenComparing(p -> p.place().column()));
        return List.copyOf(sorted);
    }
}
