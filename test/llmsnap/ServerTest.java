package llmsnap;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.function.IntFunction;
import llmsnap.text.Json;
import org.junit.jupiter.api.Test;

/**
 * The jar as a process, against simulated models over real sockets: the usual, and what goes wrong.
 */
class ServerTest {
    private static final String TWO = """
        models:
          a: {cmd: '${sim}', aliases: [one]}
          b: {cmd: '${sim}'}
        """;

    @Test void swapsOnDemandAndStreams() throws Exception {
        try (Running llmsnap = Running.start(TWO)) {
            assertThat(Running.json(llmsnap.chat("a")).at("model")).isEqualTo(new Json.Str("a"));
            assertThat(llmsnap.running()).containsExactly("a:ready");
            HttpResponse<String> streamed =
                llmsnap.chat("b", "\"stream\":true", "\"max_tokens\":5");
            assertThat(streamed.headers().firstValue("content-type")).contains("text/event-stream");
            assertThat(streamed.headers().firstValue("x-accel-buffering")).contains("no");
            assertThat(streamed.body().split("data: ")).hasSize(7);
            assertThat(streamed.body()).endsWith("data: [DONE]\n\n");
            assertThat(llmsnap.running()).containsExactly("b:ready");
            assertThat(llmsnap.chat("one").statusCode()).isEqualTo(200);
            assertThat(llmsnap.running()).containsExactly("a:ready");
            assertThat(llmsnap.get("/unload").body()).isEqualTo("OK");
            assertThat(llmsnap.running()).isEmpty();
        }
    }

    @Test void listsAndControls() throws Exception {
        try (Running llmsnap = Running.start("""
            includeAliasesInList: true
            models:
              b/x: {cmd: '${sim}', name: Bee, description: buzz, metadata: {n: 1.5}}
              a: {cmd: '${sim}', aliases: [z]}
              hidden: {cmd: '${sim}', unlisted: true}
            """)) {
            Json.Arr data = (Json.Arr) Running.json(llmsnap.get("/v1/models")).at("data");
            assertThat(data.items().stream().map(each -> ((Json.Obj) each).text("id")))
                .containsExactly("a", "b/x", "z");
            assertThat(data.items().get(1).toString())
                .contains("\"object\":\"model\"")
                .contains("""
                    "owned_by":"llmsnap","name":"Bee","description":"buzz",\
                    "meta":{"llamaswap":{"n":1.5}},"status":{"value":"unloaded","args":[""");
            assertThat(data.items().get(0).toString())
                .doesNotContain("meta")
                .doesNotContain("\"name\":");
            assertThat(llmsnap.post("/api/models/load/b/x", "").body()).isEqualTo("OK");
            assertThat(llmsnap.get("/v1/models").body())
                .contains("\"status\":{\"value\":\"loaded\",");
            Json.Obj running =
                (Json.Obj)
                    ((Json.Arr) Running.json(llmsnap.get("/running")).at("running"))
                        .items()
                        .getFirst();
            assertThat(running.entries().keySet())
                .containsExactly(
                    "model", "state", "cmd", "proxy", "ttl", "name", "description");
            assertThat(llmsnap.post("/api/models/unload/b%2Fx", "").body()).isEqualTo("OK");
            assertThat(llmsnap.running()).isEmpty();
            assertThat(llmsnap.post("/api/models/unload", "").body()).isEqualTo("{\"msg\":\"ok\"}");
            assertThat(llmsnap.post("/api/models/unload/nope", "").statusCode()).isEqualTo(404);
            assertThat(llmsnap.get("/health").body()).isEqualTo("OK");
            assertThat(Running.json(llmsnap.get("/api/version")).entries().keySet())
                .containsExactly("version", "commit", "build_date");
            assertThat(llmsnap.get("/ui").body()).contains("llmsnap");
            assertThat(llmsnap.get("/").headers().firstValue("location")).contains("/ui");
        }
    }

    @Test void editsOnlyWhatTheConfigurationSays() throws Exception {
        try (Running llmsnap = Running.start("""
            models:
              a:
                cmd: '${sim}'
                useModelName: real
                filters: {stripParams: 'temperature, k.t', setParams: {top_p: 0.5}}
            """)) {
            // /v1/rerank is answered with what was received
            Json.Obj echo =
                Running.json(
                    llmsnap.post(
                        "/v1/rerank?q=%20x&y",
                        "{ \"k\":{\"t\":1,\"u\":1.50},\"temperature\":1,"
                            + " \"temper\\u0061ture\":2,"
                            + " \"x\":\"\\u00e9\",\"model\":\"a\"}"));
            assertThat(echo.text("body"))
                .isEqualTo(
                    "{ \"k\":{\"u\":1.50},"
                        + " \"x\":\"\\u00e9\",\"model\":\"real\",\"top_p\":0.5}");
            assertThat(echo.text("path")).isEqualTo("/v1/rerank?q=%20x&y");
            assertThat(echo.text("headers", "Host")).startsWith("localhost:");
        }
    }

