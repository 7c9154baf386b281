package llmsnap;

import static java.nio.charset.StandardCharsets.UTF_8;
import static java.nio.file.StandardOpenOption.APPEND;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.LocalDate;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import llmsnap.text.Json;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Living with it: models that are found, several files, keys with names, pauses, history. */
class OperateTest {
    private static final String TWO = "models: {a: {cmd: '${sim}'}, b: {cmd: '${sim}'}}\n";

    @TempDir Path folder;

    private static HttpResponse<String> as(String key, Running llmsnap, String path, String body) {
        var request = llmsnap.request(path).header("Authorization", "Bearer " + key);
        return Running.send(body == null ? request.GET() : request.POST(
            BodyPublishers.ofString(body)));
    }

    private static HttpResponse<String> chat(String key, Running llmsnap, String model) {
        return as(key, llmsnap, "/v1/chat/completions", "{\"model\":\"" + model + "\"}");
    }

    // ---- keys

    @Test void aKeyMayBeForSomeModelsAndNotForTheServer() throws Exception {
        try (Running llmsnap = Running.start("""
            models: {a: {cmd: '${sim}', aliases: [al]}, b: {cmd: '${sim}'}}
            selectors: {s: {targets: [a]}, t: {targets: [a, b]}}
            apiKeys:
              - root
              - {key: k1, name: kim, models: [a, 'x*'], control: false}
              - {key: k2, name: sel, models: [t]}
            """)) {
            assertThat(chat("k1", llmsnap, "a").statusCode()).isEqualTo(200);
            assertThat(chat("k1", llmsnap, "al").statusCode()).isEqualTo(200);
            assertThat(chat("k1", llmsnap, "s").statusCode()).isEqualTo(200);
            for (String other : List.of("b", "t", "nosuch")) {
                assertThat(chat("k1", llmsnap, other).statusCode()).as(other).isEqualTo(403);
            }
            assertThat(chat("k1", llmsnap, "nosuch").body()).doesNotContain("\"b\"");
            assertThat(chat("k2", llmsnap, "t").statusCode()).isEqualTo(200);
            assertThat(chat("k2", llmsnap, "b").statusCode()).isEqualTo(403);
            assertThat(as("k1", llmsnap, "/v1/models", null).body())
                .contains("\"id\":\"a\"", "\"id\":\"s\"").doesNotContain("\"id\":\"b\"",
                    "\"id\":\"t\"");
            for (String path : List.of("/running", "/api/events", "/metrics", "/api/pause",
                "/upstream/a/health", "/api/history", "/logs", "/api/captures/1")) {
                assertThat(as("k1", llmsnap, path, null).statusCode()).as(path).isEqualTo(403);
            }
            assertThat(as("k1", llmsnap, "/api/models/unload", "").statusCode()).isEqualTo(403);
            assertThat(as("root", llmsnap, "/api/metrics", null).body())
                .contains("\"key\":\"kim\"").doesNotContain("k1");
            assertThat(as("root", llmsnap, "/metrics", null).body()).contains("key=\"kim\"");
            assertThat(llmsnap.output()).contains("[kim] POST /v1/chat/completions 200")
                .doesNotContain("k1");
        }
    }

    @Test void aLimitedKeyGetsNoFurtherThroughAPeer() throws Exception {
        try (Running other = Running.start("models: {pub: {cmd: '${sim}'}, no: {cmd: '${sim}'}}\n");
            Running llmsnap = Running.start("""
                models: {a: {cmd: '${sim}'}}
                peers: {box: {proxy: 'http://127.0.0.1:%d', models: [pub]}}
                apiKeys: [root, {key: lim, models: [box/pub, a], control: false}]
                """.formatted(other.port))) {
            assertThat(chat("lim", llmsnap, "box/pub").statusCode()).isEqualTo(200);
            String body = "{\"model\":\"box/pub\"}";
            for (String path : List.of("/v/api/models/load/no", "/v/upstream/no/v1/completions",
                "/v/api/models/unload", "/v/api/pause")) {
                assertThat(as("lim", llmsnap, path, body).statusCode()).as(path).isEqualTo(403);
                assertThat(as("root", llmsnap, path, body).statusCode()).as(path).isEqualTo(403);
            }
            assertThat(as("lim", llmsnap, "/v1/../api/pause", body).statusCode())
                .isGreaterThanOrEqualTo(400);
            assertThat(as("lim", llmsnap, "/v/chat/completions", body).statusCode())
                .isNotEqualTo(403);
            assertThat(as("lim", llmsnap, "/v1/models/b", null).statusCode()).isEqualTo(403);
            assertThat(other.running()).containsExactly("pub:ready");
        }
    }

