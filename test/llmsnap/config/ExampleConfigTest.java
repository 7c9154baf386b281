package llmsnap.config;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import llmsnap.Running;
import org.junit.jupiter.api.Test;

/** Keeps config.example.yaml, the reader and --check-config in step. */
class ExampleConfigTest {
    private static final Path EXAMPLE = Path.of("config.example.yaml");

    @Test void theExampleIsValidWithoutAWarning() throws IOException {
        ConfigReader.Result result =
            ConfigReader.read(Files.readAllBytes(EXAMPLE), name -> "x", Map.of(), port -> false);
        assertThat(result.errors()).isEmpty();
        assertThat(result.warnings()).isEmpty();
        assertThat(result.config().models()).hasSize(6);
        assertThat(
                        result.config()
                            .model("everything:thinking")
                            .filters()
                            .forName("everything:thinking")
                            .toString())
            .contains("enable_thinking=Set[value=true]");
        assertThat(result.config().model("vllm-level-2").launch().sleep().wake()).hasSize(3);
    }

    /**
     * The keys the reader asks for are string literals in its source; each stands in the example as
     * a key.
     */
    @Test void everyKeyTheReaderKnowsIsExplained() throws IOException {
        StringBuilder reader = new StringBuilder();
        try (Stream<Path> sources = Files.list(Path.of("src", "llmsnap", "config"))) {
            for (Path source : sources.toList()) reader.append(Files.readString(source));
        }
        Set<String> keys = new TreeSet<>();
        Matcher matcher =
            Pattern.compile(
                            "(?:\\.(?:whole|flag|text|fields|scalars|take|mapping|texts|list|"
                            + "each|inside|positive|has)\\(|\\.atLeast\\(\\w+,"
                                + " |\\.field\\(fields, |choice\\(top, |[("
                                + " =](?:calls|command)\\()\\s*\"([A-Za-z_]+)\"")
                .matcher(reader);
        while (matcher.find()) keys.add(matcher.group(1));
        assertThat(keys)
            .contains(
                "cmd",
                "ttl",
                "swapGrace",
                "members",
                "endpoint",
                "apiKey",
                "preload",
                "wakeEndpoints",
                "logLevel");
        String example = Files.readString(EXAMPLE, StandardCharsets.UTF_8);
        for (String key : keys) {
            if (key.equals("strip_params")) continue; // the old name of stripParams
            assertThat(example)
                .as("the example explains " + key)
                .containsPattern("(?m)(^|[\\s{])" + key + ":");
        }
    }

    @Test void checkConfigPrintsItsFinalCommands() throws Exception {
        String text = Running.run(Running.JAVA, "--config", EXAMPLE.toString(), "--check-config");
        assertThat(text)
            .startsWith("""
                0 model qwen3-8b
                  command: llama-server --port 5802 --host 127.0.0.1 --ctx-size 8192 -ngl 99 -m \
                '/srv/models/Qwen3 8B.gguf'
                """)
            .contains("""
                model everything
                  command: llama-server --port 5801 --host 127.0.0.1 --ctx-size 16384""")
            .contains("unloads: qwen3-8b, vllm-level-1, vllm-level-2\n")
            .endsWith("""
                loaded at start: embeddings
                the configuration is valid
                """);
    }
}
