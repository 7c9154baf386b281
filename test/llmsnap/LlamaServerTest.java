package llmsnap;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import llmsnap.text.Json;
import llmsnap.text.Malformed;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * The real llama.cpp server, where it is on the PATH, with two models from LLMSNAP_TEST_MODELS or
 * /opt/tiny-models.
 */
class LlamaServerTest {
    private static final Path MODELS =
        Path.of(System.getenv().getOrDefault("LLMSNAP_TEST_MODELS", "/opt/tiny-models"));
    private static final String TWO =
        "models:\n"
            + "  alpha: {cmd: 'llama-server --port ${PORT} -m "
            + MODELS
            + "/alpha.gguf -c 2048', ttl: 2}\n"
            + "  beta: {cmd: 'llama-server --port ${PORT} -m "
            + MODELS
            + "/beta.gguf -c 2048'}\n"
            + "  embed: {cmd: 'llama-server --port ${PORT} -m "
            + MODELS
            + "/beta.gguf -c 2048 --embeddings --pooling mean'}\n";
    private static final String HELLO = """
        "max_tokens":8,"messages":[{"role":"user","content":"hello"}]""";

    @BeforeEach
    void isThere() {
        boolean onPath =
            Arrays.stream(System.getenv("PATH").split(":"))
                .anyMatch(folder -> Files.isExecutable(Path.of(folder, "llama-server")));
        assumeTrue(
            onPath
                && Files.exists(MODELS.resolve("alpha.gguf"))
                && Files.exists(MODELS.resolve("beta.gguf")),
            "no llama-server with two models here");
    }

    private static String read(Path file) {
        try {
            return Files.readString(file);
        } catch (IOException e) {
            return "";      // it is not there yet
        }
    }

    @Test void whatAModelCanDoIsAskedOfItsServerAndRemembered() throws Exception {
        Path state = Files.createTempDirectory("llmsnap-test").resolve("state.json");
        String yaml = "stateFile: " + state + "\n" + TWO;
        try (Running llmsnap = Running.start(yaml)) {
            assertThat(llmsnap.get("/v1/models/alpha").body()).doesNotContain("n_ctx");
            llmsnap.chat("alpha", HELLO);
            Running.await("it is asked", () ->
                llmsnap.get("/v1/models/alpha").body().contains("\"n_ctx\":2048"));
            llmsnap.post("/api/models/unload", "");
            assertThat(llmsnap.get("/v1/models/alpha").body()).contains("\"n_ctx\":2048",
                "\"input_modalities\":[\"text\"]", "\"context_length\":2048");
            Running.await("it is kept", () -> read(state).contains("2048"));
        }
        try (Running again = Running.start(yaml)) {
            assertThat(again.get("/v1/models/alpha").body()).contains("\"n_ctx\":2048");
        }
    }

    @Test void swapsStreamsEmbedsAndUnloads() throws Exception {
        try (Running llmsnap = Running.start(TWO)) {
            for (String model : new String[] {"alpha", "beta", "alpha"}) {
                HttpResponse<String> answer = llmsnap.chat(model, HELLO);
                assertThat(answer.statusCode()).as(answer.body()).isEqualTo(200);
                assertThat(
                                ((Json.Num) Running.json(answer).at("usage", "completion_tokens"))
                                    .value())
                    .isEqualTo(8);
                assertThat(llmsnap.running()).containsExactly(model + ":ready");
            }
            String streamed = llmsnap.chat("beta", HELLO, "\"stream\":true").body();
            assertThat(streamed).endsWith("data: [DONE]\n\n");
            assertThat(streamed.split("\n\n").length).isGreaterThan(8);
            HttpResponse<String> embedding =
                llmsnap.post("/v1/embeddings", "{\"model\":\"embed\",\"input\":\"hello\"}");
            assertThat(embedding.statusCode()).as(embedding.body()).isEqualTo(200);
            assertThat(embedding.body()).contains("\"embedding\":[");
            assertThat(llmsnap.post("/v1/messages", "{\"model\":\"alpha\"," + HELLO + "}").body())
                .contains("\"type\":\"message\"");
            assertThat(
                            llmsnap.post(
                                            "/v1/messages/count_tokens",
                                            "{\"model\":\"alpha\"," + HELLO + "}")
                                .body())
                .contains("input_tokens");
            assertThat(llmsnap.chat("alpha", "\"messages\":7").statusCode()).isBetween(400, 500);
            Running.await("ttl", () -> llmsnap.running().isEmpty());
            llmsnap.chat("beta", HELLO);
            assertThat(llmsnap.get("/unload").body()).isEqualTo("OK");
            assertThat(Running.processesWith("LLMSNAP_RUN=" + llmsnap.process.pid() + "-"))
                .isEmpty();
        }
    }

