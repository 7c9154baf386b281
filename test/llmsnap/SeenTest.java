package llmsnap;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Base64;
import java.util.List;
import llmsnap.text.Json;
import org.junit.jupiter.api.Test;

/** What happens on the machine can be read: on the terminal, in rows, in sentences. */
class SeenTest {
    private static final String ONE = "models: {a: {cmd: '${sim}', aliases: [nick]}}\n";

    @Test void debugTellsEachDecision() throws Exception {
        try (Running llmsnap = Running.start("logLevel: debug\n" + ONE)) {
            llmsnap.chat("nick");
            Running.await("the decisions", () -> llmsnap.output().contains("granted after"));
            assertThat(llmsnap.output())
                .contains("[DEBUG] \"nick\" means the model a\n")
                .containsPattern("request 1: for a, which is starting, position 1 in the queue,"
                    + " behind \\[], has to go: \\[], busy: \\[]")
                .containsPattern("request 1: granted after [0-9]+ ms")
                .containsPattern("model a: probe of http://localhost:[0-9]+: ");
        }
    }

    @Test void whatWentWrongComesBeforePagesOfHelp() throws Exception {
        String script = "echo error: no such device; for i in $(seq 60); do echo --flag-$i; echo;"
            + " done; exit 3";
        try (Running llmsnap = Running.start(
                "models: {a: {cmd: [sh, -c, '" + script + "'], proxy: 'http://localhost:1'}}\n")) {
            String said = llmsnap.chat("a").body();
            assertThat(said).contains("exited with code 3; its last lines:\\nerror: no such device")
                .contains("--flag-60").doesNotContain("--flag-40").doesNotContain("\\n\\n");
            Running.await("the lines", () -> llmsnap.output().contains("--flag-60"));
            assertThat(llmsnap.output())
                .contains("its last lines:\n    error: no such device\n    --flag-");
        }
    }

    @Test void aModelThatFailedSaysSoUntilItLoads() throws Exception {
        try (Running llmsnap = Running.start(
                "models: {a: {cmd: 'false', proxy: 'http://localhost:1'}}\n");
                EventStream events = new EventStream(llmsnap)) {
            llmsnap.chat("a");
            Running.await("the failure", () -> events.items("modelStatus").stream()
                .anyMatch(model -> "stopped".equals(model.text("state"))
                    && String.valueOf(model.text("failure")).contains("exited with code 1")
                    && ((Json.Num) model.at("failed_ms")).value() >= 0));
        }
    }

    @Test void whoAsksForChangesGetsOnlyTheModelThatChanged() throws Exception {
        try (Running llmsnap = Running.start("models: {a: {cmd: '${sim}'}, b: {cmd: '${sim}'}}\n");
                EventStream events = new EventStream(llmsnap, "?changes")) {
            Running.await("the first list", () -> events.items("modelStatus").size() == 2);
            llmsnap.chat("a");
            Running.await("its states", () -> events.items("modelChange").stream()
                .anyMatch(model -> "ready".equals(model.text("state"))));
            assertThat(events.items("modelChange")).extracting(model -> model.text("id"))
                .containsOnly("a");
            assertThat(events.items("modelStatus")).hasSize(2);
            llmsnap.post("/api/reload", "");
            Running.await("the list", () -> events.items("modelStatus").size() == 4);
        }
    }

    @Test void aPortOfOurOwnIsSaidToBeOurs() throws Exception {
        try (Running llmsnap = Running.start(ONE)) {
            assertThat(llmsnap.get("/health").statusCode()).isEqualTo(200);
            try (Running other = Running.start("models: {a: {cmd: 'sleep 9', proxy:"
                    + " 'http://127.0.0.1:" + llmsnap.port + "'}}\n")) {
                assertThat(other.chat("a").body())
                    .contains("port " + llmsnap.port + " is taken by another program (java ");
            }
            llmsnap.chat("a");
            String port = String.valueOf(Running.json(llmsnap.get("/running")).at("running"))
                .replaceFirst(".*localhost:([0-9]+).*", "$1");
            try (Running other = Running.start("models: {b: {cmd: 'sleep 9', proxy:"
                    + " 'http://127.0.0.1:" + port + "'}}\n")) {
                assertThat(other.chat("b").body()).containsPattern(
                    "port " + port + " is taken by java [0-9]+ \\(model a\\)");
            }
        }
    }

    @Test void peersOfTheSameModelAreReachedByTheirName() throws Exception {
        try (Running left = Running.start("models: {m: {cmd: '${sim} --name left'}}\n");
                Running right = Running.start("models: {m: {cmd: '${sim} --name right'}}\n");
                Running llmsnap = Running.start("""
                    models: {}
                    peers:
                      l: {proxy: 'http://127.0.0.1:%d', models: [m]}
                      r: {proxy: 'http://127.0.0.1:%d', models: [m]}
                    """.formatted(left.port, right.port))) {
            assertThat(llmsnap.chat("m").body()).contains("say which: l/m, r/m");
            assertThat(llmsnap.chat("l/m").body()).contains("left: ");
            assertThat(llmsnap.chat("r/m").body()).contains("right: ");
        }
    }

