package llmsnap;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import llmsnap.text.Json;
import llmsnap.text.Malformed;
import org.junit.jupiter.api.Test;

/**
 * What a person or a monitoring system gets to know: events, rows, captures, counts, explanations,
 * logs of the past.
 */
class InsightTest {
    private static final String TWO = """
        models:
          a: {cmd: '${sim}', aliases: [x]}
          b: {cmd: '${sim} --ready-ms 300', unlisted: true}
          broken: {cmd: '${sim} --exit 3'}
        """;

    private static List<Json.Obj> rows(Running llmsnap) {
        try {
            return ((Json.Arr) Json.parse(llmsnap.get("/api/metrics").body()))
                .items().stream().map(row -> (Json.Obj) row).toList();
        } catch (Malformed e) {
            throw new AssertionError(e);
        }
    }

    private static long number(Json.Obj from, String key) {
        return (long) ((Json.Num) from.at(key)).value();
    }

    private static CompletableFuture<HttpResponse<String>> inBackground(
        Running llmsnap, String model, String... more) {
        return CompletableFuture.supplyAsync(
            () -> llmsnap.chat(model, more), task -> Thread.ofVirtual().start(task));
    }

    // ---- events

    @Test void aReaderSeesEverythingAsItIsAndThenEveryState() throws Exception {
        try (Running llmsnap =
                        Running.start(
                            TWO
                                + "peers: {far: {proxy: 'http://127.0.0.1:1', models:"
                                + " [p]}}\n");
            EventStream stream = new EventStream(llmsnap)) {
            Running.await("the beginning", () -> stream.events.size() >= 5);
            assertThat(stream.types().subList(0, 5))
                .containsExactly("modelStatus", "metrics", "logData", "logData", "inflight");
            assertThat(
                            stream.items("modelStatus").stream()
                                .map(
                                    item ->
                                        item.text("id")
                                            + ":"
                                            + item.text("state")
                                            + ":"
                                            + item.text("peerID")))
                .containsExactly(
                    "a:stopped:", "b:stopped:", "broken:stopped:", "p:unknown:far");
            llmsnap.chat("a");
            llmsnap.chat("x", "\"stream\":true");
            llmsnap.chat("b");
            llmsnap.chat("broken");
            Running.await("four rows", () -> stream.items("metrics").size() == 4);
            Running.await("all at rest", () -> stream.states("broken").size() == 4);
            assertThat(stream.states("a"))
                .containsExactly("stopped", "starting", "ready", "stopping", "stopped");
            assertThat(stream.states("b"))
                .containsExactly("stopped", "starting", "ready", "stopping", "stopped");
            assertThat(stream.states("broken"))
                .containsExactly("stopped", "starting", "stopping", "stopped");
            assertThat(stream.items("metrics")).isEqualTo(rows(llmsnap));
            Running.await(
                "both logs",
                () ->
                    stream.log("proxy").contains("model b: ready")
                        && stream.log("upstream").contains("b: listening"));
            Running.await(
                "nothing in flight at the end",
                () ->
                    stream.events.stream()
                        .filter(event -> event.type().equals("inflight"))
                        .toList()
                        .getLast()
                        .data()
                        .toString()
                        .equals("[]"));
            try (EventStream late = new EventStream(llmsnap)) {
                Running.await("a late one", () -> late.events.size() >= 4);
                assertThat(late.items("metrics")).isEqualTo(rows(llmsnap));
                assertThat(late.log("proxy")).contains("model a: starting");
            }
        }
    }

