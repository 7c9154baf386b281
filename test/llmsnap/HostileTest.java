package llmsnap;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.Socket;
import java.net.http.HttpRequest;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import llmsnap.text.Json;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/**
 * Clients that mean harm, over raw sockets. After each, a normal request is served within a second.
 */
class HostileTest {
    private static Running llmsnap;

    @BeforeAll
    static void start() throws Exception {
        llmsnap = Running.start("""
            models:
              a: {cmd: '${sim}', requestTimeout: 2}
            """, "--max-body", "40MB");
        llmsnap.chat("a");
    }

    @AfterAll
    static void stop() {
        llmsnap.close();
    }

    @AfterEach
    void aNormalRequestIsServed() {
        long from = System.nanoTime();
        assertThat(llmsnap.chat("a").statusCode()).isEqualTo(200);
        assertThat(System.nanoTime() - from).isLessThan(TimeUnit.SECONDS.toNanos(5));
    }

    private static String raw(String head, String body) throws IOException {
        return llmsnap.raw(head.replace("\n", "\r\n") + "\r\n" + body);
    }

    @Test void twoHundredSlowClients() throws Exception {
        List<Socket> slow = new ArrayList<>();
        try {
            for (int i = 0; i < 200; i++) {
                Socket socket = llmsnap.connect();
                slow.add(socket);
                String part =
                    i % 2 == 0
                        ? "POST /v1/chat/completions HTTP/1.1\r\nHo"
                        : "POST /v1/chat/completions HTTP/1.1\r\n"
                              + "Host: x\r\n"
                              + "Content-Length: 30000000\r\n\r\n"
                              + "{\"mod";
                socket.getOutputStream().write(part.getBytes(StandardCharsets.US_ASCII));
            }
            for (int i = 0; i < 10; i++) aNormalRequestIsServed();
        } finally {
            for (Socket socket : slow) socket.close();
        }
    }

    /** Clients that read nothing, a byte now and then, or leave: others are as fast beside them. */
    @Test void slowReadersOfEachKindHoldNobodyUp() throws Exception {
        List<Long> alone = timesMs();
        List<Socket> slow = new ArrayList<>();
        try {
            for (int i = 0; i < 60; i++) {
                Socket socket = llmsnap.connect();
                slow.add(socket);
                socket.setReceiveBufferSize(4096);
                socket.getOutputStream().write(Running.rawChat(
                    "{\"model\":\"a\",\"stream\":true,\"sim\":{\"tokens\":3000}}")
                    .getBytes(StandardCharsets.US_ASCII));
                if (i % 3 == 0) socket.getInputStream().read();
                if (i % 3 == 1) socket.close();
            }
            List<Long> beside = timesMs();
            assertThat(beside.get(18)).as("of 20, the second slowest")
                .isLessThan(10 * alone.get(18) + 500);
        } finally {
            for (Socket socket : slow) socket.close();
        }
        Running.await("nothing is left of them", () ->
            llmsnap.get("/api/explain?model=a").body().contains("\"in_flight\":0"));
    }

    /** What 20 requests took, the quickest first. */
    private List<Long> timesMs() throws Exception {
        List<Long> times = new ArrayList<>();
        for (int i = 0; i < 20; i++) {
            long begin = System.nanoTime();
            aNormalRequestIsServed();
            times.add((System.nanoTime() - begin) / 1_000_000);
        }
        times.sort(null);
        return times;
    }

    /** The JDK closes those that have sent nothing after a minute. */
    @Test void aConnectionThatSaysNothingEnds() throws Exception {
        try (Socket silent = llmsnap.connect()) {
            silent.setSoTimeout(30_000);
            assertThat(silent.getInputStream().read()).isEqualTo(-1);
        }
    }

    @Test void aContentTypeOfBlanksCostsItsLength() throws Exception {
        String head = "HTTP/1.1 200 OK\r\nContent-Type: application/json;" + " ".repeat(60_000)
            + "!\r\nContent-Length: 2\r\n\r\n{}";
        long begin = System.nanoTime();
        llmsnap.post("/v1/chat/completions",
            "{\"model\":\"a\",\"sim\":{\"raw\":" + Json.of(head) + "}}");
        assertThat(System.nanoTime() - begin).isLessThan(5_000_000_000L);
    }

