package llmsnap.record;

import static java.lang.Math.max;

import java.util.Comparator;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.Function;

/**
 * Counts for a monitoring system. Labels are bounded: models are those of the configurations that
 * there were, paths those of a list, everything else is "other".
 */
public final class Metrics {
    private record Answered(String model, String path, int status) {}

    private static final Comparator<Answered> ORDER = Comparator.comparing(Answered::model)
        .thenComparing(Answered::path).thenComparing(Answered::status);

    /** Bounds of histograms, in seconds. */
    private static final double[] QUEUE = {0.01, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300};
    private static final double[] LOAD =
        {0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600};
    private static final double[] FIRST_TOKEN =
        {0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120};
    private static final double[] DURATION =
        {0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600};

    /** What is summed up for a model. */
    private static final class Totals {
        final LongAdder errors = new LongAdder();
        final LongAdder prompt = new LongAdder();
        final LongAdder cached = new LongAdder();
        final LongAdder generated = new LongAdder();
        final Histogram queue = new Histogram(QUEUE);
        final Histogram load = new Histogram(LOAD);
        final Histogram firstToken = new Histogram(FIRST_TOKEN);
        final Histogram duration = new Histogram(DURATION);
    }

    /** Counts of values up to each bound, in seconds. */
    private static final class Histogram {
        final double[] bounds;
        final LongAdder[] counts;
        final LongAdder sumMs = new LongAdder();

        Histogram(double[] bounds) {
            this.bounds = bounds;
            this.counts = new LongAdder[bounds.length + 1];
            for (int i = 0; i < counts.length; i++) counts[i] = new LongAdder();
        }

        void add(long millis) {
            int i = 0;
            while (i < bounds.length && millis > bounds[i] * 1000) i++;
            counts[i].increment();
            sumMs.add(millis);
        }
    }

    private final Map<Answered, LongAdder> requests = new ConcurrentHashMap<>();
    private final Map<String, Totals> models = new ConcurrentSkipListMap<>();
    private final String version;
    private final Set<String> paths;

    /**
     * @param version of this program, for llmsnap_build_info
     * @param paths that are told apart
     */
    public Metrics(String version, Set<String> paths) {
        this.version = version;
        this.paths = paths;
    }

    private Totals totals(String model) {
        return models.computeIfAbsent(model, each -> new Totals());
    }

    /** A request has ended. */
    public void count(Row row) {
        String model = row.asked().model();
        var answered = new Answered(model, label(row.asked().path()), row.outcome().status());
        requests.computeIfAbsent(answered, each -> new LongAdder()).increment();
        Totals totals = totals(model);
        if (!row.outcome().error().isEmpty()) totals.errors.increment();
        totals.prompt.add(max(0, row.tokens().prompt()));
        totals.cached.add(max(0, row.tokens().cached()));
        totals.generated.add(max(0, row.tokens().output()));
        totals.queue.add(row.times().queueMs());
        totals.duration.add(row.times().durationMs());
        if (row.times().ttftMs() >= 0) totals.firstToken.add(row.times().ttftMs());
    }

    private String label(String path) {
        String plain = path.replaceFirst("^/+", "/");   // a base URL may end with a slash
        if (plain.startsWith("/upstream/")) return "/upstream";
        return paths.contains(plain) ? plain : "other";
    }

    /** A model has become ready, from a stop or from sleep, within that time. */
    public void loaded(String model, long millis) {
        totals(model).load.add(millis);
    }

    /** Writes all of it. */
    public void write(MetricsPage page) {
        page.gauge("llmsnap_build_info", "The version that runs; the value is always 1.");
        page.sample(1, "version", version);
        page.counter("llmsnap_requests_total", "Requests that have ended, by model, path and the"
            + " status of their answer (499: the client left before one).");
        requests.entrySet().stream().sorted(Map.Entry.comparingByKey(ORDER)).forEach(entry -> {
            Answered of = entry.getKey();
            page.sample(entry.getValue().sum(), "model", of.model, "path", of.path,
                "status", String.valueOf(of.status));
        });
        counter(page, "llmsnap_errors_total",
            "Requests that failed, whose answer broke off, or whose client left.",
            totals -> totals.errors);
        counter(page, "llmsnap_prompt_tokens_total", "Tokens of prompts; from servers that report"
            + " timings, those that were not cached.", totals -> totals.prompt);
        counter(page, "llmsnap_cached_tokens_total", "Tokens of prompts that came from a cache.",
            totals -> totals.cached);
        counter(page, "llmsnap_generated_tokens_total", "Tokens generated.",
            totals -> totals.generated);
        histogram(page, "llmsnap_queue_seconds",
            "Time that requests waited for their model, its load included.",
            totals -> totals.queue);
        histogram(page, "llmsnap_load_seconds",
            "Time that models took to become ready, from a stop or from sleep.",
            totals -> totals.load);
        histogram(page, "llmsnap_first_token_seconds",
            "Time from the start of a streamed request at"
            + " its model to its first piece of text.", totals -> totals.firstToken);
        histogram(page, "llmsnap_request_seconds", "Time that models took for requests.",
            totals -> totals.duration);
    }

    private void counter(MetricsPage page, String name, String help, Function<Totals,
        LongAdder> of) {
        page.counter(name, help);
        models.forEach((model, totals) -> page.sample(of.apply(totals).sum(), "model", model));
    }

    private void histogram(MetricsPage page, String name, String help,
            Function<Totals, Histogram> of) {
        page.histogram(name, help);
        models.forEach((model, totals) -> {
            Histogram histogram = of.apply(totals);
            long sum = 0;
            for (int i = 0; i < histogram.counts.length; i++) {
                sum += histogram.counts[i].sum();
                boolean last = i == histogram.bounds.length;
                String bound = last ? "+Inf" : MetricsPage.number(histogram.bounds[i]);
                page.sampleOf("_bucket", sum, "model", model, "le", bound);
            }
            page.sampleOf("_sum", histogram.sumMs.sum() / 1000.0, "model", model);
            page.sampleOf("_count", sum, "model", model);
        });
    }
}