    @Test void aReloadKeepsTheStreamAndTellsTheNewList() throws Exception {
        try (Running llmsnap = Running.start(TWO + "# end\n");
            EventStream stream = new EventStream(llmsnap)) {
            llmsnap.chat("broken");
            LifeTest.replace(
                llmsnap.config,
                LifeTest.with(llmsnap, "")
                    .replaceAll("(?m)^  broken:.*$", "  c: {cmd: x, proxy: 'http://h'}"));
            assertThat(llmsnap.post("/api/reload", "").statusCode()).isEqualTo(200);
            Running.await(
                "the new list",
                () ->
                    stream.items("modelStatus").stream()
                        .anyMatch(item -> item.text("id").equals("c")));
            assertThat(stream.hasEnded()).isFalse();
            try (Socket log = llmsnap.connect()) {
                log.getOutputStream()
                    .write(
                        "GET /logs/stream/broken HTTP/1.1\r\nHost: x\r\n\r\n"
                            .getBytes(StandardCharsets.US_ASCII));
                StringBuilder text = new StringBuilder();
                while (!text.toString().contains("simulated failure")) {
                    int c = log.getInputStream().read();
                    if (c < 0) break;
                    text.append((char) c);
                }
                assertThat(text)
                    .as("why a model failed is found after it was taken out")
                    .startsWith("HTTP/1.1 200")
                    .contains("simulated failure");
            }
        }
    }

    @Test void whatIsInFlightIsSeenWithItsPlaceAndProgressAndCanBeCancelled() throws Exception {
        try (Running llmsnap = Running.start("swapGrace: 0\n" + TWO);
            EventStream stream = new EventStream(llmsnap)) {
            llmsnap.chat("a");
            var streaming =
                inBackground(
                    llmsnap,
                    "a",
                    "\"stream\":true",
                    "\"sim\":{\"tokens\":100000,\"token_ms\":5}");
            Running.await(
                "progress",
                () ->
                    stream.items("inflight").stream()
                        .anyMatch(
                            item ->
                                item.text("state").equals("answering")
                                    && number(item, "tokens") > 30
                                    && number(item, "bytes") > 1_000));
            var waiting = inBackground(llmsnap, "b");
            Running.await(
                "the other waits",
                () ->
                    stream.items("inflight").stream()
                        .anyMatch(
                            item ->
                                item.text("model").equals("b")
                                    && item.text("state").equals("waiting")
                                    && number(item, "position") == 1
                                    && number(item, "queue_ms") > 300));
            String explained = llmsnap.get("/api/explain?model=b").body();
            assertThat(explained).as(llmsnap.output())
                .contains(
                    "\"must_go\":[\"a\"],\"busy\":[\"a\"]",
                    "\"waiting\":1",
                    "\"position\":1",
                    "a would have to go for it. Before that, a would end what is in"
                        + " flight.");
            assertThat(llmsnap.get("/api/explain?model=x").body())
                .contains("\"model\":\"a\"", "\"ahead\":[\"b\"]", "Requests for b are ahead.");
            long id =
                stream.items("inflight").stream()
                    .filter(item -> item.text("state").equals("answering"))
                    .mapToLong(item -> number(item, "id"))
                    .max()
                    .orElseThrow();
            assertThat(llmsnap.post("/api/inflight/" + id + "/cancel", "").statusCode())
                .isEqualTo(200);
            assertThat(streaming.handle((answer, failure) -> failure != null).get())
                .as("half an answer never looks whole")
                .isTrue();
            assertThat(waiting.get().statusCode()).isEqualTo(200);
            Running.await(
                "its row",
                () -> rows(llmsnap).stream().anyMatch(row -> number(row, "id") == id));
            Json.Obj row =
                rows(llmsnap).stream()
                    .filter(each -> number(each, "id") == id)
                    .findFirst()
                    .orElseThrow();
            assertThat(row.text("error")).isEqualTo("the request was cancelled");
            assertThat(number(row, "ttft_ms")).isNotNegative();
            assertThat(llmsnap.post("/api/inflight/" + id + "/cancel", "").statusCode())
                .isEqualTo(404);
            assertThat(llmsnap.post("/api/inflight/x/cancel", "").statusCode()).isEqualTo(400);
            assertThat(llmsnap.get("/api/explain?model=a").body())
                .contains("\"why\":\"to make room for b\"");
            assertThat(llmsnap.get("/api/explain").statusCode()).isEqualTo(400);
            assertThat(llmsnap.get("/api/explain?model=none").statusCode()).isEqualTo(404);
        }
    }

