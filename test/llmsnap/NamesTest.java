package llmsnap;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import llmsnap.text.Json;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What names stand for: selectors, profiles, peers, and what clients of a router expect. */
class NamesTest {
    private static final String TWO = """
        groups: {g: {swap: false, members: [a, b, c]}}
        models: {a: {cmd: '${sim}', aliases: [big]}, b: {cmd: '${sim}'}, c: {cmd: '${sim}'}}
        """;

    private static String served(HttpResponse<String> answer) {
        assertThat(answer.statusCode()).as(answer.body()).isEqualTo(200);
        return answer.headers().firstValue("x-llmsnap-model").orElse("");
    }

    private static String config(String selectors) {
        return TWO + "selectors:\n  s: " + selectors + "\n";
    }

    @Test void warmTakesWhatIsReadyElseTheFirst() throws Exception {
        try (Running llmsnap = Running.start(config("{strategy: warm, targets: [a, b]}"))) {
            llmsnap.chat("b");
            assertThat(served(llmsnap.chat("s"))).isEqualTo("b");
            llmsnap.post("/api/models/unload/b", "");
            assertThat(served(llmsnap.chat("s"))).isEqualTo("a");
            assertThat(llmsnap.get("/v1/models").body()).contains("""
                "type":"selector","strategy":"warm","targets":["a","b"]""");
            assertThat(llmsnap.get("/api/metrics").body()).contains("\"requested_model\":\"s\"");
            assertThat(llmsnap.get("/upstream/s/health").statusCode()).isEqualTo(404);
        }
    }

    @Test void fiftyAtOnceForAColdSelectorStartOneModel() throws Exception {
        try (Running llmsnap = Running.start(config("{strategy: warm, targets: [a, b]}"))) {
            List<CompletableFuture<String>> answers = new ArrayList<>();
            for (int i = 0; i < 50; i++) {
                answers.add(CompletableFuture.supplyAsync(() -> {
                    try {
                        return served(llmsnap.chat("s"));
                    } catch (Exception e) {
                        throw new AssertionError(e);
                    }
                }));
            }
            for (CompletableFuture<String> each : answers) assertThat(each.join()).isEqualTo("a");
            assertThat(llmsnap.count("model b: starting")).isZero();
        }
    }

    @Test void spilloverTakesTheNextWhenTheFirstHasItsNumber() throws Exception {
        try (Running llmsnap = Running.start(
            config("{strategy: spillover, targets: [a, b, c], settings: {spillover: 2}}"))) {
            List<CompletableFuture<String>> answers = new ArrayList<>();
            for (int i = 1; i <= 5; i++) {
                int inFlight = i;
                answers.add(CompletableFuture.supplyAsync(() -> {
                    try {
                        return served(llmsnap.chat("s", "\"sim\":{\"reply_ms\":3000}"));
                    } catch (Exception e) {
                        throw new AssertionError(e);
                    }
                }));
                Running.await("it is in flight", () -> inFlight(llmsnap) == inFlight);
            }
            assertThat(answers.stream().map(CompletableFuture::join).toList())
                .containsExactly("a", "a", "b", "b", "c");
        }
    }

    private static int inFlight(Running llmsnap) {
        try {
            String all = llmsnap.get("/metrics").body();
            return all.lines().filter(line -> line.matches(
                "llmsnap_requests_(in_flight|waiting)\\{.*"))
                .mapToInt(line -> Integer.parseInt(line.replaceAll(".* ", ""))).sum();
        } catch (Exception e) {
            throw new AssertionError(e);
        }
    }

    @Test void fallbackGoesOnWhereOneCannotServeAndNamesAllWhenNoneCan() throws Exception {
        try (Running peer = Running.start("models: {x: {cmd: '${sim} --exit 3'}}\n");
            Running llmsnap = Running.start("""
                models: {good: {cmd: '${sim}'}, bad: {cmd: '${sim} --exit 3'}}
                peers:
                  dead: {proxy: 'http://127.0.0.1:9', models: [y]}
                  other: {proxy: 'http://127.0.0.1:%d', models: [x]}
                selectors:
                  s: {strategy: fallback, targets: [bad, dead/y, other/x, good]}
                  none: {strategy: fallback, targets: [bad, dead/y]}
                """.formatted(peer.port))) {
            assertThat(served(llmsnap.chat("s"))).isEqualTo("good");
            HttpResponse<String> answer = llmsnap.chat("none");
            assertThat(answer.statusCode()).isEqualTo(502);
            assertThat(answer.body()).contains("dead").contains("tried before: bad: ");
            assertThat(llmsnap.get("/api/metrics").body()).contains("\"model\":\"good\"");
        }
    }

