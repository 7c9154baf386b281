package llmsnap;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** Which room may know which: read from the sources. */
class ArchitectureTest {
    private static final Map<String, Set<String>> MAY_IMPORT = Map.of(
        "text", Set.of(), "config", Set.of("text"), "observe", Set.of("text", "config"), "swap", Set.of("config", "text"),
        "process", Set.of("swap", "config", "observe", "text"), "http", Set.of("text", "config", "swap", "observe"), "demo", Set.of("text"));

    private static List<Path> sources() throws IOException {
        try (Stream<Path> files = Files.walk(Path.of("src", "llmsnap"))) {
            return files.filter(file -> file.toString().endsWith(".java")).toList();
        }
    }

    @Test void roomsKnowOnlyWhomTheyMay() throws IOException {
        Pattern use = Pattern.compile("llmsnap\\.([a-z]+)\\.[A-Z]");
        for (Path file : sources()) {
            String room = file.getParent().getFileName().toString();
            Set<String> allowed = MAY_IMPORT.get(room);
            if (allowed == null) continue;      // the top, which knows all
            Matcher matcher = use.matcher(Files.readString(file));
            while (matcher.find()) assertThat(matcher.group(1)).as(file.toString()).isIn(Stream.concat(allowed.stream(), Stream.of(room)).toList());
        }
    }

    @Test void onlyOneRoomServesAndOnlyOneStartsProcesses() throws IOException {
        for (Path file : sources()) {
            String text = Files.readString(file);
            String room = file.getParent().getFileName().toString();
            if (text.contains("com.sun.net.httpserver") && !file.endsWith("Launcher.java") && !file.endsWith("QuietJdk.java")) assertThat(room).as(file.toString()).isEqualTo("http");
            if (text.contains("ProcessBuilder(")) assertThat(room).as(file.toString()).isIn("process");
            if (text.contains("System.exit")) assertThat(file.getFileName().toString()).isIn("Main.java", "Launcher.java", "SimulatedModel.java");
        }
    }
}