    @Test void aRequestThatIsCancelledWhileItWaitsGetsAnErrorAndFreesItsPlace() throws Exception {
        try (Running llmsnap =
            Running.start("models: {slow: {cmd: '${sim} --ready-ms 60000'}}\n")) {
            var waiting = inBackground(llmsnap, "slow");
            Running.await(
                "it is in flight",
                () -> llmsnap.post("/api/inflight/1/cancel", "").statusCode() == 200);
            assertThat(waiting.get().statusCode()).isEqualTo(502);
            assertThat(waiting.get().body()).contains("the request was cancelled");
            assertThat(rows(llmsnap).getFirst().text("error"))
                .isEqualTo("the request was cancelled");
            assertThat(llmsnap.get("/api/explain?model=slow").body()).contains("\"waiting\":0");
        }
    }

    @Test void aFailedStartShowsItsOwnLinesAndAReloadItsWarnings() throws Exception {
        try (Running llmsnap = Running.start("models:\n  a: {cmd: '${sim}'}\n# end\n")) {
            assertThat(llmsnap.chat("a").statusCode()).isEqualTo(200);
            String text =
                Files.readString(llmsnap.config)
                    .replace("a: {cmd: '${sim}'", "a: {cmd: '${sim} --exit 3', tll: 9");
            LifeTest.replace(llmsnap.config, text);
            assertThat(llmsnap.post("/api/reload", "").body())
                .contains("\"changed\":[\"a\"]", """
                    unknown key \\"tll\\", ignored; did you mean \\"ttl\\"?""");
            assertThat(llmsnap.chat("a").body())
                .contains("simulated failure")
                .doesNotContain("POST /v1/chat/completions");
            Files.delete(llmsnap.config);
            assertThat(llmsnap.post("/api/reload", "").body())
                .contains("there is no file ")
                .doesNotContain("Exception");
        }
    }

    // ---- rows

    @Test void everyRequestForAModelHasARowBeforeItsClientKnowsTheEnd() throws Exception {
        try (Running llmsnap = Running.start(TWO)) {
            for (int i = 1; i <= 50; i++) {
                llmsnap.chat("a", "\"stream\":" + (i % 2 == 0), "\"max_tokens\":3");
                assertThat(rows(llmsnap)).hasSize(i);
            }
            assertThat(rows(llmsnap))
                .allMatch(
                    row ->
                        number(row, "status") == 200
                            && row.text("model").equals("a")
                            && row.at("error") == null);
            Json.Obj whole = rows(llmsnap).get(48);
            assertThat(number(whole, "input_tokens")).isEqualTo(7);
            assertThat(number(whole, "output_tokens")).isEqualTo(3);
            llmsnap.chat("broken");
            assertThat(number(rows(llmsnap).getLast(), "status")).isEqualTo(502);
            assertThat(rows(llmsnap).getLast().text("error")).contains("exited with code 3");
            llmsnap.chat("a", """
                "sim":{"raw":"HTTP/1.1 200 OK\\r\\nContent-Length: 5\\r\\nContent-Length: \
                6\\r\\n\\r\\n"}""");
            assertThat(number(rows(llmsnap).getLast(), "status")).isEqualTo(502);
            assertThat(
                            inBackground(
                                            llmsnap,
                                            "a",
                                            "\"stream\":true",
                                            "\"sim\":{\"cut_after\":3}")
                                .handle((answer, failure) -> failure != null)
                                .get())
                .isTrue();
            Running.await(
                "the cut one",
                () ->
                    rows(llmsnap).getLast().text("error") != null
                        && rows(llmsnap)
                            .getLast()
                            .text("error")
                            .contains("broke its answer off"));
            assertThat(number(rows(llmsnap).getLast(), "status")).isEqualTo(200);
            try (Socket leaver = llmsnap.connect()) {
                leaver.getOutputStream()
                    .write(
                        Running.rawChat("{\"model\":\"a\",\"sim\":{\"reply_ms\":60000}}")
                            .getBytes(StandardCharsets.US_ASCII));
            }
            Running.await("who left", () -> number(rows(llmsnap).getLast(), "status") == 499);
            assertThat(rows(llmsnap).getLast().text("error")).isEqualTo("the client left");
            llmsnap.chat("none");
            assertThat(rows(llmsnap).getLast().text("model")).isEqualTo("none");
            assertThat(number(rows(llmsnap).getLast(), "status")).isEqualTo(404);
            int before = rows(llmsnap).size();
            llmsnap.get("/upstream/a/some/page");
            assertThat(rows(llmsnap)).as("no row for pages").hasSize(before);
            llmsnap.post("/upstream/x/v1/chat/completions", "{\"max_tokens\":4}");
            assertThat(rows(llmsnap).getLast().text("path"))
                .isEqualTo("/upstream/x/v1/chat/completions");
            assertThat(rows(llmsnap).getLast().text("model")).isEqualTo("a");
            assertThat(number(rows(llmsnap).getLast(), "output_tokens")).isEqualTo(4);
            String page = llmsnap.get("/metrics").body();
            assertThat(page)
                .contains(
                    """
                        llmsnap_requests_total{model="a",path="/v1/chat/completions",\
                        status="499"} 1""",
                    "llmsnap_load_seconds_count{model=\"a\"} 2",
                    """
                        llmsnap_model_state{model="a",state="ready"} 1""",
                    "llmsnap_starts_total{model=\"a\"} 2");
        }
    }

