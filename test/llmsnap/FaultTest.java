package llmsnap;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.Socket;
import java.net.http.HttpTimeoutException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

/**
 * Faults at any moment: servers killed in mid-stream, reloads under load, a thousand random
 * operations.
 */
class FaultTest {
    @Test void twoHundredReloadsUnderLoadFailNoRequest() throws Exception {
        try (Running llmsnap = Running.start("""
            groups: {g: {swap: false, members: [k, m]}}
            models:
              k: {cmd: '${sim}'}
              m: {cmd: '${sim}'}
            # end
            """);
            ExecutorService pool = Executors.newVirtualThreadPerTaskExecutor()) {
            llmsnap.chat("k");
            AtomicBoolean over = new AtomicBoolean();
            List<Future<Integer>> clients = new ArrayList<>();
            for (int c = 0; c < 3; c++) {
                String model = c == 2 ? "m" : "k";
                clients.add(
                    pool.submit(
                        () -> {
                            int served = 0;
                            for (; !over.get(); served++) {
                                assertThat(
                                                llmsnap.chat(model, "\"max_tokens\":2")
                                                    .statusCode())
                                    .isEqualTo(200);
                            }
                            return served;
                        }));
            }
            for (int i = 0; i < 200; i++) {
                String text =
                    LifeTest.with(llmsnap, i % 2 == 0 ? "  a" + i + ": {cmd: '${sim}'}\n" : "");
                if (i % 50 == 25) {
                    text = text.replace("  m: {cmd: '${sim}", "  m: {cmd: '${sim} --tokens " + i);
                }
                LifeTest.replace(llmsnap.config, text);
                assertThat(llmsnap.post("/api/reload", "").statusCode()).isEqualTo(200);
            }
            over.set(true);
            for (Future<Integer> client : clients) {
                assertThat(client.get(60, TimeUnit.SECONDS)).isPositive();
            }
            assertThat(llmsnap.count("model k: starting")).isEqualTo(1);
        }
    }

    @Test void aServerKilledInMidStreamIsReplacedForTheNextRequest() throws Exception {
        long seed = System.nanoTime();
        Random random = new Random(seed);
        try (Running llmsnap = Running.start("models:\n  a: {cmd: '${sim}'}\n")) {
            for (int i = 0; i < 10; i++) {
                llmsnap.chat("a");
                String mark = "LLMSNAP_RUN=" + llmsnap.process.pid() + "-";
                long pid = Running.processesWith(mark).getFirst();
                try (Socket client = llmsnap.connect()) {
                    client.getOutputStream()
                        .write(Running.rawChat("""
                            {"model":"a","stream":true,"max_tokens":100000,\
                            "sim":{"token_ms":1}}""").getBytes(StandardCharsets.US_ASCII));
                    int wanted = random.nextInt(20_000);
                    byte[] buffer = new byte[4096];
                    for (int read = 0; read < wanted; read += client.getInputStream()
                        .read(buffer)) {
                        assertThat(read).isNotNegative();
                    }
                    ProcessHandle.of(pid).ifPresent(ProcessHandle::destroyForcibly);
                    String rest =
                        new String(
                            client.getInputStream().readAllBytes(),
                            StandardCharsets.US_ASCII);
                    assertThat(rest)
                        .as("seed " + seed + " round " + i)
                        .doesNotContain("\r\n0\r\n")
                        .doesNotContain("[DONE]");
                }
                assertThat(llmsnap.chat("a").statusCode()).isEqualTo(200);
            }
        }
    }

    @Test void aThousandRandomOperations() throws Exception {
        long seed = System.nanoTime();
        Random random = new Random(seed);
        String sleepy =
            ", sleepMode: enable, sleepEndpoints: [{endpoint: /sleep}], wakeEndpoints:"
                + " [{endpoint: /wake_up}]";
        try (Running llmsnap =
                        Running.start(
                            "logLevel: warn\npromptCache: {dir: "
                                + Files.createTempDirectory("llmsnap-test")
                                + "}\nmodels:\n  a: {cmd: '${sim}'}\n  b: {cmd: '${sim}'"
                                + sleepy
                                + "}\n  c: {cmd: '${sim} --ready-ms 50 --slots good"
                                + " --slot-save-path ${CACHE_DIR}', keepPromptCache: true}\n"
                                + "# end\n");
            ExecutorService pool = Executors.newFixedThreadPool(4)) {
            AtomicInteger unanswered = new AtomicInteger();
            List<Future<?>> operations = new ArrayList<>();
            String asked = "a";
            for (int i = 0; i < 1000; i++) {
                // Often the same model several times in a row: a start costs a hundred times as
                // much as a request.
                if (random.nextInt(3) == 0) asked = List.of("a", "b", "c").get(random.nextInt(3));
                String model = asked;
                int kind = random.nextInt(100);
                String sim =
                    random.nextInt(20) == 0
                        ? "\"stream\":true,\"sim\":{\"die_after\":1}"
                        : "\"max_tokens\":2";
                operations.add(
                    pool.submit(
                        () -> {
                            try {
                                if (kind < 70) {
                                    assertThat(llmsnap.chat(model, sim).statusCode())
                                        .isIn(200, 502);
                                } else if (kind < 80) leave(llmsnap, model);
                                else if (kind < 87) {
                                    assertThat(
                                                    llmsnap.post(
                                                                    "/api/models/unload/"
                                                                        + model,
                                                                    "")
                                                        .statusCode())
                                        .isEqualTo(200);
                                } else if (kind < 94) {
                                    assertThat(
                                                    llmsnap.post(
                                                                    "/api/models/sleep/"
                                                                        + model,
                                                                    "")
                                                        .statusCode())
                                        .isIn(200, 400, 409);
                                } else {
                                    assertThat(llmsnap.post("/api/reload", "").statusCode())
                                        .isEqualTo(200);
                                }
                            } catch (UncheckedIOException e) {
                                if (e.getCause()
                                    instanceof HttpTimeoutException) {
                                    unanswered
                                        .incrementAndGet(); // else: cut, as it has to
                                }
                                                            // be
                            }
                            List<String> loaded =
                                llmsnap.running().stream()
                                    .filter(
                                        each ->
                                            !each.endsWith(":asleep")
                                                && !each.endsWith(
                                                    ":stopping"))
                                    .toList();
                            assertThat(loaded)
                                .as("seed " + seed)
                                .hasSizeLessThanOrEqualTo(1);
                            return null;
                        }));
            }
            for (Future<?> operation : operations) operation.get(120, TimeUnit.SECONDS);
            assertThat(unanswered).as("seed " + seed).hasValue(0);
            for (String model : List.of("a", "b", "c")) {
                Running.await(
                    model + " is served, seed " + seed,
                    () -> llmsnap.chat(model).statusCode() == 200);
            }
        }
    }

    private static void leave(Running llmsnap, String model) throws IOException {
        try (Socket client = llmsnap.connect()) {
            client.getOutputStream()
                .write(
                    Running.rawChat(
                                    "{\"model\":\""
                                        + model
                                        + "\",\"sim\":{\"reply_ms\":20}}")
                        .getBytes(StandardCharsets.US_ASCII));
        }
    }
}
