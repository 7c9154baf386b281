package llmsnap.http.api;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import llmsnap.config.Config;
import llmsnap.config.ReadConfig;
import llmsnap.config.Machine;
import llmsnap.http.proxy.Inference;
import llmsnap.models.Kept;
import llmsnap.models.MemorySource;
import llmsnap.models.ModelState;
import llmsnap.models.ModelStatus;
import llmsnap.record.Activity;
import llmsnap.record.Cause;
import llmsnap.record.Metrics;
import llmsnap.record.MetricsPage;
import org.junit.jupiter.api.Test;

/** The page for Prometheus. */
class MetricsTest {
    private static final Config CONFIG =
        ReadConfig.read(
                        "models: {m: {cmd: x, proxy: http://h}}"
                            .getBytes(StandardCharsets.UTF_8),
                        Map.<String, String>of()::get,      // no lambda: that would wait for us
                        Map.of(), Machine.NONE)
            .config();

    /** Ready, started four times, twice others had to go; one request in flight, none waiting. */
    private static ModelStatus status() {
        return new ModelStatus(
            CONFIG.model("m"),
            ModelState.READY,
            new ModelStatus.Server(7, Map.of(), MemorySource.UNKNOWN, Map.of(),
                Kept.NOTHING),
            new ModelStatus.Requests(1, 0, 0),
            new ModelStatus.History(4, 2, -1, "", 0,
                new ModelStatus.Trouble("", 0, 0, -1)),
            new ModelStatus.Clock(0, 0, 0));
    }

    @Test void thePageCountsWhatEndedWithBoundedLabels() {
        Metrics metrics = new Metrics("1", Inference.MODEL_PATHS);
        Activity activity = new Activity(CONFIG.settings().kept(), metrics::count);
        for (String path :
            new String[] {
                "/v1/chat/completions",
                "/v1/chat/completions",
                "/upstream/m/a",
                "/upstream/m/b",
                "/v1/made/up",
                "/v1/made/up/too"
            }) {
            activity.begin("m", path, () -> {}).end(200, Cause.ANSWERED, "", null);
        }
        activity.begin("q\"\\\n", "/infill", () -> {}).end(502, Cause.REFUSED, "x", null);
        metrics.loaded("m", 3_000);
        metrics.loaded("m", 1_000_000);
        MetricsPage text = new MetricsPage();
        metrics.write(text);
        ActivityRoutes.write(text, List.of(status()));
        String page = text.toString();
        assertThat(page.lines())
            .contains(
                """
                    llmsnap_requests_total{model="m",path="/v1/chat/completions",status="200"} 2""",
                """
                    llmsnap_requests_total{model="m",path="/upstream",status="200"} 2""",
                """
                    llmsnap_requests_total{model="m",path="other",status="200"} 2""",
                """
                    llmsnap_requests_total{model="q\\"\\\\\\n",path="/infill",status="502"} 1""",
                "llmsnap_errors_total{model=\"m\"} 0",
                """
                    llmsnap_load_seconds_bucket{model="m",le="2.5"} 0""",
                """
                    llmsnap_load_seconds_bucket{model="m",le="5"} 1""",
                """
                    llmsnap_load_seconds_bucket{model="m",le="600"} 1""",
                """
                    llmsnap_load_seconds_bucket{model="m",le="+Inf"} 2""",
                "llmsnap_load_seconds_sum{model=\"m\"} 1003",
                "llmsnap_load_seconds_count{model=\"m\"} 2",
                "llmsnap_starts_total{model=\"m\"} 4",
                "llmsnap_swaps_total{model=\"m\"} 2",
                """
                    llmsnap_model_state{model="m",state="ready"} 1""",
                """
                    llmsnap_model_state{model="m",state="stopped"} 0""",
                "llmsnap_requests_in_flight{model=\"m\"} 1");
        // The format: every sample belongs to a metric that was announced, and no name is announced
        // twice.
        List<String> announced =
            page.lines()
                .filter(line -> line.startsWith("# TYPE "))
                .map(line -> line.split(" ")[2])
                .toList();
        assertThat(announced).doesNotHaveDuplicates();
        page.lines()
            .filter(line -> !line.startsWith("#"))
            .forEach(
                line -> {
                    assertThat(line)
                        .matches(
                            "[a-z_]+(\\{([a-z]+=\"([^\"\\\\]|\\\\.)*\",?)+})?"
                                + " [-+0-9.eE]+");
                    assertThat(announced)
                        .as(line)
                        .anyMatch(
                            name ->
                                line.matches(
                                    name + "(_bucket|_sum|_count)?[ {].*"));
                });
    }
}
