package llmsnap.observe;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.zip.GZIPOutputStream;
import llmsnap.config.Config;
import llmsnap.config.ConfigReader;
import org.junit.jupiter.api.Test;

/** Rows and captures: what is kept, what goes first, and what is never kept. */
class ActivityTest {
    private static final Map<String, List<String>> NO_HEADERS = Map.of();

    private static Config config(String yaml) {
        return ConfigReader.read((yaml + "\nmodels: {m: {cmd: x, proxy: http://h}}\n").getBytes(StandardCharsets.UTF_8), name -> null, Map.of()).config();
    }

    private static Activity.Request ended(Activity activity, int asked, int answered) {
        Activity.Request request = activity.begin("m", "/v1/x?a=b", () -> { });
        request.asked(NO_HEADERS, new byte[asked], asked);
        request.taken();
        request.answered(NO_HEADERS, "application/octet-stream", null, -1);
        for (int left = answered; left > 0; left -= 1000) request.passed(new byte[1000], 0, Math.min(left, 1000));
        request.end(200, "", null);
        return request;
    }

    private static List<Long> captured(Activity activity) {
        return activity.rows().stream().filter(Activity.Row::hasCapture).map(Activity.Row::id).toList();
    }

    @Test void onlyTheNewestRowsStay() {
        Activity activity = new Activity(config("metricsMaxInMemory: 3"), row -> { });
        for (int i = 0; i < 5; i++) ended(activity, 1, 1);
        assertThat(activity.rows().stream().map(Activity.Row::id)).containsExactly(3L, 4L, 5L);
        activity.configure(config("metricsMaxInMemory: 1"));
        assertThat(activity.rows().stream().map(Activity.Row::id)).containsExactly(5L);
    }

    @Test void theOldestCapturesMakeRoom() {
        Activity activity = new Activity(config("captureBuffer: 1"), row -> { });
        for (int i = 0; i < 5; i++) ended(activity, 200_000, 100_000);
        assertThat(captured(activity)).as("three times 300 KB fit into 1 MB").containsExactly(3L, 4L, 5L);
        assertThat(activity.capture(2)).isNull();
        assertThat(activity.capture(3).responseBody).hasSize(100_000);
        ended(activity, 2_000_000, 1);
        ended(activity, 1, 2_000_000);
        assertThat(captured(activity)).as("what is too large for the whole is not kept in part; the room it took is free again").isEmpty();
        ended(activity, 500_000, 500_000);
        assertThat(captured(activity)).containsExactly(8L);
        activity.configure(config("captureBuffer: 0"));
        assertThat(captured(activity)).isEmpty();
        ended(activity, 1, 1);
        assertThat(captured(activity)).isEmpty();
        assertThat(activity.rows()).hasSize(9);
    }

    @Test void capturesThatAreBeingMadeCountToo() {
        Activity activity = new Activity(config("captureBuffer: 1"), row -> { });
        List<Activity.Request> open = new ArrayList<>();
        for (int i = 0; i < 8; i++) {
            Activity.Request request = activity.begin("m", "/v1/x", () -> { });
            request.asked(NO_HEADERS, new byte[200_000], 200_000);
            request.taken();
            open.add(request);
        }
        for (Activity.Request request : open) request.end(200, "", null);
        assertThat(captured(activity)).as("five times 200 KB fit into 1 MB").hasSize(5);
        for (int i = 0; i < 3; i++) ended(activity, 300_000, 0);
        assertThat(captured(activity)).as("nothing of what was taken is lost").containsExactly(9L, 10L, 11L);
    }

    @Test void secretsAreNotKept() {
        Activity activity = new Activity(config(""), row -> { });
        Activity.Request request = activity.begin("m", "/v1/x?a=1&api_key=k&b=2&Access-Token=k", () -> { });
        request.asked(Map.of("Ocp-Apim-Subscription-Key", List.of("k"), "CF-Access-Client-Secret", List.of("k"), "Authorization", List.of("Bearer k"), "X-api-key", List.of("k"), "Cookie", List.of("k"), "Accept", List.of("a", "b")), new byte[0], 0);
        request.taken();
        request.answered(Map.of("set-cookie", List.of("k"), "content-type", List.of("text/plain")), "text/plain", null, -1);
        request.end(200, "", null);
        Activity.Capture capture = activity.capture(1);
        assertThat(capture.path()).isEqualTo("/v1/x?a=1&api_key=[REDACTED]&b=2&Access-Token=[REDACTED]");
        assertThat(capture.requestHeaders()).containsEntry("Ocp-Apim-Subscription-Key", "[REDACTED]").containsEntry("CF-Access-Client-Secret", "[REDACTED]");
        assertThat(capture.requestHeaders()).containsEntry("Authorization", "[REDACTED]").containsEntry("X-api-key", "[REDACTED]")
            .containsEntry("Cookie", "[REDACTED]").containsEntry("Accept", "a, b");
        assertThat(capture.responseHeaders()).containsEntry("set-cookie", "[REDACTED]").containsEntry("content-type", "text/plain");
    }