    @ParameterizedTest
    @CsvSource(delimiter = ';', textBlock = """
        apiKeys: [x, {key: x, name: n}]                 ; an API key is there twice
        apiKeys: [{key: x, name: n}, {key: y, name: n}] ; two API keys have the name "n"
        apiKeys: [{key: x, models: []}]                 ; a key with no models may use nothing
        apiKeys: [{key: x, models: ['q*']}]             ; no model is called "q*"
        apiKeys: [{key: ''}]                            ; an API key is empty
        apiKeys: [[x]]                                  ; an API key is a text or a mapping
        history: {keepDays: 3}                          ; history needs dir
        hooks: {on_idle: {after: 3}}                    ; on_idle needs after
        discover: [{match: x}]                          ; the folder to look into, is missing
        discover: [{dir: /no/such/folder}]              ; there is no folder /no/such/folder
        """)
    void whatIsWrongIsSaid(String yaml, String said) throws Exception {
        Path file = Files.writeString(folder.resolve("c.yaml"),
            "models: {a: {cmd: x, proxy: 'http://h'}}\n" + yaml + "\n");
        assertThat(Running.run(Running.JAVA, "--config", file.toString(), "--check-config"))
            .contains(said);
    }

    // ---- pause

    @Test void aPauseEndsByItselfOrByHand() throws Exception {
        try (Running llmsnap = Running.start(TWO)) {
            llmsnap.chat("a");
            assertThat(llmsnap.post("/api/pause", "{\"for\":\"1h\",\"reason\":\"games\"}").body())
                .contains("\"paused\":true", "\"reason\":\"games\"");
            Running.await("it has gone", () -> llmsnap.running().isEmpty());
            assertThat(llmsnap.post("/api/pause",
                "{\"for\":\"1h\",\"reason\":\"work\",\"refuse\":true}").statusCode())
                .isEqualTo(200);
            HttpResponse<String> refused = llmsnap.chat("a");
            assertThat(refused.statusCode()).isEqualTo(503);
            assertThat(refused.headers().firstValue("retry-after")).isPresent();
            assertThat(refused.body()).contains("paused: work");
            llmsnap.post("/api/pause", "{\"for\":\"1h\"}");
            CompletableFuture<Integer> waits =
                CompletableFuture.supplyAsync(() -> llmsnap.chat("b").statusCode());
            Running.await("it waits", () ->
                llmsnap.get("/metrics").body().contains("waiting{model=\"b\"} 1"));
            assertThat(llmsnap.get("/api/pause").body()).contains("\"seconds_left\":3600");
            llmsnap.post("/api/resume", "");
            assertThat(waits.join()).isEqualTo(200);
            llmsnap.post("/api/pause",
                "{\"until\":\"" + Instant.now().plusMillis(700) + "\",\"unload\":false}");
            assertThat(llmsnap.chat("b").statusCode()).isEqualTo(200);
            Running.await("it is over", () ->
                llmsnap.get("/api/pause").body().equals("{\"paused\":false}"));
            for (String odd : List.of("{}", "{\"for\":\"soon\"}", "{\"until\":\"then\"}", "[]",
                "{\"until\":\"2001-01-01\"}", "{\"for\":\"1h\",\"until\":\"2099-01-01\"}",
                "{\"for\":\"0s\"}", "{\"for\":\"999999h\"}", "{\"for\":\"1h\",\"unload\":0}",
                "{\"for\":\"1h\",\"refuse\":\"no\"}")) {
                assertThat(llmsnap.post("/api/pause", odd).statusCode()).as(odd).isEqualTo(400);
            }
        }
    }

    // ---- history

