package llmsnap.observe;

import java.lang.management.ManagementFactory;
import java.lang.management.MemoryUsage;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.atomic.LongAdder;

/**
 * Counts for a monitoring system, in Prometheus's text format 0.0.4. Labels are bounded: models are those of the
 * configurations that there were, paths those of a list, everything else is "other".
 */
public final class Prometheus {
    public static final String CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

    private static final Set<String> PATHS = Set.of("/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/embeddings", "/v1/messages",
        "/v1/messages/count_tokens", "/v1/audio/speech", "/v1/audio/voices", "/v1/audio/transcriptions", "/v1/images/generations", "/v1/images/edits",
        "/v1/rerank", "/v1/reranking", "/rerank", "/reranking", "/infill", "/completion", "/tokenize", "/detokenize", "/apply-template", "/score",
        "/classify", "/pooling", "/sdapi/v1/txt2img", "/sdapi/v1/img2img");

    /** One model as it is now; {@code state} is one of {@code states} given to {@link #text}. */
    public record ModelNow(String id, String state, long starts, long swaps, int inFlight, int waiting) {}

    private record Answered(String model, String path, int status) {}

    /** What is summed up for a model. */
    private static final class Totals {
        final LongAdder errors = new LongAdder();
        final LongAdder prompt = new LongAdder();
        final LongAdder cached = new LongAdder();
        final LongAdder generated = new LongAdder();
        final Histogram queue = new Histogram(0.01, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300);
        final Histogram load = new Histogram(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600);
        final Histogram firstToken = new Histogram(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120);
        final Histogram duration = new Histogram(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600);
    }

    /** Counts of values up to each bound, in seconds. */
    private static final class Histogram {
        final double[] bounds;
        final LongAdder[] counts;
        final LongAdder sumMs = new LongAdder();