    @Test void shapesOfSmuggling() throws Exception {
        String start = """
            POST /v1/chat/completions HTTP/1.1
            Connection: close
            """;
        String body = "{\"model\":\"a\"}";
        for (String bad :
            List.of(
                """
                    Host: x
                    Content-Length: 13
                    Content-Length: 14
                    """,
                "Host: x\nContent-Length: +13\n",
                """
                    Host: x
                    Content-Length: 13
                    Transfer-Encoding: chunked
                    """,
                "Host: x\nContent-Length: -1\n",
                "Content-Length: 13\n",
                "Host: x\nHost: y\nContent-Length: 13\n",
                "Host: a b\nContent-Length: 13\n",
                "Host: x\nX-Odd: a\u0001b\nContent-Length: 13\n",
                "Host: x\nContent-Length: 1a\n",
                "Host:\nContent-Length: 13\n")) {
            String answer = raw(start + bad, body);
            assertThat(answer)
                .as(bad)
                .matches("(?s)(HTTP/1.1 (400|501) .*|reset|)")
                .doesNotContain("chatcmpl");
        }
        assertThat(raw("""
            POST /v1/chat/completions HTTP/1.2
            Host: x
            Connection: close
            Content-Length: 13
            """, body)).containsPattern("^HTTP/1.1 (400|505)");
        assertThat(raw("nonsense\n", "")).doesNotContain("200 OK");
    }

    @Test void hugeHeaders() throws Exception {
        assertThat(raw("""
            GET /v1/models HTTP/1.1
            Host: x
            Connection: close
            X: y""".repeat(400_000) + "\n", "")).doesNotContain("\"object\":\"list\"");
        assertThat(
                        raw(
                            "GET /v1/models HTTP/1.1\nHost: x\nConnection: close\n"
                                + IntStream.range(0, 500)
                                    .mapToObj(i -> "X" + i + ": y\n")
                                    .collect(Collectors.joining()),
                            ""))
            .doesNotContain("\"object\":\"list\"");
    }

    private static int post(String body) {
        return llmsnap.post("/v1/rerank", body).statusCode();
    }

    @Test void oddJson() {
        assertThat(
                        post(
                            "{\"x\":"
                                + "[".repeat(100_000)
                                + "]".repeat(100_000)
                                + ",\"model\":\"a\"}"))
            .isEqualTo(200);
        assertThat(post("[".repeat(100_000))).isEqualTo(400);
        assertThat(post("{\"x\":{\"model\":\"a\"}}")).isEqualTo(400);
        assertThat(post("{\"mod\\u0065l\":\"a\"}")).isEqualTo(200);
        assertThat(post("{\"model\":\"a\",\"model\":\"nobody\"}")).isEqualTo(200);
        assertThat(post("{\"model\":\"nobody\",\"model\":\"a\"}")).isEqualTo(404);
        assertThat(post("{\"x\":\"" + "y".repeat(20 << 20) + "\",\"model\":\"a\"}")).isEqualTo(200);
        assertThat(post("{\"x\":\"" + "y".repeat(40 << 20) + "\",\"model\":\"a\"}")).isEqualTo(413);
        assertThat(post("{\"model\":\"" + "a".repeat(1 << 20) + "\"}")).isEqualTo(404);
    }

    @Test void oddBoundaries() {
        for (String boundary : List.of("", "\"\"", "x".repeat(300), "\r", "--", "a b")) {
            HttpRequest.Builder request =
                llmsnap.request("/v1/images/edits")
                    .POST(
                        HttpRequest.BodyPublishers.ofString(
                            "--" + boundary + "\r\n\r\n"));
            try {
                request.header("Content-Type", "multipart/form-data; boundary=" + boundary);
            } catch (IllegalArgumentException e) {
                continue;
            }
            assertThat(Running.send(request).statusCode()).as(boundary).isEqualTo(400);
        }
        String many = "--B\r\n\r\n\r\n".repeat(200_000);
        assertThat(
                        Running.send(
                                        llmsnap.request("/v1/images/edits")
                                            .header(
                                                "Content-Type",
                                                "multipart/form-data; boundary=B")
                                            .POST(HttpRequest.BodyPublishers.ofString(many)))
                            .body())
            .contains("more than 10000 parts");
    }

