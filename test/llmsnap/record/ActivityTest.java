package llmsnap.record;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Random;
import llmsnap.config.Config.Kept;
import llmsnap.config.ReadConfig;
import llmsnap.config.Machine;
import org.junit.jupiter.api.Test;

/** Rows and captures: what is kept, what goes first, and what is never kept. */
class ActivityTest {
    private static final Map<String, List<String>> NO_HEADERS = Map.of();
    private static final Random RANDOM = new Random(1);

    private static Kept config(String yaml) {
        return ReadConfig.read(
                        (yaml + "\nmodels: {m: {cmd: x, proxy: http://h}}\n")
                            .getBytes(StandardCharsets.UTF_8),
                        name -> null,
                        Map.of(), Machine.NONE)
            .config()
            .settings()
            .kept();
    }

    private static Map<String, List<String>> type(String contentType) {
        return Map.of("content-type", List.of(contentType));
    }

    /** What cannot be packed, and is no base64. */
    private static byte[] noise(int length) {
        byte[] bytes = new byte[length];
        RANDOM.nextBytes(bytes);
        return bytes;
    }

    private static InFlight ended(Activity activity, int asked, int answered) {
        InFlight request = activity.begin("m", "/v1/x?a=b", () -> {});
        request.keepRequest(NO_HEADERS, noise(asked), asked);
        request.granted();
        request.answerBegins(NO_HEADERS, -1);
        for (int left = answered; left > 0; left -= 1000) {
            request.pass(noise(1000), 0, Math.min(left, 1000));
        }
        request.end(200, Cause.ANSWERED, "", null);
        return request;
    }

    private static List<Long> captured(Activity activity) {
        return activity.rows().stream().filter(row -> row.copy() == Row.Copy.KEPT).map(Row::id)
            .toList();
    }

    @Test void onlyTheNewestRowsStay() {
        Activity activity = new Activity(config("metricsMaxInMemory: 3"), row -> {});
        for (int i = 0; i < 5; i++) ended(activity, 1, 1);
        assertThat(activity.rows().stream().map(Row::id)).containsExactly(3L, 4L, 5L);
        activity.configure(config("metricsMaxInMemory: 1"));
        assertThat(activity.rows().stream().map(Row::id)).containsExactly(5L);
    }

    @Test void theOldestCapturesMakeRoom() {
        Activity activity = new Activity(config("captureBuffer: 1"), row -> {});
        for (int i = 0; i < 5; i++) ended(activity, 200_000, 100_000);
        assertThat(captured(activity))
            .as("three times 300 KB fit into 1 MB")
            .containsExactly(3L, 4L, 5L);
        assertThat(activity.capture(2)).isNull();
        assertThat(activity.capture(3).response().body()).hasSize(100_000);
        ended(activity, 2_000_000, 1);
        ended(activity, 1, 2_000_000);
        assertThat(captured(activity))
            .as("what is too large for the whole is not kept in part, and no other goes for it")
            .containsExactly(3L, 4L, 5L);
        ended(activity, 500_000, 500_000);
        assertThat(captured(activity)).containsExactly(8L);
        activity.configure(config("captureBuffer: 0"));
        assertThat(captured(activity)).isEmpty();
        ended(activity, 1, 1);
        assertThat(captured(activity)).isEmpty();
        assertThat(activity.rows()).hasSize(9);
    }

    @Test void capturesThatAreBeingMadeCountToo() {
        Activity activity = new Activity(config("captureBuffer: 1"), row -> {});
        List<InFlight> open = new ArrayList<>();
        for (int i = 0; i < 8; i++) {
            InFlight request = activity.begin("m", "/v1/x", () -> {});
            request.keepRequest(NO_HEADERS, noise(200_000), 200_000);
            request.granted();
            open.add(request);
        }
        for (InFlight request : open) request.end(200, Cause.ANSWERED, "", null);
        assertThat(captured(activity)).as("five times 200 KB fit into 1 MB").hasSize(5);
        for (int i = 0; i < 3; i++) ended(activity, 300_000, 0);
        assertThat(captured(activity))
            .as("nothing of what was taken is lost")
            .containsExactly(9L, 10L, 11L);
    }

