package llmsnap;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.zip.GZIPOutputStream;
import llmsnap.text.Json;
import org.junit.jupiter.api.Test;

/** Faults that people, their bug reports and attacks found: each with the input that showed it. */
class MendTest {
    private static final String ONE = "models: {a: {cmd: '${sim}', aliases: ['${MODEL_ID}:b']}}\n";

    // ---- left-overs

    @Test void modelsOfAServerInAnotherPidNamespaceAreLeftAlone() throws Exception {
        String foreign = "LLMSNAP_RUN=999999-1-1-" + "0.1";
        Process container = new ProcessBuilder("env", foreign, "sleep", "1000").start();
        Process odd = new ProcessBuilder(
            "env", "LLMSNAP_RUN=99999999999999999999-1.1", "sleep", "1000").start();
        try (Running llmsnap = Running.start(ONE)) {
            assertThat(llmsnap.chat("a").statusCode()).isEqualTo(200);
            assertThat(container.isAlive()).isTrue();
            assertThat(odd.isAlive()).isTrue();
            assertThat(llmsnap.output()).doesNotContain("NumberFormatException");
        } finally {
            container.destroyForcibly();
            odd.destroyForcibly();
        }
    }

    @Test void aLeftOverIsNamedWithItsModelAndItsServer() throws Exception {
        Path file = Running.config(ONE);
        Running first = Running.start(file);
        first.chat("a");
        first.process.destroyForcibly().waitFor();
        try (Running second = Running.start(file)) {
            assertThat(second.chat("a").statusCode()).isEqualTo(200);
            assertThat(second.output()).containsPattern("ending java [0-9]+ \\(model a\\), left by"
                + " llmsnap " + first.process.pid() + " which died without stopping it");
        }
    }

    // ---- what comes back from models

    private static String raw(String answer) {
        return "\"sim\":{\"raw\":" + Json.of(answer) + "}";
    }

    @Test void aHeaderOfAModelWithAControlCharacterInItIsRefused() throws Exception {
        try (Running llmsnap = Running.start(ONE)) {
            HttpResponse<String> answer = llmsnap.chat("a",
                raw("HTTP/1.1 200 OK\r\nX: a\u0001b\r\nContent-Length: 0\r\n\r\n"));
            assertThat(answer.statusCode()).isEqualTo(502);
        }
    }

    @Test void aStreamThatEndsInAnErrorEventIsARedRow() throws Exception {
        try (Running llmsnap = Running.start(ONE)) {
            String said = "data: {\"choices\":[{\"delta\":{\"content\":\"well\"}}]}\n\n"
                + "data: {\"error\":{\"code\":500,\"message\":\"Context size has been exceeded.\"}}"
                + "\n\n";
            HttpResponse<String> answer = llmsnap.chat("a", "\"stream\":true",
                raw("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: "
                    + said.length() + "\r\n\r\n" + said));
            assertThat(answer.body()).isEqualTo(said);
            String rows = llmsnap.get("/api/metrics").body();
            assertThat(rows).contains("\"status\":500", "\"cause\":\"model_error\"",
                "\"error\":\"Context size has been exceeded.\"", "\"output_tokens\":1",
                "\"estimated\":true");
            assertThat(llmsnap.get("/metrics").body())
                .contains("llmsnap_errors_total{model=\"a\"} 1");
        }
    }

    @Test void anErrorAnswerOfAModelSaysItsMessageInTheRow() throws Exception {
        try (Running llmsnap = Running.start(ONE)) {
            String said = "{\"error\":\"no such voice\"}";
            llmsnap.chat("a", raw("HTTP/1.1 400 Bad\r\nContent-Type: application/json\r\n"
                + "Content-Length: " + said.length() + "\r\n\r\n" + said));
            assertThat(llmsnap.get("/api/metrics").body())
                .contains("\"status\":400", "\"error\":\"no such voice\"");
        }
    }

    // ---- what goes in

    @Test void pathsWithOddSlashesReachTheServerAsTheirRoute() throws Exception {
        try (Running llmsnap = Running.start(ONE)) {
            for (String path : List.of("/v1//score", "//v1/score", "/v1/score/")) {
                HttpResponse<String> answer = llmsnap.post(path, "{\"model\":\"a\"}");
                assertThat(answer.body()).as(path).contains("\"path\":\"/v1/score\"");
            }
            assertThat(llmsnap.post("/v/rerank", "{\"model\":\"a\"}").body())
                .contains("\"path\":\"/rerank\"");
            assertThat(llmsnap.post("/chat/completions", "{\"model\":\"a\"}").statusCode())
                .isEqualTo(200);
            assertThat(llmsnap.get("/v1/audio/models").statusCode()).isEqualTo(404);
            assertThat(llmsnap.get("/sdapi/v1/loras?model=a").statusCode()).isEqualTo(200);
        }
    }