    @Test void pathTricks() throws Exception {
        for (String path :
            List.of(
                "/ui/../running",
                "/ui/..%2frunning",
                "/ui/%2e%2e/etc/passwd",
                "/ui//etc/passwd",
                "/v1/../unload",
                "/%00",
                "/ui/%0d%0aX: y",
                "/upstream/..",
                "/\\",
                "/ui/style.css%00.html")) {
            String answer = raw("GET " + path + " HTTP/1.1\nHost: x\nConnection: close\n", "");
            assertThat(answer)
                .as(path)
                .doesNotContain("\"running\"")
                .doesNotContain("root:")
                .doesNotContain("\r\nX: y");
        }
    }

    @Test void aSilentModelIsGivenUp() {
        long from = System.nanoTime();
        var answer = llmsnap.chat("a", "\"sim\":{\"reply_ms\":60000}");
        assertThat(answer.statusCode()).isEqualTo(502);
        assertThat(answer.body()).contains("sent nothing for 2 s, its requestTimeout");
        assertThat(System.nanoTime() - from)
            .isBetween(TimeUnit.SECONDS.toNanos(2), TimeUnit.SECONDS.toNanos(5));
        assertThat(
                        llmsnap.chat(
                                        "a",
                                        "\"max_tokens\":4",
                                        "\"stream\":true",
                                        "\"sim\":{\"token_ms\":1000}")
                            .body())
            .endsWith("[DONE]\n\n");
    }

    @Test void anAnswerLargerThanTheHeapPasses() throws Exception {
        Path config = Running.config("models: {a: {cmd: '${sim}'}}\n");
        try (Running small = Running.start(config, 0, List.of(Running.JAVA, "-Xmx48m"));
            Socket socket = small.connect()) {
            socket.getOutputStream()
                .write(Running.rawChat("""
                    {"model":"a","stream":true,\
                    "sim":{"tokens":600000}}""").getBytes(StandardCharsets.US_ASCII));
            long bytes = 0;
            byte[] buffer = new byte[1 << 16];
            for (int n; (n = socket.getInputStream().read(buffer)) >= 0; ) bytes += n;
            assertThat(bytes).isGreaterThan(60L << 20);
            assertThat(
                            small.post(
                                            "/v1/rerank",
                                            "{\"x\":\""
                                                + "y".repeat(45 << 20)
                                                + "\",\"model\":\"a\"}")
                                .statusCode())
                .isEqualTo(413);
        }
    }

    @Test void aReaderOfStdoutThatLeavesEndsNothing() throws Exception {
        Path config = Running.config("""
            logToStdout: both
            models: {a: {cmd: '${sim} --flood 3000000'}}
            """);
        Process process =
            new ProcessBuilder(
                            "bash",
                            "-c",
                            """
                                (echo $BASHPID >"$1.pid"; exec "$0" -jar "$2" --config "$1" \
                                --listen 127.0.0.1:0) | head -n 3""",
                            Running.JAVA,
                            config.toString(),
                            Running.JAR.toString())
                .redirectErrorStream(true)
                .start();
        Running piped = Running.of(process, config);
        try {
            for (int i = 0; i < 3; i++) {
                assertThat(piped.chat("a").statusCode()).isEqualTo(200);
                piped.get("/unload");
            }
            assertThat(piped.get("/logs").body()).contains("a: listening");
        } finally {
            long pid = Long.parseLong(Files.readString(Path.of(config + ".pid")).strip());
            ProcessHandle.of(pid).ifPresent(ProcessHandle::destroy);
            Running.await("it ended", () -> ProcessHandle.of(pid).isEmpty());
        }
    }

    @Test void runningOutOfDescriptorsPasses() throws Exception {
        Path config = Running.config("models: {a: {cmd: '${sim}'}}\n");
        List<String> java =
            List.of("bash", "-c", "ulimit -n 256; exec \"$0\" \"$@\"", Running.JAVA);
        List<Socket> crowd = new ArrayList<>();
        try (Running small = Running.start(config, 0, java)) {
            for (int i = 0; i < 400; i++) {
                Socket socket = small.connect();
                crowd.add(socket);
                try {
                    socket.getOutputStream()
                        .write(
                            Running.rawChat("{\"model\":\"a\"}")
                                .substring(0, 60)
                                .getBytes(StandardCharsets.US_ASCII));
                } catch (IOException e) {
                    // refused, which is how it protects itself
                }
            }
            for (Socket socket : crowd) socket.close();
            Running.await(
                "served again",
                () -> {
                    try {
                        return small.chat("a").statusCode() == 200;
                    } catch (UncheckedIOException e) {
                        return false;
                    }
                });
        }
    }
}