    @Test void hopByHopHeadersStayBehind() throws Exception {
        try (Running llmsnap = Running.start(TWO)) {
            String body = "{\"model\":\"a\"}";
            String answer =
                llmsnap.raw(
                    "POST /v1/rerank HTTP/1.1\r\n"
                        + "Host: public.example\r\n"
                        + "Connection: close, X-Drop\r\n"
                        + "X-Drop: 1\r\n"
                        + "X-Keep: 2\r\n"
                        + "TE: trailers\r\n"
                        + "Authorization: Bearer mine\r\n"
                        + "Accept-Encoding: br, gzip;q=0.5, zstd\r\n"
                        + "Expect: 100-continue\r\n"
                        + "Content-Length: "
                            + body.length()
                            + "\r\n\r\n"
                            + body);
            assertThat(answer)
                .containsIgnoringCase("\"X-Keep\":\"2\"")
                .contains("\"Accept-Encoding\":\"identity\"")
                .contains("Bearer mine")
                .doesNotContainIgnoringCase("x-drop")
                .doesNotContain("trailers")
                .doesNotContain("public.example")
                .doesNotContain("Upgrade")
                .doesNotContain("Java-http-client");
        }
    }

    @Test void errorsInTheRoutesOwnForm() throws Exception {
        try (Running llmsnap = Running.start(TWO)) {
            HttpResponse<String> unknown = llmsnap.chat("aa");
            assertThat(unknown.statusCode()).isEqualTo(404);
            assertThat(unknown.body()).isEqualTo("""
                {"error":{"message":"there is no model \\"aa\\"; did you mean \\"a\\"?",\
                "type":"invalid_request_error","param":"model","code":"model_not_found"}}""");
            HttpResponse<String> anthropic =
                llmsnap.post("/v1/messages", "{\"model\":\"nothing like it\"}");
            assertThat(anthropic.statusCode()).isEqualTo(404);
            assertThat(anthropic.body()).isEqualTo("""
                {"type":"error","error":{"type":"not_found_error","message":"there is no model \
                \\"nothing like it\\"; there are a, b"}}""");
            assertThat(llmsnap.post("/v1/chat/completions", "{\"model\":\"a\"").statusCode())
                .isEqualTo(400);
            assertThat(llmsnap.post("/v1/chat/completions", "{\"model\":7}").body())
                .contains("names no model");
            assertThat(llmsnap.post("/nothing", "{}").statusCode()).isEqualTo(404);
            assertThat(llmsnap.get("/v1/chat/completions").statusCode()).isEqualTo(405);
            assertThat(llmsnap.running()).isEmpty();
        }
    }

    static List<HttpResponse<String>> together(
        int count, IntFunction<HttpResponse<String>> call) throws Exception {
        try (ExecutorService pool = Executors.newVirtualThreadPerTaskExecutor()) {
            List<Future<HttpResponse<String>>> futures = new ArrayList<>();
            for (int i = 0; i < count; i++) {
                int number = i;
                futures.add(pool.submit(() -> call.apply(number)));
            }
            List<HttpResponse<String>> answers = new ArrayList<>();
            for (Future<HttpResponse<String>> future : futures) {
                answers.add(future.get(60, TimeUnit.SECONDS));
            }
            return answers;
        }
    }

    @Test void aStampedeStartsOneProcess() throws Exception {
        try (Running llmsnap = Running.start("models:\n  a: {cmd: '${sim} --ready-ms 300'}\n")) {
            assertThat(together(50, i -> llmsnap.chat("a")))
                .allMatch(answer -> answer.statusCode() == 200);
            assertThat(llmsnap.count("model a: starting")).isEqualTo(1);
        }
    }

    @Test void modelsOfANonSwappingGroupLiveTogether() throws Exception {
        try (Running llmsnap =
            Running.start(TWO + "groups: {g: {swap: false, members: [a, b]}}\n")) {
            together(2, i -> llmsnap.chat(i == 0 ? "a" : "b"));
            assertThat(llmsnap.running()).containsExactlyInAnyOrder("a:ready", "b:ready");
        }
    }