    @Test void aPictureTakesTheRoomOfASentence() {
        Activity activity = new Activity(config("captureBuffer: 1"), row -> {});
        ended(activity, 300_000, 1_000);
        byte[] picture = noise(3 << 20);
        System.arraycopy(new byte[] {(byte) 0x89, 'P', 'N', 'G'}, 0, picture, 0, 4);
        String base64 = Base64.getEncoder().encodeToString(picture);
        for (String url : List.of("data:image/png;base64,", "")) {
            byte[] asked = ("{\"image\":\"" + url + base64 + "\",\"n\":1}").getBytes(UTF_8);
            InFlight request = activity.begin("m", "/v1/x", () -> {});
            request.keepRequest(type("application/json"), asked, asked.length);
            request.answerBegins(type("image/png"), picture.length);
            request.pass(picture, 0, picture.length);
            request.end(200, Cause.ANSWERED, "", null);
            Capture capture = activity.capture(request.id);
            assertThat(new String(capture.request().body(), UTF_8))
                .matches("\\{\"image\":\"image/png, 3 MB, sha256 [0-9a-f]{64}\",\"n\":1}");
            assertThat(new String(capture.response().body(), UTF_8))
                .matches("image/png, 3 MB, sha256 [0-9a-f]{64}");
        }
        assertThat(captured(activity)).containsExactly(1L, 2L, 3L);
    }

    @Test void aFormKeepsItsFieldsAndALongTextIsPacked() {
        Activity activity = new Activity(config("captureBuffer: 1"), row -> {});
        String form = "--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper\r\n"
            + "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n"
            + "Content-Type: audio/wav\r\n\r\n" + "~".repeat(2000) + "\r\n--b--\r\n";
        String text = "a sentence, and another one. ".repeat(100_000);
        InFlight request = activity.begin("m", "/v1/x", () -> {});
        byte[] asked = form.getBytes(UTF_8);
        request.keepRequest(type("Multipart/Form-Data; Boundary=\"b\""), asked, asked.length);
        request.answerBegins(type("text/plain"), -1);
        byte[] answer = text.substring(0, 900_000).getBytes(UTF_8);
        request.pass(answer, 0, answer.length);
        request.end(200, Cause.ANSWERED, "", null);
        Capture capture = activity.capture(1);
        assertThat(new String(capture.request().body(), UTF_8)).contains("whisper")
            .contains("audio/wav, 2 KB, sha256 ").endsWith("\r\n--b--\r\n").doesNotContain("~");
        assertThat(capture.response().body()).isEqualTo(answer);
        assertThat(capture.bytes()).isLessThan(100_000);
    }

    @Test void aFormOfNothingButBoundariesCostsItsLength() {
        byte[] form = "--b\r\n".repeat(400_000).getBytes(UTF_8);
        long start = System.nanoTime();
        Condensed.of("multipart/form-data; boundary=b", form, form.length);
        assertThat(System.nanoTime() - start).isLessThan(5_000_000_000L);
    }

    @Test void aRowSaysThatItsCaptureIsGone() {
        Activity activity = new Activity(config("captureBuffer: 1"), row -> {});
        for (int i = 0; i < 2; i++) ended(activity, 600_000, 1);
        assertThat(activity.rows().stream().map(Row::copy))
            .containsExactly(Row.Copy.GONE, Row.Copy.KEPT);
    }

    @Test void secretsAreNotKept() {
        Activity activity = new Activity(config(""), row -> {});
        InFlight request = activity.begin("m", "/v1/x?a=1&api_key=k&b=2&Access-Token=k", () -> {});
        request.keepRequest(
            Map.of(
                "Ocp-Apim-Subscription-Key",
                List.of("k"),
                "CF-Access-Client-Secret",
                List.of("k"),
                "Authorization",
                List.of("Bearer k"),
                "X-api-key",
                List.of("k"),
                "Cookie",
                List.of("k"),
                "Accept",
                List.of("a", "b")),
            new byte[0],
            0);
        request.granted();
        request.answerBegins(
            Map.of("set-cookie", List.of("k"), "content-type", List.of("text/plain")), -1);
        request.end(200, Cause.ANSWERED, "", null);
        Capture capture = activity.capture(1);
        assertThat(capture.path())
            .isEqualTo("/v1/x?a=1&api_key=[REDACTED]&b=2&Access-Token=[REDACTED]");
        assertThat(capture.request().headers())
            .containsEntry("Ocp-Apim-Subscription-Key", "[REDACTED]")
            .containsEntry("CF-Access-Client-Secret", "[REDACTED]");
        assertThat(capture.request().headers())
            .containsEntry("Authorization", "[REDACTED]")
            .containsEntry("X-api-key", "[REDACTED]")
            .containsEntry("Cookie", "[REDACTED]")
            .containsEntry("Accept", "a, b");
        assertThat(capture.response().headers())
            .containsEntry("set-cookie", "[REDACTED]")
            .containsEntry("content-type", "text/plain");
    }