    @Test void waitingTimeIsNoTimeOfTheModel() throws Exception {
        try (Running llmsnap = Running.start("models: {a: {cmd: '${sim} --ready-ms 2500'}}\n")) {
            llmsnap.chat("a", "\"stream\":true", "\"max_tokens\":2");
            Json.Obj row = rows(llmsnap).getFirst();
            assertThat(number(row, "queue_ms")).isGreaterThanOrEqualTo(2500);
            assertThat(number(row, "duration_ms")).isLessThan(2500);
            assertThat(number(row, "ttft_ms")).isBetween(0L, number(row, "duration_ms"));
        }
    }

    // ---- captures

    @Test void whatWasSaidIsKeptWithoutItsKeys() throws Exception {
        try (Running llmsnap =
            Running.start(
                "apiKeys: [geheim-schlüssel, secret-1]\n"
                    + "logToStdout: both\n"
                    + "logLevel: debug\n"
                        + TWO)) {
            String body = """
                {"model":"x","max_tokens":2,"messages":[]}""";
            HttpResponse<String> answer =
                Running.send(
                    llmsnap.request("/v1/chat/completions?a=b")
                        .header("Authorization", "Bearer secret-1")
                        .POST(HttpRequest.BodyPublishers.ofString(body)));
            assertThat(answer.statusCode()).isEqualTo(200);
            assertThat(Running.send(llmsnap.request("/api/captures/1").GET()).statusCode())
                .isEqualTo(401);
            HttpResponse<String> shown =
                Running.send(
                    llmsnap.request("/api/captures/1")
                        .header("x-api-key", "secret-1")
                        .GET());
            Json.Obj capture = Running.json(shown);
            assertThat(capture.text("req_path")).isEqualTo("/v1/chat/completions?a=b");
            assertThat(capture.text("req_headers", "Authorization")).isEqualTo("[REDACTED]");
            assertThat(
                            new String(
                                Base64.getDecoder().decode(capture.text("req_body")),
                                StandardCharsets.UTF_8))
                .isEqualTo(body);
            assertThat(
                            new String(
                                Base64.getDecoder().decode(capture.text("resp_body")),
                                StandardCharsets.UTF_8))
                .isEqualTo(answer.body());
            assertThat(shown.body()).doesNotContain("secret-1");
            assertThat(llmsnap.output()).doesNotContain("secret-1");
            assertThat(
                            Running.send(
                                            llmsnap.request("/api/captures/99")
                                                .header("x-api-key", "secret-1")
                                                .GET())
                                .body())
                .contains("there is no capture of request 99");
        }
    }

    @Test void aFailureIsCapturedWithTheWordsOfItsError() throws Exception {
        try (Running llmsnap = Running.start(TWO)) {
            HttpResponse<String> answer = llmsnap.chat("broken");
            Json.Obj capture = Running.json(llmsnap.get("/api/captures/1"));
            assertThat(
                            new String(
                                Base64.getDecoder().decode(capture.text("resp_body")),
                                StandardCharsets.UTF_8))
                .isEqualTo(answer.body());
        }
    }

    // ---- readers that are slow, many, or gone