    @Test void aModelThatDiesAtStartFailsAtOnceWithItsReason() throws Exception {
        try (Running llmsnap = Running.start("""
            models:
              a: {cmd: '${sim} --exit 3'}
              b: {cmd: '${sim}'}
              c: {cmd: no-such-program-anywhere, proxy: 'http://127.0.0.1:1'}
            """)) {
            HttpResponse<String> answer = llmsnap.chat("a");
            assertThat(answer.statusCode()).isEqualTo(502);
            assertThat(answer.body())
                .contains("exited with code 3")
                .contains("a: error: simulated failure");
            assertThat(llmsnap.chat("c").body())
                .contains("there is no program \\\"no-such-program-anywhere\\\"");
            assertThat(llmsnap.chat("b").statusCode()).isEqualTo(200);
            llmsnap.chat("a");
            llmsnap.chat("a");
            assertThat(llmsnap.chat("a").body())
                .contains("failed to start 3 times in a row and is not tried again for");
            assertThat(llmsnap.count("model a: starting")).isEqualTo(3);
        }
    }

    @Test void anAnswerThatIsCutLooksCut() throws Exception {
        try (Running llmsnap = Running.start(TWO)) {
            for (String how : List.of("die_after", "cut_after")) {
                String answer =
                    llmsnap.raw(
                        Running.rawChat(
                            "{\"model\":\"a\",\"stream\":true,\"sim\":{\""
                                + how
                                + "\":3,\"token_ms\":20}}"));
                assertThat(answer).contains("this").endsWith("\r\n").doesNotContain("\r\n0\r\n");
            }
            String half = "HTTP/1.1 200 OK\\r\\nContent-Length: 100\\r\\n\\r\\nhalf";
            assertThat(
                            llmsnap.raw(
                                Running.rawChat(
                                    "{\"model\":\"a\",\"sim\":{\"raw\":\""
                                        + half
                                        + "\"}}")))
                .contains("Content-length: 100")
                .endsWith("half");
            assertThat(llmsnap.chat("a").statusCode()).isEqualTo(200);
        }
    }

    @Test void aProcessThatDiesBeforeItsAnswerIsStartedOnceMore() throws Exception {
        Path flag = Files.createTempDirectory("llmsnap-test").resolve("died");
        try (Running llmsnap = Running.start(TWO)) {
            assertThat(llmsnap.chat("a", "\"sim\":{\"die_once\":\"" + flag + "\"}").statusCode())
                .isEqualTo(200);
            assertThat(flag).exists();
            assertThat(llmsnap.count("model a: starting")).isEqualTo(2);
        }
    }

    @Test void answersOfUnclearLengthAreRefused() throws Exception {
        try (Running llmsnap = Running.start(TWO)) {
            for (String head :
                List.of(
                    "Content-Length: 1\\r\\nContent-Length: 2",
                    "Content-Length: x",
                    "Content-Length: -5",
                    "Content-Length: 2\\r\\nTransfer-Encoding: chunked",
                    "Transfer-Encoding: gzip, chunked",
                    "X-E: a\\u0001b")) {
                assertThat(
                                llmsnap.chat(
                                                "a",
                                                "\"sim\":{\"raw\":\"HTTP/1.1 200 OK\\r\\n"
                                                    + head
                                                    + "\\r\\n\\r\\nxx\"}")
                                    .statusCode())
                    .as(head)
                    .isEqualTo(502);
            }
            assertThat(llmsnap.count("model a: starting")).isEqualTo(1);
        }
    }

    @Test void aModelThatIgnoresSigtermIsKilled() throws Exception {
        try (Running llmsnap = Running.start("""
            models:
              a: {cmd: '${slow_sim} --ignore-term', unloadTimeout: 1}
            """)) {
            llmsnap.chat("a");
            assertThat(llmsnap.get("/unload").statusCode()).isEqualTo(200);
            assertThat(llmsnap.output()).contains("did not exit within 1 s, killing it");
            assertThat(Running.processesWith("LLMSNAP_RUN=" + llmsnap.process.pid())).isEmpty();
        }
    }

