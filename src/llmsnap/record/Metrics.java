package llmsnap.record;

import java.util.Arrays;
import java.util.Comparator;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.ToLongFunction;

/**
 * Counts for a monitoring system. Labels are bounded: models are those of the configurations that
 * there were, paths those of a list, everything else is "other".
 */
public final class Metrics {
    private record Answered(String model, String path, int status, String key) {}

    private static final Comparator<Answered> ORDER = Comparator.comparing(Answered::model)
        .thenComparing(Answered::path).thenComparing(Answered::status)
        .thenComparing(Answered::key);

    /** What is summed up for each model. */
    private enum Family {
        ERRORS("errors_total",
            "Requests that failed, whose answer broke off, or whose client left.",
            row -> row.outcome().error().isEmpty() ? 0 : 1),
        PROMPT("prompt_tokens_total", "Tokens of prompts; from servers that report timings, those"
            + " that were not cached.", row -> row.tokens().counts().prompt()),
        CACHED("cached_tokens_total", "Tokens of prompts that came from a cache.",
            row -> row.tokens().counts().cached()),
        GENERATED("generated_tokens_total", "Tokens generated.",
            row -> row.tokens().counts().output()),
        QUEUE("queue_seconds", "Time that requests waited for their model, its load included.",
            row -> row.times().queueMs(), 0.01, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300),
        LOAD("load_seconds", "Time that models took to become ready, from a stop or from sleep.",
            row -> -1, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600),
        FIRST_TOKEN("first_token_seconds", "Time from the start of a streamed request at its model"
            + " to its first piece of text.", row -> row.times().ttftMs(),
            0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120),
        DURATION("request_seconds", "Time that models took for requests.",
            row -> row.times().durationMs(),
            0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600);

        final String title;
        final String help;
        final ToLongFunction<Row> value;        // in ms, or how many; -1: none
        final double[] bounds;                  // in seconds; none: only the sum is of interest

        Family(String name, String help, ToLongFunction<Row> value, double... bounds) {
            this.title = "llmsnap_" + name;
            this.help = help;
            this.value = value;
            this.bounds = bounds;
        }
    }

    private static final Family[] FAMILIES = Family.values();

    /** Counts of values up to each bound. */
    private static final class Histogram {
        final double[] bounds;
        final LongAdder[] counts;
        final LongAdder sum = new LongAdder();

        Histogram(Family family) {
            bounds = family.bounds;
            counts = new LongAdder[bounds.length + 1];
            Arrays.setAll(counts, i -> new LongAdder());
        }

        void add(long value) {
            if (value < 0 || value == 0 && bounds.length == 0) return;
            int i = 0;
            while (i < bounds.length && value > bounds[i] * 1000) i++;
            counts[i].increment();
            sum.add(value);
        }

        void write(MetricsPage page, String model) {
            if (bounds.length == 0) {
                page.sample(sum.sum(), "model", model);
                return;
            }
            long count = 0;
            for (int i = 0; i < counts.length; i++) {
                count += counts[i].sum();
                String bound = i == bounds.length ? "+Inf" : MetricsPage.number(bounds[i]);
                page.sampleOf("_bucket", count, "model", model, "le", bound);
            }
            page.sampleOf("_sum", sum.sum() / 1000.0, "model", model);
            page.sampleOf("_count", count, "model", model);
        }
    }

    private final Map<Answered, LongAdder> requests = new ConcurrentSkipListMap<>(ORDER);
    private final Map<String, Histogram[]> models = new ConcurrentSkipListMap<>();
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

    /** A model's values, by the family's place. */
    private Histogram[] of(String model) {
        return models.computeIfAbsent(model,
            each -> Arrays.stream(FAMILIES).map(Histogram::new).toArray(Histogram[]::new));
    }

    /** A request has ended. */
    public void count(Row row) {
        // Names that do not exist are no labels: everybody may make some.
        boolean unknown = row.outcome().cause() == Cause.NO_MODEL;
        String model = unknown ? "unknown" : row.asked().model();
        var answered = new Answered(model, label(row.asked().path()), row.outcome().status(),
            row.asked().key());
        requests.computeIfAbsent(answered, each -> new LongAdder()).increment();
        Histogram[] values = of(model);
        for (Family family : FAMILIES) values[family.ordinal()].add(family.value.applyAsLong(row));
    }

    private String label(String path) {
        if (path.startsWith("/upstream/")) return "/upstream";
        return paths.contains(path) ? path : "other";
    }

    /** A model has become ready, from a stop or from sleep, within that time. */
    public void loaded(String model, long millis) {
        of(model)[Family.LOAD.ordinal()].add(millis);
    }

    /** Writes all of it. */
    public void write(MetricsPage page) {
        page.metric("gauge", "llmsnap_build_info", "The version that runs; the value is always 1.");
        page.sample(1, "version", version);
        page.metric("counter", "llmsnap_requests_total",
            "Requests that have ended, by model, path and the"
            + " status of their answer (499: the client left before one).");
        requests.forEach((of, count) -> {
            String status = String.valueOf(of.status);
            if (of.key.isEmpty()) {
                page.sample(count.sum(), "model", of.model, "path", of.path, "status", status);
            } else {
                page.sample(count.sum(), "model", of.model, "path", of.path, "status", status,
                    "key", of.key);
            }
        });
        for (Family family : FAMILIES) {
            String type = family.bounds.length == 0 ? "counter" : "histogram";
            page.metric(type, family.title, family.help);
            models.forEach((model, values) -> values[family.ordinal()].write(page, model));
        }
    }
}