    @Test void compressedBodiesAndByteOrderMarksAreUndone() throws Exception {
        try (Running llmsnap = Running.start(ONE)) {
            var packed = new ByteArrayOutputStream();
            try (OutputStream gzip = new GZIPOutputStream(packed)) {
                gzip.write("{\"model\":\"a\",\"n\":1}".getBytes(StandardCharsets.UTF_8));
            }
            HttpResponse<String> answer = Running.send(llmsnap.request("/v1/score")
                .header("Content-Encoding", "gzip")
                .POST(BodyPublishers.ofByteArray(packed.toByteArray())));
            assertThat(answer.body()).contains("{\\\"model\\\":\\\"a\\\",\\\"n\\\":1}")
                .doesNotContainIgnoringCase("content-encoding");
            HttpResponse<String> unknown = Running.send(llmsnap.request("/v1/score")
                .header("Content-Encoding", "zstd").POST(BodyPublishers.ofString("x")));
            assertThat(unknown.statusCode()).isEqualTo(415);
            assertThat(unknown.headers().firstValue("Accept-Encoding")).contains("gzip, deflate");
            assertThat(llmsnap.post("/v1/score", "\uFEFF{\"model\":\"a\"}").statusCode())
                .isEqualTo(200);
        }
    }

    @Test void aFormWithoutATemporaryFolderIsRefusedWithASentence() throws Exception {
        List<String> java = List.of(Running.JAVA, "-Djava.io.tmpdir=/nonexistent-dir");
        try (Running llmsnap = Running.start(Running.config(ONE), 0, java)) {
            String form = "--x\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n"
                + "y".repeat(40 << 20) + "\r\n--x\r\nContent-Disposition: form-data; name=\"model\""
                + "\r\n\r\na\r\n--x--\r\n";
            HttpResponse<String> answer = Running.send(
                llmsnap.request("/v1/audio/transcriptions")
                    .header("Content-Type", "multipart/form-data; boundary=x")
                    .POST(BodyPublishers.ofString(form)));
            assertThat(answer.statusCode()).isEqualTo(507);
            assertThat(answer.body()).contains("/nonexistent-dir", "java.io.tmpdir");
        }
    }

    @Test void everyAnswerOfAModelRouteMayBeReadByThePageThatAsked() throws Exception {
        try (Running llmsnap = Running.start("apiKeys: [k]\n" + ONE)) {
            for (String key : List.of("k", "wrong")) {
                HttpResponse<String> answer = Running.send(llmsnap.request("/v1/chat/completions")
                    .header("Origin", "http://page.example")
                    .header("Authorization", "Bearer " + key)
                    .POST(BodyPublishers.ofString("{\"model\":\"none\"}")));
                assertThat(answer.headers().allValues("Access-Control-Allow-Origin"))
                    .as(answer.body()).containsExactly("http://page.example");
            }
        }
    }

    // ---- looks, unloads, reloads

    @Test void aLookDoesNotLoadAModel() throws Exception {
        try (Running llmsnap = Running.start(ONE)) {
            for (String path : List.of("/upstream/a/props", "/upstream/a/health")) {
                assertThat(llmsnap.get(path).statusCode()).as(path).isEqualTo(409);
            }
            assertThat(llmsnap.get("/props?model=a&autoload=false").statusCode()).isEqualTo(400);
            assertThat(Running.send(llmsnap.request("/upstream/a/x.js").GET()
                .header("User-Agent", "Mozilla/5.0")).statusCode()).isEqualTo(409);
            assertThat(llmsnap.running()).isEmpty();
            llmsnap.chat("a");
            assertThat(llmsnap.get("/upstream/a/x.js").statusCode()).isEqualTo(200);
        }
    }

