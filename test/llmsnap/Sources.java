package llmsnap;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Predicate;
import java.util.stream.Stream;

/** The project's own files, for tests that read them. */
final class Sources {
    private Sources() {}

    /** The files below some folders that end like that, in order. */
    static List<Path> files(String ending, String... folders) {
        return Stream.of(folders).flatMap(folder -> walk(Path.of(folder)))
            .filter(file -> file.toString().endsWith(ending)).sorted().toList();
    }

    private static Stream<Path> walk(Path folder) {
        try (Stream<Path> files = Files.walk(folder)) {
            return files.toList().stream();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static String read(Path file) {
        try {
            return Files.readString(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Java without comments, and with nothing inside strings; its lines stay where they are. */
    static String code(String java) {
        StringBuilder out = new StringBuilder();
        for (int at = 0; at < java.length(); ) {
            int end;
            if (java.startsWith("//", at)) {
                end = until(java, at, "\n");
            } else if (java.startsWith("/*", at)) {
                end = until(java, at + 2, "*/") + 2;
            } else if (java.startsWith("\"\"\"", at)) {
                end = at + 3;
                while (!java.startsWith("\"\"\"", end)) end += java.charAt(end) == '\\' ? 2 : 1;
                end += 3;
                out.append("\"\"");
            } else if (java.charAt(at) == '"' || java.charAt(at) == '\'') {
                end = literalEnd(java, at);
                out.append(java.charAt(at) == '"' ? "\"\"" : "' '");
            } else {
                out.append(java.charAt(at++));
                continue;
            }
            java.substring(at, end).chars().filter(c -> c == '\n').forEach(c -> out.append('\n'));
            at = end;
        }
        return out.toString();
    }

    private static int until(String text, int from, String end) {
        int at = text.indexOf(end, from);
        return at < 0 ? text.length() : at;
    }

    private static int literalEnd(String java, int open) {
        int at = open + 1;
        while (java.charAt(at) != java.charAt(open)) at += java.charAt(at) == '\\' ? 2 : 1;
        return at + 1;
    }

    /** What {@code wrong} finds, as "file:line: text". */
    static List<String> lines(List<Path> files, Predicate<String> wrong) {
        return files.stream().flatMap(file -> {
            List<String> lines = code(read(file)).lines().toList();
            return Stream.iterate(0, i -> i < lines.size(), i -> i + 1)
                .filter(i -> wrong.test(lines.get(i)))
                .map(i -> file + ":" + (i + 1) + ": " + lines.get(i).strip());
        }).toList();
    }
}
