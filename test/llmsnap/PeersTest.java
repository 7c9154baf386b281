package llmsnap;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import com.sun.net.httpserver.HttpServer;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** Other servers and their models: whose a name is, and what happens when they are odd or gone. */
class PeersTest {
    private static String served(HttpResponse<String> answer) {
        boolean good = answer.statusCode() == 200;
        return good ? answer.headers().firstValue("x-llmsnap-model").orElse("")
            : String.valueOf(answer.statusCode());
    }

    private static String table(Running llmsnap, String names) {
        return names.lines().map(line -> line.replaceAll(" .*", ""))
            .map(name -> name + " -> " + served(llmsnap.chat(name)))
            .collect(Collectors.joining("\n", "", "\n"));
    }

    @Test void whatANameStandsForInEveryOrderOfPrecedence() throws Exception {
        try (Running other = Running.start("""
            groups: {g: {swap: false, members: [a, big, s, x, y]}}
            models:
              a: {cmd: '${sim}'}
              big: {cmd: '${sim}'}
              s: {cmd: '${sim}'}
              x: {cmd: '${sim}'}
              y: {cmd: '${sim}'}
            """);
            Running llmsnap = Running.start("""
                groups: {g: {swap: false, members: [a, b, p/y]}}
                models:
                  a: {cmd: '${sim}'}
                  b:
                    cmd: '${sim}'
                    aliases: [big, a]
                    filters: {setParamsByID: {fast: {top_k: 1}}}
                  p/y: {cmd: '${sim}'}
                selectors: {s: {strategy: pin, targets: [b]}}
                peers:
                  p: {proxy: 'http://127.0.0.1:%1$d', models: [a, big, s, x, y]}
                  q: {proxy: 'http://127.0.0.1:%1$d', models: [y]}
                profiles:
                  day: {pins: {a: b, big: p/x, s: a, x: s, p/a: a, free: q/y, none: ~, y: ''}}
                """.formatted(other.port))) {
            String usual = """
                a -> a
                b -> b
                big -> b
                fast -> b
                s -> b
                x -> p/x
                p/a -> p/a
                p/s -> p/s
                p/y -> p/y
                q/y -> q/y
                y -> 404
                free -> 404
                """;
            assertThat(table(llmsnap, usual)).isEqualTo(usual);
            llmsnap.put("/api/profiles/active", "{\"id\":\"day\"}");
            String pinned = """
                a -> b
                b -> b
                big -> p/x
                s -> a
                x -> b
                p/a -> a
                free -> q/y
                none -> 404
                y -> 404
                fast -> b
                p/s -> p/s
                """;
            assertThat(table(llmsnap, pinned)).isEqualTo(pinned);
            assertThat(other.running()).contains("y:ready").doesNotContain("b:ready");
        }
    }

    @Test void spilloverCountsWhatPeersAreAskedToo() throws Exception {
        try (Running other = Running.start("models: {x: {cmd: '${sim}'}}\n");
            Running llmsnap = Running.start("""
                models: {a: {cmd: '${sim}'}}
                peers: {p: {proxy: 'http://127.0.0.1:%d', refresh: 1}}
                selectors:
                  s: {strategy: spillover, targets: [p/x, a], settings: {spillover: 2}}
                """.formatted(other.port))) {
            other.chat("x");
            Running.await("it is known to be loaded", () ->
                llmsnap.get("/v1/models/p/x").body().contains("\"loaded\""));
            List<CompletableFuture<String>> answers = new ArrayList<>();
            for (int i = 1; i <= 3; i++) {
                int n = i;
                answers.add(CompletableFuture.supplyAsync(() -> served(llmsnap.chat(
                    n == 1 ? "x" : "s", "\"sim\":{\"reply_ms\":2000}"))));
                Running.await("it is in flight", () -> atWork(llmsnap) + atWork(other) == n);
            }
            assertThat(answers.stream().map(CompletableFuture::join).toList())
                .containsExactly("p/x", "p/x", "a");
        }
    }

    private static int atWork(Running llmsnap) {
        return llmsnap.get("/metrics").body().lines()
            .filter(line -> line.matches("llmsnap_requests_(in_flight|waiting)\\{.*"))
            .mapToInt(line -> Integer.parseInt(line.replaceAll(".* ", ""))).sum();
    }

