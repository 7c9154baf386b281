package llmsnap.config;

import static java.util.stream.Collectors.groupingBy;
import static java.util.stream.Collectors.toList;

import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import llmsnap.text.Place;

/** What is wrong with a configuration: errors forbid its use, warnings do not. */
public final class Problems {
    /** One problem at its place. */
    public record Problem(Place place, String message) {
        /** {@code file:line:column: message}, as compilers print it. @param only its name */
        public String at(String only) {
            String file = place.file().isEmpty() ? only : place.file();
            return file + ":" + place.line() + ":" + place.column() + ": " + message;
        }
    }

    /** The same without repeating a sentence: the first place, and how many there are. */
    public static List<String> grouped(List<Problem> problems, String file) {
        if (problems.isEmpty()) return List.of();
        var byMessage = problems.stream()
            .collect(groupingBy(Problem::message, LinkedHashMap::new, toList()));
        return byMessage.values().stream().map(same -> same.getFirst().at(file)
            + (same.size() == 1 ? "" : " (" + same.size() + " places)")).toList();
    }

    private final Set<Problem> errors = new LinkedHashSet<>();
    private final Set<Problem> warnings = new LinkedHashSet<>();

    void error(Place place, String message) {
        errors.add(new Problem(place, message));
    }

    void warn(Place place, String message) {
        warnings.add(new Problem(place, message));
    }

    /** Whether a file can be called so; else that is an error. */
    boolean checkFile(String name, Place place) {
        try {
            Path.of(name);
            return true;
        } catch (InvalidPathException e) {
            error(place, "no file can be called that; if it has other letters than English has,"
                + " set LANG=C.UTF-8 in the environment of llmsnap");
            return false;
        }
    }

    /** The errors, in file order; {@link #warnings} likewise. */
    List<Problem> errors() {
        return inFileOrder(errors);
    }

    List<Problem> warnings() {
        return inFileOrder(warnings);
    }

    private static List<Problem> inFileOrder(Set<Problem> problems) {
        if (problems.isEmpty()) return List.of();
        Comparator<Problem> byFile = Comparator.comparing(problem -> problem.place().file());
        return problems.stream()
            .sorted(byFile.thenComparing(problem -> problem.place().line())
            .thenComparing(problem -> problem.place().column()))
            .toList();
    }
}