    @Test void whatWasIsThereAfterARestart() throws Exception {
        Path dir = folder.resolve("history");
        String yaml = "history: {dir: '" + dir + "'}\n" + TWO;
        Path today = dir.resolve("requests-" + LocalDate.now() + ".jsonl");
        Path old = dir.resolve("requests-2001-01-01.jsonl");
        try (Running llmsnap = Running.start(yaml)) {
            llmsnap.chat("a");
            llmsnap.chat("b");
            llmsnap.chat("nosuch");
            assertThat(llmsnap.get("/api/history?model=a").body().lines()).hasSize(1);
        }
        assertThat(Files.readAllLines(today)).hasSize(3);
        assertThat(Files.readString(dir.resolve("models-" + LocalDate.now() + ".jsonl")))
            .contains("\"event\":\"loaded\"", "to make room for b", "\"why\":\"shutdown\"");
        // A power loss, in the middle of a character, and what a file system may leave behind it.
        byte[] lost = "{\"id\":99,\"mod\u00e4".getBytes(UTF_8);
        Files.write(today, Arrays.copyOf(lost, lost.length - 1), APPEND);
        Files.write(today, new byte[3_000_000], APPEND);
        Files.writeString(old, "");
        try (Running again = Running.start(yaml)) {
            assertThat(again.get("/api/metrics").body()).contains("\"model\":\"b\"", "\"id\":3")
                .doesNotContain("\"id\":99");
            again.chat("b");
            String csv = Running.send(again.request("/api/history?from=2001-01-01&to="
                + Instant.now().plusSeconds(9)).header("Accept", "text/csv").GET()).body();
            assertThat(csv.lines()).hasSize(5);
            assertThat(csv).contains(",b,").startsWith("id,timestamp,model,");
            assertThat(again.get("/api/history?from=2099-01-01").body()).isEmpty();
            assertThat(again.get("/api/history?from=then").statusCode()).isEqualTo(400);
            assertThat(again.get("/api/metrics").body()).contains("\"id\":4");
            assertThat(old).doesNotExist();
            try (var files = Files.list(dir)) {
                for (Path each : files.toList()) Files.delete(each);
            }
            Files.delete(dir);
            Files.writeString(dir, "in the way");
            assertThat(again.chat("b").statusCode()).isEqualTo(200);
            Running.await("it is said", () -> again.count("history: 1 lines were lost") == 1);
        }
    }

    // ---- files

    @Test void severalFilesAreOne() throws Exception {
        write("a.yaml", Running.SIM + "models: {a: {cmd: '${sim}'}}\nttl: 3\n"
            + "hooks: {on_startup: {preload: [a]}}\nlogLevel: debug\n");
        write("b.yml", "models: {b: {cmd: '${sim}'}}\nlogLevel: info\n"
            + "hooks: {on_startup: {preload: [b]}}\ngroups: {g: {swap: false, members: [a, b]}}\n");
        write("c.txt", "not yaml at all: [");
        String dir = folder.toString();
        assertThat(Running.run(Running.JAVA, "--config-dir", dir, "--check-config"))
            .startsWith("0 ").contains("loaded at start: a, b", "b.yml:2:1: logLevel is also at ",
                "a.yaml:", "unknown key \"ttl\"");
        write("b2.yaml", "models:\nhooks:\n");        // all of it commented out
        write(".#b.yaml", "[");
        assertThat(Running.run(Running.JAVA, "--config-dir", dir, "--check-config"))
            .startsWith("0 ").contains("loaded at start: a, b");
        write("d.yaml", "models:\n  a: {cmd: y}\n");
        assertThat(Running.run(Running.JAVA, "--config-dir", dir, "--check-config"))
            .startsWith("1 ")
            .contains("d.yaml:2:3: the model \"a\" is there twice; it is also at ");
        write("d.yaml", "models: [\n");
        assertThat(Running.run(Running.JAVA, "--config-dir=" + dir, "--check-config"))
            .startsWith("1 ").contains("d.yaml:1:9: this [ is never closed");
        Path none = Files.createDirectory(folder.resolve("none"));
        assertThat(Running.run(Running.JAVA, "--config-dir", none.toString()))
            .startsWith("1 ").contains("there is no *.yaml file in ");
    }

    private void write(String name, String text) throws IOException {
        Files.writeString(folder.resolve(name), text);
    }