    @Test void encodedAnswersAreKeptAndReadDecoded() throws Exception {
        byte[] text = "{\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":7}}".getBytes(StandardCharsets.UTF_8);
        var packed = new ByteArrayOutputStream();
        try (GZIPOutputStream gzip = new GZIPOutputStream(packed)) {
            gzip.write(text);
        }
        Activity activity = new Activity(config(""), row -> { });
        for (String encoding : new String[] {"gzip", "br"}) {
            Activity.Request request = activity.begin("m", "/v1/x", () -> { });
            request.asked(NO_HEADERS, new byte[0], 0);
            request.taken();
            request.answered(Map.of("content-encoding", List.of(encoding)), "application/json", encoding, -1);
            request.passed(packed.toByteArray(), 0, packed.size());
            request.end(200, "", null);
        }
        assertThat(activity.capture(1).responseBody).isEqualTo(text);
        assertThat(activity.capture(1).responseHeaders()).doesNotContainKey("content-encoding");
        assertThat(activity.rows().getFirst().outputTokens()).isEqualTo(7);
        assertThat(activity.capture(2).responseBody).as("what cannot be read stays as it came").isEqualTo(packed.toByteArray());
        assertThat(activity.rows().getLast().outputTokens()).isZero();
    }

    @Test void speedIsWorkedOutWhereTheServerSaysNone() {
        Activity activity = new Activity(config(""), row -> { });
        Activity.Request request = activity.begin("m", "/v1/x", () -> { });
        request.taken();
        request.answered(NO_HEADERS, "application/json", null, -1);
        byte[] body = "{\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":1000}}".getBytes(StandardCharsets.UTF_8);
        request.passed(body, 0, body.length);
        request.end(200, "", null);
        Activity.Row row = activity.rows().getFirst();
        assertThat(row.tokensPerSecond()).isEqualTo(1000.0 * 1000 / Math.max(1, row.durationMs()));
        assertThat(row.promptPerSecond()).isEqualTo(-1);
        assertThat(row.cacheTokens()).isEqualTo(-1);
        assertThat(row.ttftMs()).as("no stream").isEqualTo(-1);
    }

    @Test void aRequestEndsOnceAndIsInFlightUntilThen() {
        List<Activity.Row> counted = new ArrayList<>();
        Activity activity = new Activity(config(""), counted::add);
        boolean[] cancelled = {false};
        Activity.Request request = activity.begin("m", "/v1/x?y", () -> cancelled[0] = true);
        assertThat(activity.inFlight()).containsExactly(request);
        assertThat(request.isWaiting()).isTrue();
        activity.inFlight(request.id).cancel();
        assertThat(cancelled[0]).isTrue();
        request.end(502, "it failed", "said".getBytes(StandardCharsets.UTF_8));
        request.end(200, "", null);
        request.passed(new byte[10], 0, 10);
        assertThat(activity.inFlight()).isEmpty();
        assertThat(counted).hasSize(1);
        Activity.Row row = activity.rows().getFirst();
        assertThat(row.status()).isEqualTo(502);
        assertThat(row.error()).isEqualTo("it failed");
        assertThat(row.path()).isEqualTo("/v1/x");
        assertThat(row.durationMs()).as("no model ever took it").isZero();
    }

    @Test void veryLongPathsAndErrorsAreCut() {
        Activity activity = new Activity(config(""), row -> { });
        Activity.Request request = activity.begin("m", "/v1/" + "a".repeat(300_000), () -> { });
        assertThat(request.path).hasSizeLessThan(250);
        request.end(502, "x".repeat(60_000), null);
        assertThat(activity.rows().getFirst().path()).hasSizeLessThan(250);
        assertThat(activity.rows().getFirst().error()).hasSizeLessThan(2_100);
    }

    @Test void aCaptureGoesWithItsRowAndSmallOnesCountForMoreThanTheirText() {
        Activity activity = new Activity(config("metricsMaxInMemory: 2"), row -> { });
        for (int i = 0; i < 3; i++) ended(activity, 1, 1);
        assertThat(activity.capture(1)).isNull();
        assertThat(activity.capture(2)).isNotNull();
        Activity many = new Activity(config("metricsMaxInMemory: 100000\ncaptureBuffer: 1"), row -> { });
        for (int i = 0; i < 5_000; i++) ended(many, 1, 1);
        assertThat(captured(many)).as("1 MB of captures that take 300 bytes each beside their text").hasSizeBetween(3_000, 3_500);
    }

    @Test void aCaptureThatWasBegunBeforeCapturesWereTurnedOffIsNotKept() {
        Activity activity = new Activity(config(""), row -> { });
        Activity.Request request = activity.begin("m", "/v1/x", () -> { });
        request.asked(NO_HEADERS, new byte[10], 10);
        activity.configure(config("captureBuffer: 0"));
        request.end(200, "", null);
        assertThat(captured(activity)).isEmpty();
        assertThat(activity.capture(1)).isNull();
    }

    @Test void anAnswerThatIsKnownToBeTooLargeMakesNoOthersGo() {
        Activity activity = new Activity(config("captureBuffer: 1"), row -> { });
        ended(activity, 100, 100);
        Activity.Request request = activity.begin("m", "/v1/x", () -> { });
        request.asked(NO_HEADERS, new byte[10], 10);
        request.taken();
        request.answered(NO_HEADERS, "text/plain", null, 5_000_000);
        for (int i = 0; i < 5_000; i++) request.passed(new byte[1000], 0, 1000);
        request.end(200, "", null);
        assertThat(captured(activity)).containsExactly(1L);
    }

    @Test void aPackedAnswerThatEndsTooSoonIsNotKeptAsIfItWereWhole() throws Exception {
        var packed = new ByteArrayOutputStream();
        try (GZIPOutputStream gzip = new GZIPOutputStream(packed)) {
            for (int i = 0; i < 1000; i++) gzip.write(("line " + i * i).getBytes(StandardCharsets.UTF_8));
        }
        Activity activity = new Activity(config(""), row -> { });
        for (int length : new int[] {packed.size(), packed.size() - 1, 100}) {
            Activity.Request request = activity.begin("m", "/v1/x", () -> { });
            request.asked(NO_HEADERS, new byte[0], 0);
            request.taken();
            request.answered(NO_HEADERS, "text/plain", "gzip", length);
            request.passed(packed.toByteArray(), 0, length);
            request.end(200, "", null);
        }
        assertThat(captured(activity)).containsExactly(1L);
    }

    @Test void timeOfATryThatCameToNothingIsNoWaiting() throws Exception {
        Activity activity = new Activity(config(""), row -> { });
        Activity.Request request = activity.begin("m", "/v1/x", () -> { });
        long start = System.nanoTime();
        request.taken();
        request.again();
        request.end(502, "gone", null);
        Activity.Row row = activity.rows().getFirst();
        assertThat(row.durationMs() + row.queueMs()).isLessThanOrEqualTo((System.nanoTime() - start) / 1_000_000 + 1);
    }

    // ---- Prometheus

    @Test void thePageCountsWhatEndedWithBoundedLabels() {
        Prometheus prometheus = new Prometheus("1");
        Activity activity = new Activity(config(""), prometheus::count);
        for (String path : new String[] {"/v1/chat/completions", "/v1/chat/completions", "/upstream/m/a", "/upstream/m/b", "/v1/made/up", "/v1/made/up/too"}) {
            activity.begin("m", path, () -> { }).end(200, "", null);
        }
        activity.begin("q\"\\\n", "/infill", () -> { }).end(502, "x", null);
        prometheus.loaded("m", 3_000);
        prometheus.loaded("m", 1_000_000);
        String page = prometheus.text(List.of(new Prometheus.ModelNow("m", "ready", 4, 2, 1, 0)), List.of("stopped", "ready"));
        assertThat(page.lines()).contains(
            "llmsnap_requests_total{model=\"m\",path=\"/v1/chat/completions\",status=\"200\"} 2",
            "llmsnap_requests_total{model=\"m\",path=\"/upstream\",status=\"200\"} 2",
            "llmsnap_requests_total{model=\"m\",path=\"other\",status=\"200\"} 2",
            "llmsnap_requests_total{model=\"q\\\"\\\\\\n\",path=\"/infill\",status=\"502\"} 1",
            "llmsnap_errors_total{model=\"m\"} 0",
            "llmsnap_load_seconds_bucket{model=\"m\",le=\"2.5\"} 0",
            "llmsnap_load_seconds_bucket{model=\"m\",le=\"5\"} 1",
            "llmsnap_load_seconds_bucket{model=\"m\",le=\"600\"} 1",
            "llmsnap_load_seconds_bucket{model=\"m\",le=\"+Inf\"} 2",
            "llmsnap_load_seconds_sum{model=\"m\"} 1003",
            "llmsnap_load_seconds_count{model=\"m\"} 2",
            "llmsnap_starts_total{model=\"m\"} 4",
            "llmsnap_swaps_total{model=\"m\"} 2",
            "llmsnap_model_state{model=\"m\",state=\"ready\"} 1",
            "llmsnap_model_state{model=\"m\",state=\"stopped\"} 0",
            "llmsnap_requests_in_flight{model=\"m\"} 1");
        // The format: every sample belongs to a metric that was announced, and no name is announced twice.
        List<String> announced = page.lines().filter(line -> line.startsWith("# TYPE ")).map(line -> line.split(" ")[2]).toList();
        assertThat(announced).doesNotHaveDuplicates();
        page.lines().filter(line -> !line.startsWith("#")).forEach(line -> {
            assertThat(line).matches("[a-z_]+(\\{([a-z]+=\"([^\"\\\\]|\\\\.)*\",?)+})? [-+0-9.eE]+");
            assertThat(announced).as(line).anyMatch(name -> line.matches(name + "(_bucket|_sum|_count)?[ {].*"));
        });
    }
}
