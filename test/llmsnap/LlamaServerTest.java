package llmsnap;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import llmsnap.text.Json;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** The real llama.cpp server, where it is on the PATH, with two models from LLMSNAP_TEST_MODELS or /opt/tiny-models. */
class LlamaServerTest {
    private static final Path MODELS = Path.of(System.getenv().getOrDefault("LLMSNAP_TEST_MODELS", "/opt/tiny-models"));
    private static final String TWO = "models:\n"
        + "  alpha: {cmd: 'llama-server --port ${PORT} -m " + MODELS + "/alpha.gguf -c 2048', ttl: 2}\n"
        + "  beta: {cmd: 'llama-server --port ${PORT} -m " + MODELS + "/beta.gguf -c 2048'}\n"
        + "  embed: {cmd: 'llama-server --port ${PORT} -m " + MODELS + "/beta.gguf -c 2048 --embeddings --pooling mean'}\n";
    private static final String HELLO = "\"max_tokens\":8,\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]";

    @BeforeEach void isThere() {
        boolean onPath = Arrays.stream(System.getenv("PATH").split(":")).anyMatch(folder -> Files.isExecutable(Path.of(folder, "llama-server")));
        assumeTrue(onPath && Files.exists(MODELS.resolve("alpha.gguf")) && Files.exists(MODELS.resolve("beta.gguf")), "no llama-server with two models here");
    }

    @Test void swapsStreamsEmbedsAndUnloads() throws Exception {
        try (Running llmsnap = Running.start(TWO)) {
            for (String model : new String[] {"alpha", "beta", "alpha"}) {
                HttpResponse<String> answer = llmsnap.chat(model, HELLO);
                assertThat(answer.statusCode()).as(answer.body()).isEqualTo(200);
                assertThat(((Json.Num) Running.json(answer).at("usage", "completion_tokens")).value()).isEqualTo(8);
                assertThat(llmsnap.running()).containsExactly(model + ":ready");
            }
            String streamed = llmsnap.chat("beta", HELLO, "\"stream\":true").body();
            assertThat(streamed).endsWith("data: [DONE]\n\n");
            assertThat(streamed.split("\n\n").length).isGreaterThan(8);
            HttpResponse<String> embedding = llmsnap.post("/v1/embeddings", "{\"model\":\"embed\",\"input\":\"hello\"}");
            assertThat(embedding.statusCode()).as(embedding.body()).isEqualTo(200);
            assertThat(embedding.body()).contains("\"embedding\":[");
            assertThat(llmsnap.post("/v1/messages", "{\"model\":\"alpha\"," + HELLO + "}").body()).contains("\"type\":\"message\"");
            assertThat(llmsnap.post("/v1/messages/count_tokens", "{\"model\":\"alpha\"," + HELLO + "}").body()).contains("input_tokens");
            assertThat(llmsnap.chat("alpha", "\"messages\":7").statusCode()).isBetween(400, 500);
            Running.await("ttl", () -> llmsnap.running().isEmpty());
            llmsnap.chat("beta", HELLO);
            assertThat(llmsnap.get("/unload").body()).isEqualTo("OK");
            assertThat(Running.processesWith("LLMSNAP_RUN=" + llmsnap.process.pid() + "-")).isEmpty();
        }
    }
}