    @Test void anUnloadReachesAModelThatAReloadRemovedWhileItWasBusy() throws Exception {
        try (Running llmsnap = Running.start("""
            models:
              b: {cmd: '${sim}'}
            # end
              a: {cmd: '${sim}'}
            """)) {
            llmsnap.chat("a");
            CompletableFuture<HttpResponse<String>> busy = CompletableFuture.supplyAsync(
                () -> llmsnap.chat("a", "\"sim\":{\"reply_ms\":60000}"));
            Running.await("in flight", () -> llmsnap.get("/metrics").body()
                .contains("llmsnap_requests_in_flight{model=\"a\"} 1"));
            LifeTest.replace(llmsnap.config, LifeTest.with(llmsnap, ""));
            llmsnap.post("/api/reload", "");
            assertThat(llmsnap.running()).containsExactly("a:ready");
            assertThat(llmsnap.post("/api/models/sleep/a", "").statusCode()).isEqualTo(400);
            assertThat(llmsnap.get("/unload").body()).isEqualTo("OK");
            assertThat(llmsnap.running()).isEmpty();
            assertThat(busy.get(10, TimeUnit.SECONDS).statusCode()).isEqualTo(502);
        }
    }

    @Test void anUnloadByTheBodyOfARouterUnloadsThatModelOnly() throws Exception {
        try (Running llmsnap = Running.start("""
            groups: {g: {swap: false, members: [a, b]}}
            models: {a: {cmd: '${sim}'}, b: {cmd: '${sim}'}}
            """)) {
            llmsnap.chat("a");
            llmsnap.chat("b");
            assertThat(llmsnap.post("/models/unload", "{\"model\":\"a\"}").statusCode())
                .isEqualTo(200);
            Running.await("a is gone", () -> llmsnap.count("model a: stopped") == 1);
            assertThat(llmsnap.running()).containsExactly("b:ready");
        }
    }

    @Test void aReloadToAFileWithoutModelsChangesNothing() throws Exception {
        try (Running llmsnap = Running.start(ONE)) {
            llmsnap.chat("a");
            Files.writeString(llmsnap.config, "models: {}\n");
            HttpResponse<String> answer = llmsnap.post("/api/reload", "");
            assertThat(answer.statusCode()).isEqualTo(400);
            assertThat(answer.body()).contains("has no model any more");
            assertThat(llmsnap.running()).containsExactly("a:ready");
        }
    }

    // ---- said on the terminal

    @Test void theLogSaysWhichModelAndWhy() throws Exception {
        try (Running llmsnap = Running.start("""
            models:
              alpha: {cmd: '${sim}'}
              dead: {cmd: '${sim} --exit 3'}
            """)) {
            llmsnap.chat("alpha", "\"max_tokens\":4");
            llmsnap.chat("aplha");
            llmsnap.chat("dead");
            Running.await("said", () -> llmsnap.output().contains(" 502 dead "));
            assertThat(llmsnap.output())
                .containsPattern("200 alpha 4 tok [0-9]+ tok/s [0-9]+ bytes")
                .contains("404 aplha ", "did you mean \"alpha\"?")
                .containsPattern("502 dead .*exited with code 3")
                .containsPattern("model alpha: ready after [0-9.]+ s");
        }
    }

    @Test void linesOfModelsAreToldFromOursAndAreNeverGlued() throws Exception {
        try (Running llmsnap = Running.start("""
            logToStdout: both
            models:
              q: {cmd: "bash -c 'printf one; printf half; exit 3' ${PORT}"}
              none: {cmd: "bash -c 'exit 3' ${PORT}"}
            """)) {
            llmsnap.chat("q");
            llmsnap.chat("none");
            Running.await("said", () -> llmsnap.output().contains(" 502 none "));
            assertThat(llmsnap.output().lines())
                .contains("q: onehalf")
                .noneMatch(line -> line.matches("(q|none): *(\\[.*)?"));
        }
    }

    @Test void aModelThatSomebodyElseStartsIsOnlyAsked() throws Exception {
        int port = Running.freePorts(1);
        Process other = simulated(port);
        try (Running llmsnap = Running.start(
            "models: {a: {proxy: 'http://127.0.0.1:" + port + "'}}\n")) {
            assertThat(llmsnap.chat("a").statusCode()).isEqualTo(200);
            assertThat(llmsnap.running()).containsExactly("a:attached");
            llmsnap.get("/unload");
            assertThat(other.isAlive()).isTrue();
        } finally {
            other.destroyForcibly().waitFor(10, TimeUnit.SECONDS);
        }
    }

    private static Process simulated(int port) throws IOException {
        return new ProcessBuilder(Running.JAVA, "-cp", Running.JAR.toString(),
            "llmsnap.demo.SimulatedModel", "--port", String.valueOf(port))
            .redirectErrorStream(true).redirectOutput(ProcessBuilder.Redirect.DISCARD).start();
    }
}