    @Test void filesAreFoundNamedAndReadAgain() throws Exception {
        byte[] model = GgufTest.sample();
        Path sub = Files.createDirectories(folder.resolve("models/sub"));
        Path top = folder.resolve("models");
        Files.write(top.resolve("chat.gguf"), model);
        Files.write(sub.resolve("chat.gguf"), model);
        Files.write(sub.resolve("it's a \"model\".gguf"), model);
        Files.write(sub.resolve("mmproj-x.gguf"), model);
        Files.write(sub.resolve("chat-draft.gguf"), model);
        Files.write(top.resolve("big-00001-of-00002.gguf"), model);
        Files.write(top.resolve("big-00002-of-00002.gguf"), model);
        Files.write(top.resolve("half-00001-of-00002.gguf"), model);
        Files.write(top.resolve("big-er-00001-of-00002.gguf"), model);
        Files.write(top.resolve("big-er-00002-of-00002.gguf"), model);
        Files.write(top.resolve("${PORT}.gguf"), model);
        Files.write(top.resolve("picked.gguf"), model);
        Files.write(top.resolve("cut.gguf"), Arrays.copyOf(model, 50));
        Files.createSymbolicLink(sub.resolve("loop"), top);
        Files.createSymbolicLink(top.resolve("same.gguf"), top.resolve("chat.gguf"));
        Path config = folder.resolve("c.yaml");
        Files.writeString(config, "startPort: " + Running.freePorts(8) + "\n" + Running.SIM
            + "  top: " + top + "\n  kind: gguf\n"
            + "discover:\n  - {dir: '${top}', match: '*.${kind}', ttl: 60,"
            + " cmd: '${sim} --file ${FILE} ${MMPROJ}'}\n  - {dir: /no/such/folder}\n"
            + "models: {chat: {cmd: '${sim}', description: mine}}\n"
            + "selectors: {picked: {targets: [chat]}}\n");
        String checked = Running.run(Running.JAVA, "--config", config.toString(),
            "--check-config");
        assertThat(checked).startsWith("0 ")
            .contains("model chat\n", "about: mine", "model sub/chat\n", "model big\n",
                "model big-er\n",
                "model it's a \"model\"\n", "--mmproj " + sub + "/mmproj-x.gguf",
                "about: qwen2 7B, ", "use tools; take 32768 tokens", "unloaded after 60 s",
                "half-00001-of-00002.gguf is left out: there are 1 of its 2 parts",
                "cut.gguf is left out: it is cut off", "${PORT}.gguf is left out",
                "picked is the name of something else")
            .doesNotContain("model same", "model chat-draft", "model mmproj");
        try (Running llmsnap = Running.start(config, "--watch-config")) {
            assertThat(llmsnap.chat("it's a \\\"model\\\"").statusCode()).isEqualTo(200);
            assertThat(llmsnap.get("/v1/models/sub/chat").body()).contains("\"context\":32768",
                "\"tools\":true");
            Files.write(top.resolve("new.gguf"), model);
            Running.await("it is there", () -> llmsnap.chat("new").statusCode() == 200);
            assertThat(llmsnap.running()).containsExactly("new:ready");
        }
    }

    @Test void theDashboardAsksForWhatThereIs() throws Exception {
        String dashboard = Files.readString(Path.of("scripts", "grafana.json"));
        Json.parse(dashboard);
        try (Running llmsnap = Running.start("memory: {vram: 1GB}\n" + TWO)) {
            llmsnap.chat("a");
            String page = llmsnap.get("/metrics").body();
            Matcher names = Pattern.compile("llmsnap_[a-z_]+").matcher(dashboard);
            while (names.find()) {
                String name = names.group().replaceFirst("_bucket$", "");
                assertThat(page).contains("# TYPE " + name + " ");
            }
        }
    }

    @Test void aPortThatAStrangerHoldsIsNotWaitedFor() throws Exception {
        int first = Running.freePorts(4);
        Path config = folder.resolve("c.yaml");
        Files.writeString(config, "startPort: " + first + "\n" + Running.SIM + TWO);
        try (var stranger = new ServerSocket(first, 1, InetAddress.getLoopbackAddress());
            Running llmsnap = Running.start(config)) {
            assertThat(stranger.isBound()).isTrue();
            assertThat(llmsnap.chat("a").statusCode()).isEqualTo(200);
            assertThat(llmsnap.output()).contains("port " + first + " is taken by another program",
                "port " + (first + 2) + " is used instead");
            assertThat(llmsnap.get("/running").body()).contains("--port " + (first + 2),
                "localhost:" + (first + 2));
            llmsnap.post("/api/reload", "");
            assertThat(llmsnap.running()).containsExactly("a:ready");
        }
    }
}
