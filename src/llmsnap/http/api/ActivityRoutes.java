package llmsnap.http.api;

import static java.nio.charset.StandardCharsets.UTF_8;
import static llmsnap.text.Json.obj;

import java.util.List;
import java.util.function.ToLongFunction;
import llmsnap.http.server.Exchange;
import llmsnap.http.server.Failure;
import llmsnap.models.ModelPool;
import llmsnap.models.ModelState;
import llmsnap.models.ModelStatus;
import llmsnap.models.PoolStatus;
import llmsnap.record.Activity;
import llmsnap.record.Capture;
import llmsnap.record.InFlight;
import llmsnap.record.Metrics;
import llmsnap.record.MetricsPage;
import llmsnap.record.RowJson;
import llmsnap.text.Json;

/** What was asked of the models: rows, captures, requests in flight, and counts for monitoring. */
public record ActivityRoutes(ModelPool pool, Activity activity, Metrics metrics) {
    public void rows(Exchange exchange, String rest) throws Failure {
        exchange.sendJson(Json.of(activity.rows().stream().map(RowJson::of).toList()));
    }

    public void capture(Exchange exchange, String id) throws Failure {
        Capture capture = activity.capture(number(id));
        if (capture == null) {
            throw Failure.notFound("there is no capture of request " + Failure.shown(id)
                + ": it was too large, has made room for newer ones, or captureBuffer is 0");
        }
        exchange.sendJson(ActivityJson.capture(capture));
    }

    /** {@code rest} is "ID/cancel". */
    public void cancel(Exchange exchange, String rest) throws Failure {
        if (!rest.endsWith("/cancel")) {
            throw Failure.notFound(
                "a request in flight can be cancelled: POST /api/inflight/ID/cancel");
        }
        String id = rest.substring(0, rest.lastIndexOf('/'));
        InFlight request = activity.inFlight(number(id));
        String shown = Failure.shown(id);
        if (request == null) throw Failure.notFound("there is no request " + shown + " in flight");
        request.cancel();
        exchange.sendJson(obj("msg", "ok"));
    }

    private static long number(String id) throws Failure {
        try {
            return Long.parseLong(id);
        } catch (NumberFormatException e) {
            throw new Failure(400, "\"" + Failure.shown(id) + "\" is no number of a request");
        }
    }

    public void metrics(Exchange exchange, String rest) throws Failure {
        var page = new MetricsPage();
        metrics.write(page);
        write(page, pool.statuses());
        writePools(page, pool.pools());
        writePrompts(page, pool.statuses());
        page.jvm();
        exchange.send(200, MetricsPage.CONTENT_TYPE, page.toString().getBytes(UTF_8));
    }

    /** Adds what models are at now. */
    static void write(MetricsPage page, List<ModelStatus> models) {
        page.metric("counter", "llmsnap_starts_total", "How often a model's server was started.");
        each(page, models, status -> status.history().starts());
        page.metric("counter", "llmsnap_swaps_total",
            "How often other models had to go for a model.");
        each(page, models, status -> status.history().swaps());
        page.metric("gauge", "llmsnap_model_state",
            "1 for the state that a model is in, 0 for all others.");
        for (ModelStatus status : models) {
            for (ModelState state : ModelState.values()) {
                int value = state == status.state() ? 1 : 0;
                page.sample(value, "model", status.id(), "state", state.label);
            }
        }
        page.metric("gauge", "llmsnap_requests_in_flight", "Requests that a model is at.");
        each(page, models, status -> status.requests().inFlight());
        page.metric("gauge", "llmsnap_requests_waiting", "Requests that wait for a model.");
        each(page, models, status -> status.requests().waiting());
    }

    /** Adds who holds which memory. */
    private static void writePools(MetricsPage page, List<PoolStatus> pools) {
        if (pools.isEmpty()) return;
        page.metric("gauge", "llmsnap_memory_bytes", "Memory that models share.");
        for (PoolStatus each : pools) {
            String name = each.pool().name();
            long models = each.models().values().stream().mapToLong(Long::longValue).sum();
            page.sample(each.pool().bytes(), "pool", name, "kind", "total");
            page.sample(each.pool().reserve(), "pool", name, "kind", "reserve");
            page.sample(models, "pool", name, "kind", "models");
            page.sample(each.others(), "pool", name, "kind", "others");
        }
        page.metric("gauge", "llmsnap_model_memory_bytes", "Memory that a model holds.");
        for (PoolStatus each : pools) {
            each.models().forEach((id, bytes) ->
                page.sample(bytes, "model", id, "pool", each.pool().name()));
        }
    }

    /** Adds what is kept of prompts, of models that keep them. */
    private static void writePrompts(MetricsPage page, List<ModelStatus> all) {
        List<ModelStatus> models = all.stream()
            .filter(each -> !each.model().launch().life().cacheDir().isEmpty()).toList();
        if (models.isEmpty()) return;
        String name = "llmsnap_prompt_cache_";
        page.metric("counter", name + "saved_tokens_total", "Tokens saved when a model went.");
        each(page, models, status -> status.server().prompts().saved().allTokens());
        page.metric("counter", name + "restored_tokens_total", "Tokens restored at a start.");
        each(page, models, status -> status.server().prompts().restored().allTokens());
        page.metric("counter", name + "saved_seconds_total", "Time that saving took.");
        eachSeconds(page, models, status -> status.server().prompts().saved().allMs());
        page.metric("counter", name + "restored_seconds_total", "Time that restoring took.");
        eachSeconds(page, models, status -> status.server().prompts().restored().allMs());
        page.metric("gauge", name + "bytes", "What a model's prompt cache takes on the disk.");
        each(page, models, status -> status.server().prompts().saved().bytes());
    }

    private static void eachSeconds(MetricsPage page, List<ModelStatus> models,
            ToLongFunction<ModelStatus> millis) {
        models.forEach(status ->
            page.sample(millis.applyAsLong(status) / 1000.0, "model", status.id()));
    }

    private static void each(MetricsPage page, List<ModelStatus> models,
            ToLongFunction<ModelStatus> value) {
        models.forEach(status -> page.sample(value.applyAsLong(status), "model", status.id()));
    }
}
