package llmsnap.config;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import llmsnap.Running;
import llmsnap.text.Json;
import org.junit.jupiter.api.Test;

/** Keeps config.example.yaml, the reader and --check-config in step. */
class ExampleConfigTest {
    private static final Path EXAMPLE = Path.of("config.example.yaml");

    @Test void theExampleIsValidWithoutAWarning() throws IOException {
        ConfigReader.Result result =
            ReadConfig.read(Files.readAllBytes(EXAMPLE), name -> "x", Map.of(), Machine.NONE);
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

    /** The schema notes every key that the reader asks for; each is explained in the example. */
    @Test void everyKeyTheReaderKnowsIsExplained() throws IOException {
        Set<String> keys = new TreeSet<>();
        collect(SchemaWriter.json(), keys);
        assertThat(keys).contains("cmd", "ttl", "swapGrace", "members", "endpoint", "apiKey",
            "preload", "wakeEndpoints", "logLevel", "on_idle", "discover", "evict_costs");
        keys.remove("strip_params");        // the old name of stripParams
        String example = Files.readString(EXAMPLE, StandardCharsets.UTF_8);
        for (String key : keys) {
            assertThat(example)
                .as("the example explains " + key)
                .containsPattern("(?m)(^|[\\s{])" + key + ":");
        }
    }

    private static void collect(Json schema, Set<String> keys) {
        switch (schema) {
            case Json.Obj object -> object.entries().forEach((name, value) -> {
                if (name.equals("properties")) keys.addAll(((Json.Obj) value).entries().keySet());
                collect(value, keys);
            });
            case Json.Arr list -> list.items().forEach(each -> collect(each, keys));
            default -> { }
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
            .contains("loaded at start: embeddings\nmodel qwen3-8b: there is no ")
            .endsWith(" on this machine\nthe configuration is valid\n");
    }
}
