package llmsnap.http.api;

import static llmsnap.text.Json.obj;

import java.util.Base64;
import java.util.Map;
import llmsnap.record.Capture;
import llmsnap.record.InFlight;
import llmsnap.record.RowJson;
import llmsnap.text.Json;

/** Rows, captures and requests in flight as JSON. */
final class ActivityJson {
    private ActivityJson() {}

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
            "timestamp", RowJson.time(request.startedMs),
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
