package llmsnap;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import llmsnap.text.Json;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A swap forgets nothing: with the real llama-server, and with servers that fail, hang or lie. */
class PromptCacheTest {
    private static final Path ALPHA = Path.of("/opt/tiny-models/alpha.gguf");
    private static final String PROMPT = IntStream.range(0, 400).mapToObj(i -> "word " + i)
        .collect(Collectors.joining(" "));

    @TempDir Path folder;

    private static void assumeServer() {
        List<String> found = List.of(System.getenv("PATH").split(":"));
        assumeTrue(Files.exists(ALPHA) && found.stream().anyMatch(each ->
            Files.isExecutable(Path.of(each, "llama-server"))), "no llama-server here");
    }

    private String server(String id, String flags, String more) {
        return "  " + id + ": {keepPromptCache: true, cmd: 'llama-server --port ${PORT} -m "
            + ALPHA + " --slot-save-path ${CACHE_DIR} " + flags + "'" + more + "}\n";
    }

    private String real(String flags, String more) {
        return "promptCache: {dir: " + folder.resolve("kept") + "}\nmodels:\n"
            + server("alpha", flags, more) + server("beta", "-c 4096", "");
    }

    /** How many tokens of the prompt were not in the cache. */
    private static int asked(Running llmsnap, String model, String prompt) throws Exception {
        HttpResponse<String> answer = llmsnap.chat(model, "\"max_tokens\":2,\"messages\":"
            + "[{\"role\":\"user\",\"content\":\"" + prompt + "\"}]");
        assertThat(answer.statusCode()).as(answer.body()).isEqualTo(200);
        Json.Obj body = Running.json(answer);
        return (int) ((Json.Num) body.at("timings", "prompt_n")).value();
    }

    private static void swapToBeta(Running llmsnap) throws Exception {
        assertThat(asked(llmsnap, "beta", "hello")).isPositive();
    }

