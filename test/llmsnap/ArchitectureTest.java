package llmsnap;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Which room may know which, and what only one of them may do: read from the sources. */
class ArchitectureTest {
    private static final Path HOUSE = Path.of("src", "llmsnap");
    private static final List<Path> FILES = Sources.files(".java", HOUSE.toString());
    private static final Map<String, Set<String>> MAY_IMPORT = Map.of(
        "text", Set.of(),
        "platform", Set.of(),
        "config", Set.of("text"),
        "record", Set.of("text", "config", "platform"),
        "models", Set.of("text", "config", "platform"),
        "process", Set.of("models", "text", "config", "record", "platform"),
        "http/server", Set.of("text", "config", "models", "record", "platform"),
        "http/proxy", Set.of("http/server", "text", "config", "models", "record", "platform"),
        "http/api", Set.of("http/server", "http/proxy", "text", "config", "models", "record"),
        "http", Set.of("http/server", "http/proxy", "http/api", "models"));
    private static final Map<String, Set<String>> DEMO = Map.of("demo", Set.of("text"));

    /** The room of a file: its folder below the house; "" is the top, which knows all. */
    private static String room(Path file) {
        Path folder = HOUSE.relativize(file).getParent();
        return folder == null ? "" : folder.toString();
    }

    private static Stream<String> found(String regex, Path file) {
        return Pattern.compile(regex).matcher(Sources.code(Sources.read(file))).results()
            .map((MatchResult match) -> match.group(1));
    }

    @Test void roomsKnowOnlyWhomTheyMay() {
        for (Path file : FILES) {
            String room = room(file);
            Set<String> allowed = new TreeSet<>(MAY_IMPORT.getOrDefault(room, DEMO.get("demo")));
            allowed.add(room);
            if (room.isEmpty()) continue;
            assertThat(found("\\bllmsnap\\.((?:[a-z]+\\.)+)[A-Z]", file)
                .map(name -> name.substring(0, name.length() - 1).replace('.', '/')))
                .as(file.toString()).isSubsetOf(allowed);
        }
    }

    /** It is compiled only when it is run, by hand: what it calls must not have gone meanwhile. */
    @Test void theBenchmarkCompiles(@TempDir Path folder) {
        var said = new ByteArrayOutputStream();
        int status = ToolProvider.getSystemJavaCompiler().run(null, said, said, "-proc:none", "-cp",
            Path.of("build", "classes").toString(), "-d", folder.toString(),
            Path.of("scripts", "Benchmark.java").toString());
        assertThat(status).as(said.toString()).isZero();
    }

    @Test void everyRoomIsListed() {
        Set<String> rooms = new TreeSet<>(MAY_IMPORT.keySet());
        rooms.addAll(DEMO.keySet());
        rooms.add("");
        assertThat(FILES.stream().map(ArchitectureTest::room)).isSubsetOf(rooms);
    }

    @Test void noFileOfARoomLeadsBackToItself() {
        Map<String, Map<String, Path>> rooms = new TreeMap<>();
        for (Path file : FILES) {
            String name = file.getFileName().toString().replace(".java", "");
            rooms.computeIfAbsent(room(file), each -> new TreeMap<>()).put(name, file);
        }
        rooms.values().forEach(files -> files.keySet().forEach(name ->
            assertThat(reached(name, files)).as("what " + name + " leads to")
                .doesNotContain(name)));
    }

    /** The files of a room that {@code name} knows, and those that they know. */
    private static Set<String> reached(String name, Map<String, Path> files) {
        Set<String> reached = new TreeSet<>();
        Deque<String> open = new ArrayDeque<>(List.of(name));
        while (!open.isEmpty()) {
            String from = open.pop();
            found("\\b([A-Z]\\w*)", files.get(from))
                .filter(to -> files.containsKey(to) && !to.equals(from) && reached.add(to))
                .forEach(open::push);
        }
        return reached;
    }

    private static void onlyIn(String text, Predicate where) {
        for (Path file : FILES) {
            if (!Sources.code(Sources.read(file)).contains(text)) continue;
            assertThat(where.is(file)).as(text + " in " + file).isTrue();
        }
    }

    private interface Predicate {
        boolean is(Path file);
    }

    @Test void onlyOneRoomServes() {
        onlyIn("com.sun.net.httpserver.", file -> room(file).startsWith("http/"));
    }

    @Test void onlyOneRoomStartsProcesses() {
        onlyIn("ProcessBuilder(", file -> room(file).equals("process")
            || file.endsWith("NvidiaSmi.java"));
    }

    @Test void onlyTheTopExits() {
        onlyIn("System.exit", file -> room(file).isEmpty());
        onlyIn(".halt(", file -> room(file).isEmpty());
    }

    @Test void onlyOneRoomReadsProc() {
        for (Path file : FILES) {
            if (!Sources.read(file).matches("(?s).*\"/proc\\b.*")) continue;
            assertThat(room(file)).as(file.toString()).isEqualTo("platform");
        }
    }

    @Test void everyRouteIsInTheReadme() {
        String readme = Sources.read(Path.of("README.md"));
        String table = Sources.read(HOUSE.resolve("http/RouteTable.java"));
        List<String> paths = Pattern.compile("\"(/[^\"]*)\"").matcher(table).results()
            .map(match -> match.group(1).replaceAll("/?\\*$", "")).filter(path -> path.length() > 1)
            .toList();
        assertThat(paths).hasSizeGreaterThan(40);
        assertThat(paths.stream().filter(path -> !readme.contains(path))).isEmpty();
    }
}