    @Test void rowsAgreeWithWhatTheServerSays() throws Exception {
        try (Running llmsnap = Running.start(TWO)) {
            String[] streamed = {"", ",\"stream\":true", """
                ,"stream":true,"stream_options":{"include_usage":true}"""};
            for (String stream : streamed) {
                String answer =
                    llmsnap.post(
                                    "/v1/chat/completions",
                                    "{\"model\":\"alpha\"," + HELLO + stream + "}")
                        .body();
                Json.Obj row = lastRow(llmsnap);
                assertThat(row.at("input_tokens")).as(answer).hasToString(last(answer, "prompt_n"));
                assertThat(row.at("cache_tokens")).as(answer).hasToString(last(answer, "cache_n"));
                assertThat(row.at("output_tokens"))
                    .as(answer)
                    .hasToString(last(answer, "predicted_n"))
                    .hasToString("8");
                assertThat(((Json.Num) row.at("prompt_per_second")).value())
                    .as(answer)
                    .isEqualTo(Double.parseDouble(last(answer, "prompt_per_second")));
                assertThat(((Json.Num) row.at("tokens_per_second")).value())
                    .as(answer)
                    .isEqualTo(Double.parseDouble(last(answer, "predicted_per_second")));
                assertThat(((Json.Num) row.at("duration_ms")).value())
                    .isGreaterThanOrEqualTo(
                        Math.round(
                            Double.parseDouble(last(answer, "prompt_ms"))
                                + Double.parseDouble(
                                    last(answer, "predicted_ms"))));
                assertThat(((Json.Num) row.at("ttft_ms")).value() >= 0)
                    .isEqualTo(!stream.isEmpty());
            }
            for (String stream : new String[] {"", ",\"stream\":true"}) {
                String answer =
                    llmsnap.post("/v1/messages", "{\"model\":\"alpha\"," + HELLO + stream + "}")
                        .body();
                Json.Obj row = lastRow(llmsnap);
                assertThat(row.at("input_tokens"))
                    .as(answer)
                    .hasToString(last(answer, "input_tokens"));
                assertThat(row.at("cache_tokens"))
                    .as(answer)
                    .hasToString(last(answer, "cache_read_input_tokens"));
                assertThat(row.at("output_tokens"))
                    .as(answer)
                    .hasToString(last(answer, "output_tokens"))
                    .hasToString("8");
            }
            String answer =
                llmsnap.post("/v1/embeddings", "{\"model\":\"embed\",\"input\":\"hello\"}")
                    .body();
            assertThat(lastRow(llmsnap).at("input_tokens"))
                .hasToString(last(answer, "prompt_tokens"));
        }
    }

    private static Json.Obj lastRow(Running llmsnap) throws Malformed {
        return (Json.Obj)
            ((Json.Arr) Json.parse(llmsnap.get("/api/metrics").body())).items().getLast();
    }

    /** The last number under {@code key} in an answer. */
    private static String last(String answer, String key) {
        return answer.replaceFirst("(?s).*\"" + key + "\":([-0-9.eE+]+).*", "$1");
    }
}