    @Test void theWholeTreeGoes() throws Exception {
        String script =
            "bash -c 'sleep 3001 & setsid sleep 3002 & (setsid sleep 3003 </dev/null &) ;"
                + " ${sim}; true'";
        try (Running llmsnap = Running.start("models:\n  a:\n    cmd: |\n      " + script + "\n")) {
            String mark = "LLMSNAP_RUN=" + llmsnap.process.pid();
            assertThat(llmsnap.chat("a").statusCode()).isEqualTo(200);
            assertThat(Running.processesWith(mark)).hasSize(5);
            llmsnap.get("/unload");
            assertThat(Running.processesWith(mark)).isEmpty();
            // and when the server dies by itself, with children that hold its stdout open
            llmsnap.chat("a", "\"stream\":true", "\"sim\":{\"die_after\":1}").body();
        } catch (UncheckedIOException cut) {
            assertThat(cut).hasMessageContaining("chunked");
        }
    }

    @Test void aFloodOfLogHoldsNobodyUp() throws Exception {
        try (Running llmsnap = Running.start("""
            logToStdout: both
            models:
              a: {cmd: '${sim} --flood 50000000'}
            """)) {
            assertThat(llmsnap.chat("a").statusCode()).isEqualTo(200);
        }
    }

    @Test void aLoadThatHangsCanBeUnloaded() throws Exception {
        try (Running llmsnap = Running.start("models:\n  a: {cmd: '${sim} --hang-health'}\n");
            ExecutorService pool = Executors.newVirtualThreadPerTaskExecutor()) {
            Future<HttpResponse<String>> waiting = pool.submit(() -> llmsnap.chat("a"));
            Running.await("starting", () -> llmsnap.running().equals(List.of("a:starting")));
            llmsnap.post("/api/models/unload/a", "");
            assertThat(waiting.get().statusCode()).isEqualTo(502);
            assertThat(waiting.get().body()).contains("was unloaded while it was loading");
            assertThat(llmsnap.count("model a: starting")).isEqualTo(1);
        }
    }