        Histogram(double... bounds) {
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

    /** @param version of this program, for llmsnap_build_info */
    public Prometheus(String version) {
        this.version = version;
    }

    private Totals totals(String model) {
        Totals totals = models.get(model);
        return totals != null ? totals : models.computeIfAbsent(model, each -> new Totals());
    }

    /** A request has ended. */
    public void count(Activity.Row row) {
        String plain = row.path().startsWith("//") ? row.path().replaceFirst("^/+", "/") : row.path();     // of a base URL that ends with a slash
        String path = plain.startsWith("/upstream/") ? "/upstream" : PATHS.contains(plain) ? plain : "other";
        requests.computeIfAbsent(new Answered(row.model(), path, row.status()), each -> new LongAdder()).increment();
        Totals totals = totals(row.model());
        if (!row.error().isEmpty()) totals.errors.increment();
        totals.prompt.add(row.inputTokens());
        totals.cached.add(Math.max(0, row.cacheTokens()));
        totals.generated.add(row.outputTokens());
        totals.queue.add(row.queueMs());
        totals.duration.add(row.durationMs());
        if (row.ttftMs() >= 0) totals.firstToken.add(row.ttftMs());
    }

    /** A model has become ready, from a stop or from sleep, within that time. */
    public void loaded(String model, long millis) {
        totals(model).load.add(millis);
    }

    /** Everything, now. @param states all names that a model's state can have */
    public String text(List<ModelNow> now, List<String> states) {
        Page page = new Page();
        page.metric("llmsnap_build_info", "gauge", "The version that runs; the value is always 1.");
        page.sample("llmsnap_build_info", 1, "version", version);
        page.metric("llmsnap_requests_total", "counter", "Requests that have ended, by model, path and the status of their answer (499: the client left before one).");
        requests.entrySet().stream()
            .sorted(Map.Entry.comparingByKey(Comparator.comparing(Answered::model).thenComparing(Answered::path).thenComparing(Answered::status)))
            .forEach(entry -> page.sample("llmsnap_requests_total", entry.getValue().sum(), "model", entry.getKey().model, "path", entry.getKey().path,
                "status", String.valueOf(entry.getKey().status)));
        page.metric("llmsnap_errors_total", "counter", "Requests that failed, whose answer broke off, or whose client left.");
        models.forEach((model, totals) -> page.sample("llmsnap_errors_total", totals.errors.sum(), "model", model));
        tokens(page);
        histogram(page, "llmsnap_queue_seconds", "Time that requests waited for their model, its load included.", totals -> totals.queue);
        histogram(page, "llmsnap_load_seconds", "Time that models took to become ready, from a stop or from sleep.", totals -> totals.load);
        histogram(page, "llmsnap_first_token_seconds", "Time from the start of a streamed request at its model to its first piece of text.", totals -> totals.firstToken);
        histogram(page, "llmsnap_request_seconds", "Time that models took for requests.", totals -> totals.duration);
        models(page, now, states);
        jvm(page);
        return page.text.toString();
    }

    private void tokens(Page page) {
        page.metric("llmsnap_prompt_tokens_total", "counter", "Tokens of prompts; from servers that report timings, those that were not cached.");
        models.forEach((model, totals) -> page.sample("llmsnap_prompt_tokens_total", totals.prompt.sum(), "model", model));
        page.metric("llmsnap_cached_tokens_total", "counter", "Tokens of prompts that came from a cache.");
        models.forEach((model, totals) -> page.sample("llmsnap_cached_tokens_total", totals.cached.sum(), "model", model));
        page.metric("llmsnap_generated_tokens_total", "counter", "Tokens generated.");
        models.forEach((model, totals) -> page.sample("llmsnap_generated_tokens_total", totals.generated.sum(), "model", model));
    }

    private void histogram(Page page, String name, String help, java.util.function.Function<Totals, Histogram> of) {
        page.metric(name, "histogram", help);
        models.forEach((model, totals) -> {
            Histogram histogram = of.apply(totals);
            long sum = 0;
            for (int i = 0; i < histogram.counts.length; i++) {
                sum += histogram.counts[i].sum();
                String bound = i < histogram.bounds.length ? number(histogram.bounds[i]) : "+Inf";
                page.sample(name + "_bucket", sum, "model", model, "le", bound);
            }
            page.sample(name + "_sum", histogram.sumMs.sum() / 1000.0, "model", model);
            page.sample(name + "_count", sum, "model", model);
        });
    }

    private static void models(Page page, List<ModelNow> now, List<String> states) {
        page.metric("llmsnap_starts_total", "counter", "How often a model's server was started.");
        now.forEach(model -> page.sample("llmsnap_starts_total", model.starts, "model", model.id));
        page.metric("llmsnap_swaps_total", "counter", "How often other models had to go for a model.");
        now.forEach(model -> page.sample("llmsnap_swaps_total", model.swaps, "model", model.id));
        page.metric("llmsnap_model_state", "gauge", "1 for the state that a model is in, 0 for all others.");
        for (ModelNow model : now) {
            for (String state : states) page.sample("llmsnap_model_state", state.equals(model.state) ? 1 : 0, "model", model.id, "state", state);
        }
        page.metric("llmsnap_requests_in_flight", "gauge", "Requests that a model is at.");
        now.forEach(model -> page.sample("llmsnap_requests_in_flight", model.inFlight, "model", model.id));
        page.metric("llmsnap_requests_waiting", "gauge", "Requests that wait for a model.");
        now.forEach(model -> page.sample("llmsnap_requests_waiting", model.waiting, "model", model.id));
    }

    private static void jvm(Page page) {
        var memory = ManagementFactory.getMemoryMXBean();
        MemoryUsage heap = memory.getHeapMemoryUsage();
        MemoryUsage other = memory.getNonHeapMemoryUsage();
        page.metric("jvm_memory_used_bytes", "gauge", "Memory of the Java virtual machine in use.");
        page.sample("jvm_memory_used_bytes", heap.getUsed(), "area", "heap");
        page.sample("jvm_memory_used_bytes", other.getUsed(), "area", "nonheap");
        page.metric("jvm_memory_committed_bytes", "gauge", "Memory that the Java virtual machine holds.");
        page.sample("jvm_memory_committed_bytes", heap.getCommitted(), "area", "heap");
        page.sample("jvm_memory_committed_bytes", other.getCommitted(), "area", "nonheap");
        page.metric("jvm_memory_max_bytes", "gauge", "What the heap may grow to.");
        page.sample("jvm_memory_max_bytes", heap.getMax(), "area", "heap");
        page.metric("process_start_time_seconds", "gauge", "When the process started, in seconds since 1970.");
        page.sample("process_start_time_seconds", ManagementFactory.getRuntimeMXBean().getStartTime() / 1000.0);
    }

    private static String number(double value) {
        return value == Math.rint(value) && Math.abs(value) < 1e15 ? String.valueOf((long) value) : new java.math.BigDecimal(String.valueOf(value)).toPlainString();
    }

    /** The text format: for each metric its help and type, then its samples. */
    private static final class Page {
        final StringBuilder text = new StringBuilder(8192);

        void metric(String name, String type, String help) {
            text.append("# HELP ").append(name).append(' ').append(help).append("\n# TYPE ").append(name).append(' ').append(type).append('\n');
        }

        void sample(String name, double value, String... labels) {
            text.append(name);
            for (int i = 0; i < labels.length; i += 2) {
                text.append(i == 0 ? '{' : ',').append(labels[i]).append("=\"");
                quote(labels[i + 1]);
                text.append('"');
            }
            if (labels.length > 0) text.append('}');
            text.append(' ').append(number(value)).append('\n');
        }

        private void quote(String value) {
            for (int i = 0; i < value.length(); i++) {
                switch (value.charAt(i)) {
                    case '\\' -> text.append("\\\\");
                    case '"' -> text.append("\\\"");
                    case '\n' -> text.append("\\n");
                    default -> text.append(value.charAt(i));
                }
            }
        }
    }
}
