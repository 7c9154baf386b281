package llmsnap;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import llmsnap.text.Json;
import org.junit.jupiter.api.Test;

/**
 * The whole life of a model: sleep, reload, peers, preload, loading text, left-overs and stop
 * commands.
 */
class LifeTest {
    private static final String SLEEPERS = """
        logToStdout: both
        models:
          one:
            cmd: ${sim}
            sleepMode: enable
            sleepEndpoints: [{endpoint: '/sleep?level=1'}]
            wakeEndpoints: [{endpoint: /wake_up}]
          two:
            cmd: ${sim}
            sleepMode: enable
            sleepEndpoints: [{endpoint: '/sleep?level=2'}]
            wakeEndpoints: [{endpoint: /wake_up}, {endpoint: /collective_rpc, body: '{"method": \
        "reload_weights"}'}, {endpoint: /reset_prefix_cache}]
        """;

    @Test void modelsSleepAndWakeInsteadOfStopping() throws Exception {
        try (Running llmsnap = Running.start(SLEEPERS)) {
            for (String model : List.of("one", "two", "one", "two", "one")) {
                assertThat(llmsnap.chat(model).statusCode()).as(model).isEqualTo(200);
            }
            assertThat(llmsnap.count(": starting: ")).isEqualTo(2);
            assertThat(llmsnap.running()).containsExactly("one:ready", "two:asleep");
            assertThat(llmsnap.get("/v1/models").body()).contains("\"value\":\"sleeping\"");
            Running.await("printed", () -> llmsnap.count("two: POST /reset_prefix_cache") == 1);
            assertThat(llmsnap.post("/api/models/sleep/one", "").body()).isEqualTo("OK");
            assertThat(llmsnap.post("/models/sleep/one", "").body()).isEqualTo("OK");
            assertThat(llmsnap.running()).containsExactly("one:asleep", "two:asleep");
            assertThat(llmsnap.post("/api/models/unload/one", "").body()).isEqualTo("OK");
            assertThat(llmsnap.post("/api/models/sleep/one", "").statusCode()).isEqualTo(409);
        }
    }

    @Test void aSleepOrWakeThatFailsFallsBack() throws Exception {
        for (String fail : List.of("/sleep", "/wake_up", "/collective_rpc")) {
            try (Running llmsnap =
                Running.start(
                    SLEEPERS.replace(
                        "  two:\n    cmd: ${sim}",
                        "  two:\n    cmd: ${sim} --fail " + fail))) {
                for (String model : List.of("two", "one", "two", "one")) {
                    assertThat(llmsnap.chat(model).statusCode())
                        .as(fail + " " + model)
                        .isEqualTo(200);
                }
                assertThat(llmsnap.count("model two: starting")).isEqualTo(2);
                assertThat(llmsnap.output()).contains(fail).contains("answered 500; stopping it");
            }
        }
    }

    @Test void aTtlCountsOnWhileAsleep() throws Exception {
        try (Running llmsnap =
            Running.start(SLEEPERS.replace("  one:\n", "  one:\n    ttl: 2\n"))) {
            llmsnap.chat("one");
            llmsnap.post("/api/models/sleep/one", "");
            Running.await("gone", () -> llmsnap.running().isEmpty());
            assertThat(llmsnap.output()).contains("idle for its ttl of 2 s");
        }
    }

    @Test void preloadLoadsSideBySideAndAFailureLeavesNothingStuck() throws Exception {
        try (Running llmsnap = Running.start("""
            models: {a: {cmd: '${sim} --ready-ms 300'}, b: {cmd: '${sim} --ready-ms 300'}, c: \
            {cmd: '${sim} --exit 2'}}
            groups: {g: {swap: false, members: [a, b, c]}}
            hooks: {on_startup: {preload: [c, a, b]}}
            """)) {
            Running.await(
                "both are ready",
                () -> llmsnap.running().equals(List.of("a:ready", "b:ready")));
            assertThat(llmsnap.output()).contains("preload of c: ");
            assertThat(llmsnap.chat("a").statusCode()).isEqualTo(200);
        }
    }

    // ---- reload

    /** The file up to its mark, and something else behind it. */
    static String with(Running llmsnap, String more) throws IOException {
        String text = Files.readString(llmsnap.config);
        int end = text.indexOf("# end\n");
        return text.substring(0, end) + "# end\n" + more;
    }