    @Test void anUnloadBreaksOffWhatIsInFlight() throws Exception {
        try (Running llmsnap = Running.start(TWO);
            Socket client = llmsnap.connect()) {
            llmsnap.chat("a");
            client.getOutputStream()
                .write(Running.rawChat("""
                    {"model":"a","stream":true,"max_tokens":1000,\
                    "sim":{"token_ms":50}}""").getBytes(StandardCharsets.US_ASCII));
            assertThat(client.getInputStream().read()).isEqualTo('H');
            assertThat(llmsnap.get("/unload").body()).isEqualTo("OK");
            String rest =
                new String(client.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            assertThat(rest).doesNotContain("[DONE]").doesNotContain("\r\n0\r\n");
            assertThat(llmsnap.count("model a: starting")).isEqualTo(1);
        }
    }

    @Test void aTakenPortIsSaid() throws Exception {
        try (ServerSocket stranger = new ServerSocket(0, 10, InetAddress.getLoopbackAddress());
            Running llmsnap =
                Running.start(
                    "models:\n  a: {cmd: 'sleep 1000', proxy: 'http://localhost:"
                        + stranger.getLocalPort()
                        + "'}\n")) {
            HttpResponse<String> answer = llmsnap.chat("a");
            assertThat(answer.statusCode()).isEqualTo(502);
            assertThat(answer.body())
                .contains("port " + stranger.getLocalPort() + " is taken by another program");
        }
    }

    @Test void clientsThatLeaveFreeTheirPlace() throws Exception {
        try (Running llmsnap = Running.start("""
            logToStdout: both
            models:
              a: {cmd: '${sim}', concurrencyLimit: 1}
              b: {cmd: '${sim} --ready-ms 100000'}
            """)) {
            llmsnap.chat("a");
            int probe = 0;
            for (String sim :
                List.of("{\"model\":\"a\",\"sim\":{\"reply_ms\":100000}}", """
                    {"model":"a","stream":true,"max_tokens":100000,"sim":{"token_ms":100}}""")) {
                String marker = "?probe=" + ++probe;
                try (Socket client = llmsnap.connect()) {
                    client.getOutputStream()
                        .write(
                            Running.rawChat(sim)
                                .replace(
                                    "completions HTTP",
                                    "completions" + marker + " HTTP")
                                .getBytes(StandardCharsets.US_ASCII));
                    Running.await("it is in flight", () -> llmsnap.output().contains(marker));
                    assertThat(llmsnap.chat("a").statusCode()).isEqualTo(429);
                }
                long left = System.nanoTime();
                Running.await("the place is free", () -> llmsnap.chat("a").statusCode() == 200);
                assertThat(System.nanoTime() - left)
                    .isLessThan(TimeUnit.MILLISECONDS.toNanos(2500));
            }
            // while it waits for a load
            try (Socket client = llmsnap.connect()) {
                client.getOutputStream()
                    .write(
                        Running.rawChat("{\"model\":\"b\"}")
                            .getBytes(StandardCharsets.US_ASCII));
                Running.await("loading", () -> llmsnap.running().contains("b:starting"));
            }
            Running.await("noticed", () -> llmsnap.output().contains(": the client left"));
            assertThat(llmsnap.chat("a").statusCode())
                .isEqualTo(200); // b loads for nobody and makes room
        }
    }

    @Test void ttlUnloads() throws Exception {
        try (Running llmsnap = Running.start("models:\n  a: {cmd: '${sim}', ttl: 1}\n")) {
            llmsnap.chat("a");
            long used = System.nanoTime();
            Running.await("unloaded", () -> llmsnap.output().contains("model a: stopping"));
            // Counted from when the answer has come, which under load is later than its end.
            assertThat(System.nanoTime() - used)
                .isBetween(
                    TimeUnit.MILLISECONDS.toNanos(400),
                    TimeUnit.MILLISECONDS.toNanos(5000));
            assertThat(llmsnap.output()).contains("idle for its ttl of 1 s");
        }
    }

    @Test void largeBodiesArriveAsTheyWere() throws Exception {
        try (Running llmsnap = Running.start(TWO)) {
            String text = "x".repeat(8 << 20);
            assertThat(
                            Running.json(
                                            llmsnap.post(
                                                "/v1/rerank",
                                                "{\"text\":\"" + text + "\",\"model\":\"a\"}"))
                                .at("length"))
                .isEqualTo(new Json.Num(String.valueOf(text.length() + 23)));
        }
    }

    @Test void aSignalEndsEverything() throws Exception {
        for (String signal : List.of("TERM", "INT")) {
            Running llmsnap = Running.start(TWO + "groups: {g: {swap: false, members: [a, b]}}\n");
            together(2, i -> llmsnap.chat(i == 0 ? "a" : "b"));
            new ProcessBuilder("kill", "-" + signal, String.valueOf(llmsnap.process.pid()))
                .start()
                .waitFor();
            assertThat(llmsnap.process.waitFor(20, TimeUnit.SECONDS)).isTrue();
            assertThat(llmsnap.process.exitValue()).isZero();
            llmsnap.close();
        }
    }

    @Test void aSignalLetsRequestsInFlightEnd() throws Exception {
        Running llmsnap = Running.start(TWO);
        try (Socket flying = llmsnap.connect();
            Socket queued = llmsnap.connect()) {
            flying.getOutputStream()
                .write(Running.rawChat("""
                    {"model":"a","stream":true,"max_tokens":30,\
                    "sim":{"token_ms":100}}""").getBytes(StandardCharsets.US_ASCII));
            assertThat(flying.getInputStream().read()).isEqualTo('H');
            queued.getOutputStream()
                .write(
                    Running.rawChat("{\"model\":\"b\"}")
                        .getBytes(StandardCharsets.US_ASCII));
            for (int i = 0; i < 50; i++) llmsnap.get("/health"); // by now the other one waits
            llmsnap.terminate();
            assertThat(
                            new String(
                                queued.getInputStream().readAllBytes(),
                                StandardCharsets.US_ASCII))
                .startsWith("HTTP/1.1 503");
            assertThat(
                            new String(
                                flying.getInputStream().readAllBytes(),
                                StandardCharsets.US_ASCII))
                .contains("[DONE]")
                .endsWith("\r\n0\r\n\r\n");
        }
        assertThat(llmsnap.process.waitFor(20, TimeUnit.SECONDS)).isTrue();
        llmsnap.close();
    }

    @Test void aSecondSignalKillsAtOnce() throws Exception {
        Running llmsnap = Running.start("""
            models:
              a: {cmd: '${slow_sim} --ignore-term', unloadTimeout: 60}
            """);
        llmsnap.chat("a");
        llmsnap.terminate();
        Running.await("stopping", () -> llmsnap.output().contains("model a: stopping"));
        llmsnap.terminate();
        assertThat(llmsnap.process.waitFor(10, TimeUnit.SECONDS)).isTrue();
        assertThat(llmsnap.process.exitValue()).isEqualTo(130);
        Running.await(
            "all gone",
            () ->
                Running.processesWith("LLMSNAP_RUN=" + llmsnap.process.pid() + "-")
                    .isEmpty());
    }

    @Test void newRequestsAreRefusedCleanlyWhenTheServerIsGone() throws Exception {
        Running llmsnap = Running.start(TWO);
        llmsnap.close();
        assertThatThrownBy(() -> llmsnap.get("/health")).hasCauseInstanceOf(IOException.class);
    }
}