    @Test void aSwapAndARestartForgetNothing() throws Exception {
        assumeServer();
        String yaml = real("-c 8192 --parallel 1", "");
        try (Running llmsnap = Running.start(yaml)) {
            assertThat(asked(llmsnap, "alpha", PROMPT)).isGreaterThan(500);
            swapToBeta(llmsnap);
            assertThat(llmsnap.output()).containsPattern(
                "model alpha: kept [0-9,]+ tokens in 1 slots, [0-9.]+ [KM]B, [0-9.]+ s");
            assertThat(asked(llmsnap, "alpha", PROMPT)).isLessThan(50);
            assertThat(llmsnap.output()).contains("model alpha: restored ");
            assertThat(llmsnap.get("/running").body()).contains("\"restored_tokens\":");
            assertThat(llmsnap.get("/metrics").body())
                .containsPattern("llmsnap_prompt_cache_restored_tokens_total.*alpha.* [1-9]");
        }
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(
            folder.resolve("kept/alpha")))).isEqualTo("rwx------");
        try (Running again = Running.start(yaml)) {
            assertThat(asked(again, "alpha", PROMPT)).as("after a restart").isLessThan(50);
            again.post("/api/models/unload/alpha?forget=true", "");
            assertThat(files()).isEmpty();
        }
        try (Running other = Running.start(real("-c 6144 --parallel 1", ""))) {
            assertThat(asked(other, "alpha", PROMPT)).as("another context").isGreaterThan(500);
        }
    }

    @Test void ofTwoConversationsBothAreKept() throws Exception {
        assumeServer();
        String flags = "-c 16384 --parallel 2 --no-cache-idle-slots --slot-prompt-similarity 0.5";
        try (Running llmsnap = Running.start(real(flags, ", ttl: 1"))) {
            String other = PROMPT.replace("word", "thing");
            asked(llmsnap, "alpha", PROMPT);
            asked(llmsnap, "alpha", other);
            Running.await("ttl", () -> llmsnap.count("model alpha: stopped") == 1);
            assertThat(llmsnap.output()).contains(" tokens in 2 slots, ");
            assertThat(asked(llmsnap, "alpha", PROMPT)).isLessThan(50);
            assertThat(asked(llmsnap, "alpha", other)).isLessThan(50);
        }
    }

    private List<String> files() throws IOException {
        try (Stream<Path> all = Files.walk(folder)) {
            return all.map(Path::toString).filter(name -> name.endsWith(".bin")).toList();
        }
    }

    private Running simulated(String how) throws IOException {
        return Running.start("promptCache: {dir: " + folder + ", timeout: 1}\nmodels:\n"
            + "  a: {keepPromptCache: true, cmd: '${sim} --slot-save-path ${CACHE_DIR} --slots "
            + how + "'}\n  b: {cmd: '${sim}'}\n");
    }

    @Test void aServerThatFailsHangsOrLiesIsAWarning() throws Exception {
        for (String how : List.of("none", "save-fails", "save-hangs", "save-lies")) {
            try (Running llmsnap = simulated(how)) {
                assertThat(llmsnap.chat("a").statusCode()).isEqualTo(200);
                assertThat(llmsnap.chat("b").statusCode()).as(how).isEqualTo(200);
                assertThat(llmsnap.count("model a: its prompt cache is not kept")).as(how)
                    .isEqualTo(1);
                assertThat(files()).as(how).isEmpty();
            }
        }
        for (String how : List.of("restore-fails", "restore-hangs", "restore-lies")) {
            try (Running llmsnap = simulated(how)) {
                for (int i = 0; i < 4; i++) {
                    assertThat(llmsnap.chat("a").statusCode()).as(how).isEqualTo(200);
                    assertThat(llmsnap.chat("b").statusCode()).isEqualTo(200);
                }
                assertThat(llmsnap.count("model a: its prompt cache is not kept")).as(how)
                    .isEqualTo(2);
                assertThat(files()).as("after two failures it is left alone").isEmpty();
            }
        }
    }

    @Test void twoWithOneFolderDoNotMix() throws Exception {
        try (Running first = simulated("good")) {
            first.chat("a");
            first.chat("b");
            assertThat(files()).hasSize(1);
            try (Running second = simulated("good")) {
                second.chat("a");
                second.chat("b");
                assertThat(second.output()).contains("another llmsnap keeps its own in");
            }
        }
    }

    @Test void aServerWithoutTheFolderIsAnError() throws Exception {
        Path config = Files.writeString(folder.resolve("c.yaml"),
            "models: {a: {cmd: 'x --port ${PORT}', keepPromptCache: true}}\n");
        assertThat(Running.run(Running.JAVA, "--config", config.toString(), "--check-config"))
            .startsWith("1 ").contains("add --slot-save-path ${CACHE_DIR} to cmd");
    }

    @Test void callsAroundALifeAreMadeAndHoldNothingUp() throws Exception {
        try (Running llmsnap = Running.start("""
            logToStdout: both
            models:
              a:
                cmd: '${sim}'
                afterStart: [{endpoint: /wake_up}, {endpoint: /collective_rpc, body: '{}'}]
                beforeStop: [{endpoint: /sleep?level=1}]
            """)) {
            assertThat(llmsnap.chat("a").statusCode()).isEqualTo(200);
            assertThat(llmsnap.output()).containsSubsequence("starting",
                "afterStart call POST /wake_up answered 500",
                "afterStart call POST /collective_rpc answered 500", "model a: ready");
            llmsnap.get("/unload");
            Running.await("it is gone", () -> llmsnap.count("model a: stopped") == 1);
            // what a server prints comes by another road than what we say of it: two orders
            Running.await("the server's last line", () -> llmsnap.count("a: POST /sleep") == 1);
            assertThat(llmsnap.output()).containsSubsequence("a: POST /wake_up",
                "a: POST /collective_rpc", "a: POST /v1/chat", "a: POST /sleep?level=1");
            assertThat(llmsnap.output()).containsSubsequence("model a: ready",
                "model a: stopping", "model a: stopped");
        }
    }
}