    private static long status(Running llmsnap, String what) throws IOException {
        for (String line :
            Files.readAllLines(Path.of("/proc/" + llmsnap.process.pid() + "/status"))) {
            if (line.startsWith(what)) return Long.parseLong(line.replaceAll("[^0-9]", ""));
        }
        throw new IOException(what);
    }

    private static List<Socket> readers(Running llmsnap, int count, String path)
        throws IOException {
        List<Socket> sockets = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            Socket socket = new Socket();
            socket.setReceiveBufferSize(4096);
            socket.connect(new InetSocketAddress("127.0.0.1", llmsnap.port));
            socket.getOutputStream()
                .write(
                    ("GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n")
                        .getBytes(StandardCharsets.US_ASCII));
            sockets.add(socket);
        }
        return sockets;
    }

    @Test void manySlowReadersHoldNobodyUpAndTakeLittle() throws Exception {
        Path config = Running.config("""
            models: {loud: {cmd: '${sim} --flood 30000000'}, quiet: {cmd: '${sim}'}}
            """);
        try (Running llmsnap = Running.start(config, 0, List.of(Running.JAVA, "-Xmx96m"));
            EventStream keepsUp = new EventStream(llmsnap)) {
            llmsnap.chat("quiet");
            long threads = status(llmsnap, "Threads:");
            List<Socket> slow = readers(llmsnap, 100, "/api/events");
            slow.addAll(readers(llmsnap, 20, "/logs/stream"));
            assertThat(llmsnap.chat("loud").statusCode())
                .as("30 MB of log, and 120 who do not read, in a heap of 96 MB")
                .isEqualTo(200);
            for (int i = 0; i < 300; i++) {
                assertThat(llmsnap.chat("loud", "\"max_tokens\":1").statusCode()).isEqualTo(200);
            }
            int each =
                Runtime.version().feature() < 24
                    ? 1
                    : 0; // before Java 24 the threads are the platform's, see http.Threads
            assertThat(status(llmsnap, "Threads:"))
                .as("no thread of the system's for each reader")
                .isLessThan(threads + 40 + 120 * each);
            Running.await(
                "who reads sees the newest",
                () ->
                    keepsUp.items("metrics").size() == 302
                        && keepsUp.states("loud").contains("ready"));
            assertThat(keepsUp.types()).doesNotContain("malformed");
            assertThat(rows(llmsnap)).hasSize(302);
            for (Socket socket : slow) socket.close();
            Running.await(
                "those who left are let go of",
                () ->
                    llmsnap.count("GET /api/events") == 100
                        && llmsnap.count("GET /logs/stream") == 20);
        }
    }

    @Test void aReaderOfLogsThatLeavesWhileNothingIsLoggedIsLetGoOf() throws Exception {
        try (Running llmsnap = Running.start("models: {a: {cmd: '${sim}'}}\n")) {
            Socket reader = readers(llmsnap, 1, "/logs/stream").getFirst();
            reader.getInputStream().read();
            reader.close();
            Running.await("it is let go of", () -> llmsnap.count("GET /logs/stream") == 1);
        }
    }

    @Test void aSlowReaderOfLogsIsToldWhatItMissedAndStillSeesTheModels() throws Exception {
        try (Running llmsnap =
            Running.start(
                "models: {loud: {cmd: '${sim} --flood 30000000'}, quiet: {cmd:"
                    + " '${sim}'}}\n")) {
            Socket slow = readers(llmsnap, 1, "/api/events").getFirst();
            llmsnap.chat("loud");
            llmsnap.chat("quiet");
            var in = EventStream.body(slow);
            boolean lost = false;
            boolean ready = false;
            slow.setSoTimeout(20_000);
            for (String line; !(lost && ready) && (line = in.readLine()) != null; ) {
                lost |= line.contains("lines lost, this reader is too slow");
                ready |=
                    line.contains("\\\"id\\\":\\\"quiet\\\"")
                        && line.replaceAll(".*\\\\\"id\\\\\":\\\\\"quiet\\\\\"", "")
                            .contains("\\\"state\\\":\\\"ready\\\"");
            }
            assertThat(lost).isTrue();
            assertThat(ready).isTrue();
            slow.close();
        }
    }
}