    @Test void speedIsWorkedOutWhereTheServerSaysNone() {
        Activity activity = new Activity(config(""), row -> {});
        InFlight request = activity.begin("m", "/v1/x", () -> {});
        request.granted();
        request.answerBegins(type("application/json"), -1);
        byte[] body = """
            {"usage":{"prompt_tokens":5,\
            "completion_tokens":1000}}""".getBytes(StandardCharsets.UTF_8);
        request.pass(body, 0, body.length);
        request.end(200, Cause.ANSWERED, "", null);
        Row row = activity.rows().getFirst();
        assertThat(row.tokens().counts().outputPerSecond(row.times().durationMs()))
            .isEqualTo(1000.0 * 1000 / Math.max(1, row.times().durationMs()));
        assertThat(row.tokens().counts().speeds().prompt()).isEqualTo(-1);
        assertThat(row.tokens().counts().cached()).isEqualTo(-1);
        assertThat(row.times().ttftMs()).as("no stream").isEqualTo(-1);
    }

    @Test void aRequestEndsOnceAndIsInFlightUntilThen() {
        List<Row> counted = new ArrayList<>();
        Activity activity = new Activity(config(""), counted::add);
        boolean[] cancelled = {false};
        InFlight request = activity.begin("m", "/v1/x?y", () -> cancelled[0] = true);
        assertThat(activity.inFlight()).containsExactly(request);
        assertThat(request.isWaiting()).isTrue();
        activity.inFlight(request.id).cancel();
        assertThat(cancelled[0]).isTrue();
        request.end(502, Cause.REFUSED, "it failed", "said".getBytes(StandardCharsets.UTF_8));
        request.end(200, Cause.ANSWERED, "", null);
        request.pass(new byte[10], 0, 10);
        assertThat(activity.inFlight()).isEmpty();
        assertThat(counted).hasSize(1);
        Row row = activity.rows().getFirst();
        assertThat(row.outcome().status()).isEqualTo(502);
        assertThat(row.outcome().error()).isEqualTo("it failed");
        assertThat(row.asked().path()).isEqualTo("/v1/x");
        assertThat(row.times().durationMs()).as("no model ever took it").isZero();
    }

    @Test void veryLongPathsAndErrorsAreCut() {
        Activity activity = new Activity(config(""), row -> {});
        InFlight request = activity.begin("m", "/v1/" + "a".repeat(300_000), () -> {});
        assertThat(request.path).hasSizeLessThan(250);
        request.end(502, Cause.REFUSED, "x".repeat(60_000), null);
        assertThat(activity.rows().getFirst().asked().path()).hasSizeLessThan(250);
        assertThat(activity.rows().getFirst().outcome().error()).hasSizeLessThan(2_100);
    }

    @Test void aCaptureGoesWithItsRowAndSmallOnesCountForMoreThanTheirText() {
        Activity activity = new Activity(config("metricsMaxInMemory: 2"), row -> {});
        for (int i = 0; i < 3; i++) ended(activity, 1, 1);
        assertThat(activity.capture(1)).isNull();
        assertThat(activity.capture(2)).isNotNull();
        Activity many =
            new Activity(config("metricsMaxInMemory: 100000\ncaptureBuffer: 1"), row -> {});
        for (int i = 0; i < 5_000; i++) ended(many, 1, 1);
        assertThat(captured(many))
            .as("1 MB of captures that take 400 bytes each beside their text")
            .hasSizeBetween(2_300, 2_700);
    }

    @Test void aCaptureThatWasBegunBeforeCapturesWereTurnedOffIsNotKept() {
        Activity activity = new Activity(config(""), row -> {});
        InFlight request = activity.begin("m", "/v1/x", () -> {});
        request.keepRequest(NO_HEADERS, new byte[10], 10);
        activity.configure(config("captureBuffer: 0"));
        request.end(200, Cause.ANSWERED, "", null);
        assertThat(captured(activity)).isEmpty();
        assertThat(activity.capture(1)).isNull();
    }

    @Test void anAnswerThatIsKnownToBeTooLargeMakesNoOthersGo() {
        Activity activity = new Activity(config("captureBuffer: 1"), row -> {});
        ended(activity, 100, 100);
        InFlight request = activity.begin("m", "/v1/x", () -> {});
        request.keepRequest(NO_HEADERS, new byte[10], 10);
        request.granted();
        request.answerBegins(type("text/plain"), 5_000_000);
        for (int i = 0; i < 5_000; i++) request.pass(new byte[1000], 0, 1000);
        request.end(200, Cause.ANSWERED, "", null);
        assertThat(captured(activity)).containsExactly(1L);
    }

    @Test void timeOfATryThatCameToNothingIsNoWaiting() throws Exception {
        Activity activity = new Activity(config(""), row -> {});
        InFlight request = activity.begin("m", "/v1/x", () -> {});
        long start = System.nanoTime();
        request.granted();
        request.retried();
        request.end(502, Cause.REFUSED, "gone", null);
        Row row = activity.rows().getFirst();
        assertThat(row.times().durationMs() + row.times().queueMs())
            .isLessThanOrEqualTo((System.nanoTime() - start) / 1_000_000 + 1);
    }
}
