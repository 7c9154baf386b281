package llmsnap.http.api;

import static java.lang.Math.max;
import static llmsnap.text.Json.obj;

import java.time.Instant;
import java.util.Base64;
import java.util.Map;
import llmsnap.record.Capture;
import llmsnap.record.InFlight;
import llmsnap.record.Row;
import llmsnap.record.Usage;
import llmsnap.text.Json;

/** Rows, captures and requests in flight as JSON. */
final class ActivityJson {
    private ActivityJson() {}

    private static String time(long ms) {
        return Instant.ofEpochMilli(ms).toString();
    }

    static Json.Obj row(Row row) {
        Usage.Counts tokens = row.tokens().counts();
        Row.Times times = row.times();
        Row.Outcome outcome = row.outcome();
        Json.Obj json = obj(
            "id", row.id(),
            "timestamp", time(times.endedMs()),
            "model", row.asked().model(),
            "cache_tokens", tokens.cached(),
            "input_tokens", max(0, tokens.prompt()),
            "output_tokens", max(0, tokens.output()),
            "prompt_per_second", tokens.speeds().prompt(),
            "tokens_per_second", tokens.outputPerSecond(times.generationMs()),
            "duration_ms", times.durationMs(),
            "has_capture", row.copy() == Row.Copy.KEPT,
            "path", row.asked().path(),
            "status", outcome.status(),
            "ttft_ms", times.ttftMs(),
            "queue_ms", times.queueMs(),
            "reasoning_tokens", tokens.reasoning());
        String requested = row.asked().requested();
        if (!requested.isEmpty()) json = json.with("requested_model", requested);
        if (row.copy() == Row.Copy.GONE) json = json.with("capture_gone", true);
        if (tokens.draft().made() >= 0) {
            json = json.with("draft_tokens", tokens.draft().made())
                .with("draft_accepted", tokens.draft().accepted());
        }
        if (row.tokens().estimated()) json = json.with("estimated", true);
        if (outcome.error().isEmpty()) return json;
        return json.with("error", outcome.error()).with("cause", outcome.cause().word());
    }

    static Json.Obj capture(Capture capture) {
        Base64.Encoder base64 = Base64.getEncoder();
        return obj(
            "id", capture.id(),
            "req_path", capture.path(),
            "req_headers", capture.request().headers(),
            "req_body", base64.encodeToString(capture.request().body()),
            "resp_headers", capture.response().headers(),
            "resp_body", base64.encodeToString(capture.response().body()));
    }

    /** @param positions of models in the queue */
    static Json.Obj inFlight(InFlight request, Map<String, Integer> positions) {
        boolean waiting = request.isWaiting();
        String working = request.bytes() == 0 ? "processing" : "answering";
        int position = positions.getOrDefault(request.model, 0);
        return obj(
            "id", request.id,
            "timestamp", time(request.startedMs),
            "model", request.model,
            "path", request.path,
            "state", waiting ? "waiting" : working,
            "position", waiting ? position : 0,
            "queue_ms", request.queueMs(),
            "duration_ms", request.durationMs(),
            "ttft_ms", request.ttftMs(),
            "bytes", request.bytes(),
            "tokens", request.tokens());
    }
}
