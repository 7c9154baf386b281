package llmsnap.http.api;

import static java.nio.charset.StandardCharsets.UTF_8;
import static llmsnap.text.Json.obj;

import java.util.List;
import java.util.function.ToDoubleFunction;
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
    public void rows(Exchange exchange) throws Failure {
        exchange.sendJson(Json.of(activity.rows().stream().map(RowJson::of).toList()));
    }

    public void capture(Exchange exchange) throws Failure {
        String id = exchange.rest();
        Capture capture = activity.capture(number(id));
        if (capture == null) {
            throw Failure.notFound("there is no capture of request " + Failure.shown(id)
                + ": it was too large, has made room for newer ones, or captureBuffer is 0");
        }
        exchange.sendJson(ActivityJson.capture(capture));
    }

    /** {@code rest} is "ID/cancel". */
    public void cancel(Exchange exchange) throws Failure {
        String rest = exchange.rest();
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

    public void metrics(Exchange exchange) throws Failure {
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
        each(page, models, "counter starts_total How often a model's server was started.",
            status -> status.history().starts());
        each(page, models, "counter swaps_total How often other models had to go for a model.",
            status -> status.history().swaps());
        page.metric("gauge", "llmsnap_model_state",
            "1 for the state that a model is in, 0 for all others.");
        for (ModelStatus status : models) {
            for (ModelState state : ModelState.values()) {
                int value = state == status.state() ? 1 : 0;
                page.sample(value, "model", status.id(), "state", state.label);
            }
        }
        each(page, models, "gauge requests_in_flight Requests that a model is at.",
            status -> status.requests().inFlight());
        each(page, models, "gauge requests_waiting Requests that wait for a model.",
            status -> status.requests().waiting());
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
        String name = "counter prompt_cache_";
        each(page, models, name + "saved_tokens_total Tokens saved when a model went.",
            status -> status.server().prompts().saved().allTokens());
        each(page, models, name + "restored_tokens_total Tokens restored at a start.",
            status -> status.server().prompts().restored().allTokens());
        each(page, models, name + "saved_seconds_total Time that saving took.",
            status -> status.server().prompts().saved().allMs() / 1000.0);
        each(page, models, name + "restored_seconds_total Time that restoring took.",
            status -> status.server().prompts().restored().allMs() / 1000.0);
        each(page, models, "gauge prompt_cache_bytes What a prompt cache takes on the disk.",
            status -> status.server().prompts().saved().bytes());
    }

    /** @param metric its type, its name and what it is, with a blank between */
    private static void each(MetricsPage page, List<ModelStatus> models, String metric,
            ToDoubleFunction<ModelStatus> value) {
        String[] words = metric.split(" ", 3);
        page.metric(words[0], "llmsnap_" + words[1], words[2]);
        models.forEach(status -> page.sample(value.applyAsDouble(status), "model", status.id()));
    }
}
