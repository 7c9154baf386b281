package llmsnap.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import llmsnap.config.Config.Model;
import org.junit.jupiter.api.Test;

/**
 * Files that people really use, where they lie beside the project. They are data of others and not
 * part of it.
 */
class RealConfigsTest {
    private static final Path FOLDER = Path.of("..", "shared", "real", "configs");

    private static ConfigReader.Result read(Path file) throws IOException {
        return ReadConfig.read(
            Files.readAllBytes(file), name -> "/env/" + name, Map.of(), Machine.NONE);
    }

    @Test void whatIsValidIsUnderstoodAndTheRestRefusedWithItsLine() throws IOException {
        assumeTrue(Files.isDirectory(FOLDER), "no " + FOLDER);
        List<Path> files;
        try (Stream<Path> list = Files.list(FOLDER)) {
            files = list.filter(file -> file.toString().matches(".*\\.ya?ml")).sorted().toList();
        }
        int understood = 0;
        for (Path file : files) {
            ConfigReader.Result result = read(file);
            if (result.config() == null) {
                assertThat(result.errors())
                    .as(file.toString())
                    .isNotEmpty()
                    .allSatisfy(problem -> assertThat(problem.place().line()).isPositive());
                continue;
            }
            understood++;
            for (Model model : result.config().models().values()) {
                if (model.cmd().isEmpty()) continue;        // somebody else starts it
                assertThat(model.cmd())
                    .as(file + " " + model.id())
                    .isNotEmpty()
                    .noneMatch(
                        word -> word.contains("${PORT}") || word.contains("${MODEL_ID}"));
                assertThat(model.cmd().getFirst()).as(file.toString()).isNotBlank();
            }
        }
        assertThat(understood).isGreaterThan(files.size() / 2);
    }
}