    @Test void twoThatAreEachOthersPeersFindOneAnotherAgain() throws Exception {
        int first = Running.freePorts(2);
        String yaml = """
            models: {%s: {cmd: '${sim}'}}
            peers: {p: {proxy: 'http://127.0.0.1:%d', models: auto, refresh: 1}}
            selectors: {s: {strategy: pin, targets: [p/s]}}
            """;
        String listen = "--listen=127.0.0.1:";
        String there = yaml.formatted("b", first);
        try (Running llmsnap = Running.start(yaml.formatted("a", first + 1), listen + first)) {
            assertThat(served(llmsnap.chat("s"))).as("p has told nothing").isEqualTo("502");
            Running.await("why is said",
                () -> llmsnap.count("its models: connection refused") == 1);
            try (Running other = Running.start(there, listen + (first + 1))) {
                Running.await("b is known", () -> served(llmsnap.chat("b")).equals("p/b"));
                Running.await("a is known", () -> served(other.chat("a")).equals("p/a"));
                Running.await("it goes round", () -> served(llmsnap.chat("s")).equals("508"));
                assertThat(llmsnap.raw("GET /v1/realtime?model=s HTTP/1.1\r\nHost: x\r\n"
                    + TunnelTest.HANDSHAKE + "\r\n")).as("a WebSocket, too").contains("508");
            }
            Running.await("it is said", () -> llmsnap.get("/v1/models").body()
                .contains("\"value\":\"unreachable\""));
            assertThat(served(llmsnap.chat("b"))).isEqualTo("502");
            assertThat(served(llmsnap.chat("a"))).isEqualTo("a");
            try (Running again = Running.start(there, listen + (first + 1))) {
                Running.await("it is back", () -> served(llmsnap.chat("b")).equals("p/b"));
                assertThat(again.running()).contains("b:ready");
            }
        }
    }

    @Test void peersThatAnswerOddlyHurtNobodyElse() throws Exception {
        String models = IntStream.range(0, 12_000).mapToObj(i -> "{\"id\":\"m" + i + "\"}")
            .collect(Collectors.joining(","));
        CountDownLatch end = new CountDownLatch(1);
        HttpServer odd = HttpServer.create(
            new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        answers(odd, "/html", "<html><body>It works!</body></html>");
        answers(odd, "/many", "{\"data\":[" + models + "]}");
        answers(odd, "/twice", """
            {"data":[{"id":"one"},{"id":"one"},{"id":7},3,{"id":"","status":[]},{"id":"two"}]}""");
        odd.createContext("/hang", exchange -> {
            try {
                end.await();
            } catch (InterruptedException e) {
                exchange.close();
            }
        });
        odd.setExecutor(task -> Thread.ofVirtual().start(task));
        odd.start();
        String base = "'http://127.0.0.1:" + odd.getAddress().getPort();
        try (Running llmsnap = Running.start("models: {a: {cmd: '${sim}'}}\npeers:\n"
            + "  h: {proxy: " + base + "/html'}\n  m: {proxy: " + base + "/many'}\n"
            + "  t: {proxy: " + base + "/twice'}\n  x: {proxy: " + base + "/hang'}\n")) {
            Running.await("many are listed", () ->
                llmsnap.get("/v1/models").body().contains("\"m/m9999\""));
            Running.await("two are listed", () ->
                llmsnap.get("/v1/models").body().contains("\"t/two\""));
            String list = llmsnap.get("/v1/models").body();
            assertThat(list).doesNotContain("\"m/m10000\"").containsOnlyOnce("\"id\":\"t/one\"");
            Running.await("it is said", () ->
                llmsnap.count("the peer \"h\" does not list its models") == 1);
            assertThat(served(llmsnap.chat("a"))).isEqualTo("a");
        } finally {
            end.countDown();
            odd.stop(0);
        }
    }

    private static void answers(HttpServer server, String path, String text) {
        byte[] body = text.getBytes(UTF_8);
        server.createContext(path, exchange -> {
            exchange.sendResponseHeaders(200, body.length);
            exchange.getResponseBody().write(body);
            exchange.close();
        });
    }
}