    static void replace(Path file, String text) throws IOException {
        Path next = Files.writeString(file.resolveSibling(file.getFileName() + ".new"), text);
        Files.move(next, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    }

    @Test void aReloadRestartsOnlyWhatChanged() throws Exception {
        try (Running llmsnap = Running.start("""
            groups: {g: {swap: false, members: [k, m]}}
            models:
              k: {cmd: '${sim}'}
            # end
              m: {cmd: '${sim}'}
            """)) {
            llmsnap.chat("k");
            llmsnap.chat("m");
            replace(llmsnap.config, with(llmsnap, """
                  m: {cmd: '${sim} --tokens 3'}
                  a: {cmd: '${sim}'}
                """));
            assertThat(llmsnap.post("/api/reload", "").body()).isEqualTo("""
                {"added":["a"],"changed":["m"],"removed":[]}""");
            Running.await("m went", () -> llmsnap.running().equals(List.of("k:ready")));
            assertThat(
                            ((Json.Num)
                                            Running.json(llmsnap.chat("m"))
                                                .at("usage", "completion_tokens"))
                                .value())
                .isEqualTo(3);
            replace(llmsnap.config, with(llmsnap, "  m: [\n"));
            HttpResponse<String> broken = llmsnap.post("/api/reload", "");
            assertThat(broken.statusCode()).isEqualTo(400);
            assertThat(broken.body()).contains(":9:6: this [ is never closed");
            replace(llmsnap.config, "");
            assertThat(llmsnap.post("/api/reload", "").body()).contains("not written yet");
            Files.writeString(llmsnap.config, """
                apiKeys: [secret]
                models:
                  k: {cmd: x, proxy: 'http://h'}
                """);
            llmsnap.post("/api/reload", "");
            assertThat(llmsnap.get("/running").statusCode()).isEqualTo(401);
            assertThat(llmsnap.count("model k: starting")).isEqualTo(1);
        }
    }

    @Test void theFileIsWatchedAndSighupWorks() throws Exception {
        try (Running llmsnap =
            Running.start("models:\n  k: {cmd: '${sim}'}\n# end\n", "--watch-config")) {
            replace(llmsnap.config, with(llmsnap, "  second: {cmd: '${sim}'}\n"));
            Running.await("noticed", () -> llmsnap.get("/v1/models").body().contains("second"));
            Path other =
                Files.writeString(
                    Files.createTempFile("llmsnap-test", ".yaml"),
                    with(llmsnap, "  third: {cmd: '${sim}'}\n"));
            Path link = llmsnap.config.resolveSibling(llmsnap.config.getFileName() + ".link");
            Files.createSymbolicLink(link, other);
            Files.move(
                link,
                llmsnap.config,
                StandardCopyOption.ATOMIC_MOVE,
                StandardCopyOption.REPLACE_EXISTING);
            Running.await(
                "a switched link too",
                () -> llmsnap.get("/v1/models").body().contains("third"));
        }
        try (Running llmsnap = Running.start("models:\n  k: {cmd: '${sim}'}\n# end\n")) {
            replace(llmsnap.config, with(llmsnap, "  second: {cmd: '${sim}'}\n"));
            new ProcessBuilder("kill", "-HUP", String.valueOf(llmsnap.process.pid()))
                .start()
                .waitFor();
            Running.await("reloaded", () -> llmsnap.get("/v1/models").body().contains("second"));
        }
    }

    // ---- peers

    @Test void peersServeBesideLocalModels() throws Exception {
        try (Running far = Running.start("""
            apiKeys: [far-key]
            models: {r: {cmd: '${sim}'}, shared: {cmd: '${sim}'}}
            """);
            Running near =
                Running.start(
                    "models: {shared: {cmd: '${sim}'}}\n"
                        + "peers:\n"
                        + "  box: {proxy: 'http://localhost:"
                            + far.port
                            + "', apiKey: far-key, models: [r, shared], filters:"
                            + " {setParams: {seed: 7}}}\n"
                            + "  down: {proxy: 'http://localhost:1', models:"
                            + " [gone]}\n")) {
            assertThat(Running.json(near.chat("r")).at("model")).isEqualTo(new Json.Str("r"));
            assertThat(near.chat("r", "\"stream\":true").body()).endsWith("data: [DONE]\n\n");
            assertThat(Running.json(near.post("/v1/rerank", "{\"model\":\"r\"}")).text("body"))
                .isEqualTo("{\"model\":\"r\",\"seed\":7}");
            assertThat(Running.json(near.get("/upstream/r/upstream/r/echo")).text("name"))
                .isEqualTo("r");
            near.chat("shared");
            assertThat(near.running()).containsExactly("shared:ready");
            assertThat(near.get("/v1/models").body())
                .contains("\"name\":\"box: r\"")
                .contains("\"meta\":{\"llamaswap\":{\"peerID\":\"box\"}}");
            HttpResponse<String> gone = near.chat("gone");
            assertThat(gone.statusCode()).isEqualTo(502);
            assertThat(gone.body()).contains("the peer \\\"down\\\" (http://localhost:1)");
            assertThat(near.chat("shared").statusCode()).isEqualTo(200);
        }
    }

    @Test void twoServersAreEachOthersPeers() throws Exception {
        int port = Running.freePorts(1);
        try (Running left =
            Running.start(
                "models: {l: {cmd: '${sim}'}}\npeers: {right: {proxy: 'http://127.0.0.1:"
                    + port
                    + "', models: [r]}}\n")) {
            Path config = Running.config("models: {r: {cmd: '${sim}'}}\n"
                + "peers: {left: {proxy: 'http://127.0.0.1:" + left.port + "', models: [l]}}\n");
            try (Running right = Running.start(config, port, List.of(Running.JAVA))) {
                for (Running each : List.of(left, right)) {
                    for (String model : List.of("l", "r")) {
                        assertThat(each.chat(model).statusCode()).isEqualTo(200);
                    }
                }
                assertThat(left.running()).containsExactly("l:ready");
                assertThat(right.running()).containsExactly("r:ready");
            }
        }
    }

    // ---- what a waiting client is told

    @Test void loadingTextComesFirstAndNamesTheModel() throws Exception {
        try (Running llmsnap = Running.start("""
            sendLoadingState: true
            models:
              a: {cmd: '${sim} --ready-ms 2500'}
              b: {cmd: '${sim} --ready-ms 2000 --exit 1'}
              c: {cmd: 'sh -c "exit 1" ${PORT}'}
            """)) {
            String body = llmsnap.chat("a", "\"stream\":true", "\"max_tokens\":3").body();
            assertThat(body)
                .startsWith("data: {\"id\":\"llmsnap-loading\"")
                .endsWith("data: [DONE]\n\n");
            assertThat(body.lines().findFirst().orElse("")).contains("""
                "delta":{"reasoning_content":"a: loading, 1 s so far"}""");
            assertThat(llmsnap.chat("a", "\"stream\":true", "\"max_tokens\":3").body())
                .doesNotContain("llmsnap-loading");
            assertThat(llmsnap.chat("c", "\"stream\":true").statusCode())
                .isEqualTo(502); // quick: it keeps its status
            HttpResponse<String> late = llmsnap.chat("b", "\"stream\":true");
            assertThat(late.statusCode()).isEqualTo(200);
            assertThat(late.body())
                .contains("data: {\"error\":{\"message\":")
                .contains("exited with code 1")
                .endsWith("data: [DONE]\n\n");
        }
    }

    @Test void otherStreamsAreKeptAliveWhileTheyWait() throws Exception {
        try (Running llmsnap = Running.start("models:\n  a: {cmd: '${sim} --ready-ms 16000'}\n")) {
            HttpResponse<String> answer = llmsnap.post("/v1/messages", """
                {"model":"a","stream":true,"max_tokens":2}""");
            assertThat(answer.body()).startsWith(": waiting\n\n").contains("event: message_stop");
        }
    }

    // ---- left-overs, stop commands

    @Test void whatAKilledServerLeftIsEndedByTheNextOne() throws Exception {
        Running first = Running.start("""
            models:
              a: {cmd: 'bash -c "setsid sleep 4001 & ${sim}"'}
            """);
        try (Running other = Running.start("models:\n  b: {cmd: '${sim}'}\n")) {
            first.chat("a");
            other.chat("b");
            String mark = "LLMSNAP_RUN=" + first.process.pid() + "-";
            assertThat(Running.processesWith(mark)).hasSizeGreaterThanOrEqualTo(2);
            first.process.destroyForcibly().waitFor();
            assertThat(Running.processesWith(mark)).isNotEmpty();
            try (Running second = Running.start(first.config)) {
                assertThat(second.chat("a").statusCode()).isEqualTo(200);
                assertThat(Running.processesWith(mark)).isEmpty();
                assertThat(other.running()).containsExactly("b:ready");
                assertThat(other.count("model b: starting")).isEqualTo(1);
            }
        }
    }

    @Test void cmdStopIsBoundedAndFollowedBySignals() throws Exception {
        Path docker = Files.createTempDirectory("llmsnap-test").resolve("docker");
        Files.writeString(docker, """
            #!/bin/sh
            case $1 in
              run) echo $$ >"$0.$2.pid"; shift 2; exec "$@";;
              stop) kill "$(cat "$0.$2.pid")";;
              hang) sleep 4002;;
              *) exit 3;;
            esac
            """);
        docker.toFile().setExecutable(true);
        try (Running llmsnap =
            Running.start(
                "models:\n  a: {cmd: '"
                    + docker
                    + " run a ${sim}', cmdStop: '"
                    + docker
                    + " stop ${MODEL_ID}'}\n"
                    + "  fails: {cmd: '${sim}', cmdStop: '"
                    + docker
                    + " nothing'}\n  hangs: {cmd: '${sim}', cmdStop: '"
                    + docker
                    + " hang', unloadTimeout: 1}\n"
                    + "  none: {cmd: '${sim}', cmdStop: /no/such/program}\n")) {
            for (String model : List.of("a", "fails", "hangs", "none", "a")) {
                assertThat(llmsnap.chat(model).statusCode()).as(model).isEqualTo(200);
            }
            llmsnap.get("/unload");
            assertThat(Running.processesWith("LLMSNAP_RUN=" + llmsnap.process.pid() + "-"))
                .isEmpty();
            assertThat(llmsnap.output())
                .contains("cmdStop exited with code 3")
                .contains("model hangs: cmdStop did not end within 1 s")
                .contains("model none: cmdStop: there is no program");
        }
        Running.await(
            "the hanging command went",
            () -> Running.processesWith("sleep\u00004002").isEmpty());
    }
}