    @Test void aProfileSaysWhatNamesStandForWhileItIsActive() throws Exception {
        try (Running llmsnap = Running.start(TWO + """
            profiles:
              day: {description: at work, pins: {a: b, best: c, big: null}}
            """)) {
            assertThat(served(llmsnap.chat("a"))).isEqualTo("a");
            assertThat(llmsnap.get("/api/profiles").body()).isEqualTo("""
                {"profiles":[{"id":"day","name":"day","description":"at work","pins":\
                {"a":"b","best":"c","big":""}}],"active":null}""");
            assertThat(llmsnap.put("/api/profiles/active", "{\"id\":\"day\"}").statusCode())
                .isEqualTo(200);
            assertThat(served(llmsnap.chat("a"))).isEqualTo("b");
            assertThat(served(llmsnap.chat("best"))).isEqualTo("c");
            assertThat(llmsnap.chat("big").statusCode()).isEqualTo(404);
            assertThat(llmsnap.get("/v1/models").body()).contains("\"id\":\"best\"");
            assertThat(llmsnap.put("/api/profiles/active", "{\"id\":\"night\"}").statusCode())
                .isEqualTo(404);
            llmsnap.post("/api/reload", "");
            assertThat(served(llmsnap.chat("a"))).isEqualTo("a");
        }
    }

    @Test void clientsOfARouterFindOne() throws Exception {
        try (Running llmsnap = Running.start("""
            models: {a: {cmd: '${sim}'}, bad: {cmd: '${sim} --exit 7'}}
            """)) {
            assertThat(llmsnap.get("/v1/health").body()).isEqualTo("{\"status\":\"ok\"}");
            assertThat(llmsnap.get("/props").body()).contains("\"role\":\"router\"");
            assertThat(llmsnap.get("/props?model=a&autoload=false").body()).contains("""
                "message":"model is not loaded\"""");
            assertThat(llmsnap.post("/models/load", "{\"model\":\"a\"}").body())
                .isEqualTo("{\"success\":true}");
            Running.await("it is loaded", () -> status(llmsnap, "a").equals("loaded"));
            assertThat(llmsnap.post("/models/load", "{\"model\":\"a\"}").statusCode())
                .isEqualTo(400);
            assertThat(llmsnap.post("/models/load", "{\"model\":\"q\"}").statusCode())
                .isEqualTo(404);
            assertThat(llmsnap.post("/models/unload", "{\"model\":\"a\"}").body())
                .isEqualTo("{\"success\":true}");
            Running.await("it is gone", () -> status(llmsnap, "a").equals("unloaded"));
            assertThat(llmsnap.post("/models/unload", "{\"model\":\"a\"}").body())
                .contains("model is not running");
            llmsnap.chat("bad");
            assertThat(llmsnap.get("/models").body())
                .contains("\"failed\":true,\"exit_code\":7");
        }
    }

    private static String status(Running llmsnap, String id) {
        try {
            Json.Obj model = Running.json(llmsnap.get("/v1/models/" + id));
            return ((Json.Str) model.at("status", "value")).text();
        } catch (Exception e) {
            throw new AssertionError(e);
        }
    }

    @Test void whatAModelCanDoAndWhoseItIsIsListed() throws Exception {
        try (Running llmsnap = Running.start("""
            models:
              a:
                cmd: '${sim}'
                capabilities: {in: [text, image], out: [text], tools: true, context: 4096}
            peers:
              p: {proxy: 'http://127.0.0.1:9', models: [x, y]}
              q: {proxy: 'http://127.0.0.1:9', models: [y]}
            """)) {
            String list = llmsnap.get("/v1/models").body();
            assertThat(list).contains("\"input_modalities\":[\"text\",\"image\"]",
                "\"supported_parameters\":[\"tools\"]", "\"context_length\":4096",
                "\"n_ctx\":4096", "\"id\":\"p/x\"", "\"id\":\"x\"", "\"id\":\"q/y\"")
                .doesNotContain("\"id\":\"y\"");
            assertThat(llmsnap.chat("y").statusCode()).isEqualTo(404);
            assertThat(llmsnap.chat("y").body()).contains("p/y, q/y");
        }
    }

