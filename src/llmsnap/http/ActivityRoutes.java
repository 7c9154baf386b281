package llmsnap.http;

import java.io.IOException;
import java.time.Instant;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import llmsnap.observe.Activity;
import llmsnap.observe.Insight;
import llmsnap.observe.Prometheus;
import llmsnap.swap.Scheduler.State;
import llmsnap.swap.SwapLoop;
import llmsnap.text.Json;

/** What was asked of the models, over HTTP: rows, captures, requests in flight, and counts for monitoring. */
final class ActivityRoutes {
    private static final List<String> STATES = Arrays.stream(State.values()).map(state -> state.label).toList();

    private final SwapLoop loop;
    private final Insight insight;

    ActivityRoutes(SwapLoop loop, Insight insight) {
        this.loop = loop;
        this.insight = insight;
    }

    void rows(Exchange exchange) throws IOException {
        exchange.sendJson(200, Json.of(insight.activity().rows().stream().map(ActivityRoutes::row).toList()));
    }

    static Json.Obj row(Activity.Row row) {
        Json.Obj json = Json.obj("id", row.id(), "timestamp", Instant.ofEpochMilli(row.timestampMs()).toString(), "model", row.model(),
            "cache_tokens", row.cacheTokens(), "input_tokens", row.inputTokens(), "output_tokens", row.outputTokens(),
            "prompt_per_second", row.promptPerSecond(), "tokens_per_second", row.tokensPerSecond(), "duration_ms", row.durationMs(),
            "has_capture", row.hasCapture(), "path", row.path(), "status", row.status(), "ttft_ms", row.ttftMs(), "queue_ms", row.queueMs(),
            "reasoning_tokens", row.reasoningTokens());
        return row.error().isEmpty() ? json : json.with("error", Json.of(row.error()));
    }

    void capture(Exchange exchange, String id) throws Failure, IOException {
        Activity.Capture capture = insight.activity().capture(number(id));
        if (capture == null) {
            throw new Failure(404, "there is no capture of request " + id + ": it was too large, has made room for newer ones, or captureBuffer is 0", "not_found", null);
        }
        Base64.Encoder base64 = Base64.getEncoder();
        exchange.sendJson(200, Json.obj("id", capture.id, "req_path", capture.path(), "req_headers", capture.requestHeaders(),
            "req_body", base64.encodeToString(capture.requestBody), "resp_headers", capture.responseHeaders(),
            "resp_body", base64.encodeToString(capture.responseBody)));
    }

    /** {@code rest} is "ID/cancel". */
    void cancel(Exchange exchange, String rest) throws Failure, IOException {
        if (!rest.endsWith("/cancel")) throw new Failure(404, "a request in flight can be cancelled: POST /api/inflight/ID/cancel", "not_found", null);
        String id = rest.substring(0, rest.length() - "/cancel".length());
        Activity.Request request = insight.activity().inFlight(number(id));
        if (request == null) throw new Failure(404, "there is no request " + id + " in flight", "not_found", null);
        request.cancel();
        exchange.sendJson(200, Json.obj("msg", "ok"));
    }

    private static long number(String id) throws Failure {
        try {
            return Long.parseLong(id);
        } catch (NumberFormatException e) {
            throw new Failure(400, "\"" + id + "\" is no number of a request");
        }
    }

    void prometheus(Exchange exchange) throws IOException {
        List<Prometheus.ModelNow> now = loop.snapshot().stream().map(SwapLoop.Snapshot::status).map(status -> new Prometheus.ModelNow(status.model().id(),
            status.state().label, status.run(), status.swaps(), status.inFlight(), status.waiting())).toList();
        byte[] text = insight.prometheus().text(now, STATES).getBytes(java.nio.charset.StandardCharsets.UTF_8);
        exchange.send(200, Prometheus.CONTENT_TYPE, text);
    }
}