    @Test void aPictureInAChatIsOnlyDescribedInItsCapture() throws Exception {
        byte[] picture = new byte[2_200_000];
        for (int i = 0; i < picture.length; i++) picture[i] = (byte) (i * 31 ^ i >> 8);
        String url = "data:image/png;base64," + Base64.getEncoder().encodeToString(picture);
        try (Running llmsnap = Running.start(ONE)) {
            llmsnap.chat("a");
            llmsnap.chat("a", "\"messages\":[{\"image_url\":{\"url\":\"" + url + "\"}}]");
            Json.Obj capture = Running.json(llmsnap.get("/api/captures/2"));
            String asked = new String(
                Base64.getDecoder().decode(capture.text("req_body")), StandardCharsets.UTF_8);
            assertThat(asked).containsPattern("\"url\":\"image/png, 2.1 MB, sha256 [0-9a-f]{64}\"");
            assertThat(llmsnap.get("/api/captures/1").statusCode()).isEqualTo(200);
        }
    }

    @Test void pathsAndFormsOfAnyLengthCostTheirLength() throws Exception {
        try (Running llmsnap = Running.start(ONE)) {
            long start = System.nanoTime();
            String deep = llmsnap.raw("GET /upstream/" + "a/".repeat(150_000)
                + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
            assertThat(deep).containsPattern("HTTP/1.1 (404|400|409|414|200)|reset");
            String padded = "--b" + " ".repeat(1_000_000) + "\r\nContent-Disposition: form-data;"
                + " name=\"model\"\r\n\r\na\r\n--b--\r\n";
            HttpResponse<String> form = Running.send(llmsnap.request("/v1/audio/transcriptions")
                .header("Content-Type", "multipart/form-data; boundary=b")
                .POST(BodyPublishers.ofString(padded)));
            assertThat(form.statusCode()).isEqualTo(200);
            assertThat(Duration.ofNanos(System.nanoTime() - start))
                .isLessThan(Duration.ofSeconds(10));
        }
    }

    @Test void aCommandThatPutsItselfIntoTheBackgroundIsToldNotTo() throws Exception {
        try (Running llmsnap = Running.start(
                "models: {a: {cmd: [sh, -c, 'sleep 0 &'], proxy: 'http://localhost:1'}}\n")) {
            assertThat(llmsnap.chat("a").body())
                .contains("exited with code 0; the command must stay in the foreground");
        }
    }

    @Test void aStopCommandThatIsNotThereIsReplacedByASignal() throws Exception {
        try (Running llmsnap = Running.start(
                "models: {a: {cmd: '${sim}', cmdStop: 'no-such-program ${PID}'}}\n")) {
            llmsnap.chat("a");
            assertThat(llmsnap.post("/api/models/unload/a", "").statusCode()).isEqualTo(200);
            assertThat(llmsnap.running()).isEmpty();
            assertThat(llmsnap.output())
                .contains("there is no program \"no-such-program\"").contains("SIGTERM was sent");
        }
    }

    @Test void aTimedOutStartSaysWhatItMet() throws Exception {
        try (Running llmsnap = Running.start("""
            models:
              a: {cmd: '${sim} --ready-ms 100000', healthCheckTimeout: 15}
            """, "--watch-config")) {
            assertThat(llmsnap.chat("a").body()).contains("did not get ready within 15 s")
                .contains("it answered 503").contains("its last lines:");
        }
    }

    @Test void onlyNamedHostsMayControlAServerWithoutKeys() throws Exception {
        try (Running llmsnap = Running.start("allowedHosts: [models.example.com, .corp]\n" + ONE)) {
            for (String host : List.of("models.example.com", "x.corp", "nas.lan", "box.fritz.box",
                    "x.ts.net", "gpubox", "127.0.0.1")) {
                assertThat(asked(llmsnap, host)).as(host).contains("HTTP/1.1 200");
            }
            for (String host : List.of("evil.example.com", "corp.evil.org")) {
                assertThat(asked(llmsnap, host)).as(host).contains("HTTP/1.1 403")
                    .contains("allowedHosts: [" + host + "]");
            }
        }
    }

    private static String asked(Running llmsnap, String host) throws Exception {
        return llmsnap.raw("GET /running HTTP/1.1\r\nHost: " + host
            + "\r\nUser-Agent: Mozilla/5.0\r\nConnection: close\r\n\r\n");
    }
}