    @Test void aPeerSaysItselfWhatItHas() throws Exception {
        try (Running other = Running.start("models: {x: {cmd: '${sim}'}, z: {cmd: '${sim}'}}\n");
            Running llmsnap = Running.start("""
                models: {a: {cmd: '${sim}'}}
                peers:
                  p: {proxy: 'http://127.0.0.1:%d', models: auto, refresh: 1}
                  gone: {proxy: 'http://127.0.0.1:9'}
                selectors:
                  s: {strategy: warm, targets: [a, p/z]}
                """.formatted(other.port))) {
            Running.await("it is listed", () -> llmsnap.get("/v1/models").body()
                .contains("\"id\":\"p/x\""));
            assertThat(served(llmsnap.chat("x"))).isEqualTo("p/x");
            assertThat(served(llmsnap.chat("s"))).isEqualTo("a");
            llmsnap.post("/api/models/unload/a", "");
            other.chat("z");
            Running.await("its state is known", () -> status(llmsnap, "p/z").equals("loaded"));
            assertThat(served(llmsnap.chat("s"))).isEqualTo("p/z");
            Running.await("it is said of one that is gone", () ->
                llmsnap.count("the peer \"gone\" does not list its models") == 1);
        }
    }

    @Test void aPeersApiMayHaveAnotherBaseAndItsHeadATime() throws Exception {
        try (Running other = Running.start("models: {x: {cmd: '${sim}'}}\n");
            Running llmsnap = Running.start("""
                models: {}
                peers:
                  p:
                    proxy: 'http://127.0.0.1:%d'
                    models: [x]
                    upstreamPath: /upstream/x/v1
                    timeouts: {responseHeader: 3}
                """.formatted(other.port))) {
            other.chat("x");
            assertThat(served(llmsnap.chat("x"))).isEqualTo("p/x");
            assertThat(other.output()).contains("POST /upstream/x/v1/chat/completions 200");
            HttpResponse<String> late = llmsnap.chat("x", "\"sim\":{\"reply_ms\":20000}");
            assertThat(late.statusCode()).isEqualTo(502);
            assertThat(late.body()).contains("did not begin to answer in time");
        }
    }

    @Test void pathsThatLoadNothingCanBeChosen() throws Exception {
        try (Running llmsnap = Running.start(
            "upstream: {ignorePaths: ['^/ping$']}\nmodels: {a: {cmd: '${sim}'}}\n")) {
            assertThat(llmsnap.post("/upstream/a/ping", "").statusCode()).isEqualTo(409);
            assertThat(llmsnap.get("/upstream/a/health").statusCode()).isEqualTo(200);
        }
    }

    @ParameterizedTest
    @CsvSource(delimiter = ';', textBlock = """
        selectors: {a: {targets: [b]}}                    ; has the name of a model
        selectors: {s: {}}                                ; has no targets
        selectors: {s: {targets: [q]}}                    ; leads to "q", which is no model
        selectors: {s: {targets: [a]}, t: {targets: [s]}} ; a selector; it has to be a model
        selectors: {s: {targets: [a], strategy: best}}    ; it can be warm, pin, spillover
        profiles: {p: {pins: {x: q}}}                     ; leads to "q", which is no model
        """)
    void whatIsWrongIsSaid(String yaml, String said) throws Exception {
        Path file = Files.writeString(Files.createTempFile("llmsnap-test", ".yaml"),
            "models: {a: {cmd: x, proxy: 'http://h'}, b: {cmd: x, proxy: 'http://h'}}\n"
                + yaml + "\n");
        assertThat(Running.run(Running.JAVA, "--config", file.toString(), "--check-config"))
            .startsWith("1 ").contains(said);
    }
}
