package llmsnap.http.server;

import static llmsnap.record.Cause.NO_MODEL;
import static llmsnap.record.Cause.REFUSED;
import static llmsnap.record.Cause.SHUTTING_DOWN;
import static llmsnap.record.Cause.UNLOADED;
import static llmsnap.text.Json.obj;

import java.util.LinkedHashMap;
import java.util.Map;
import llmsnap.models.Refused;
import llmsnap.record.Cause;
import llmsnap.record.Log;
import llmsnap.text.Json;

/**
 * A request that cannot be served, on its way from where that turns out to {@link Exchange#fail},
 * where it becomes an answer in the form that the route's clients parse.
 */
public final class Failure extends Exception {
    /** Of a request whose client left before an answer, as nginx notes it. */
    private static final int CLIENT_CLOSED = 499;

    private static final int MAX_SHOWN = 200;
    private static final int PAUSE_SECONDS = 30;

    /** How a route's clients expect errors. */
    enum Form { OPENAI, RESPONSES, ANTHROPIC }

    public final int status;
    public final Cause cause;
    // What is added where it is made, and then stays.
    private String code;        // OpenAI's machine-readable word, or null
    private int retrySeconds = 1;
    private String param;       // which parameter is to blame, or null
    private Json.Obj more = Json.EMPTY;       // members beside the error
    private Json.Obj given;           // the model's server's own error, or null

    public Failure(int status, String message) {
        this(status, REFUSED, message);
    }

    public Failure(int status, Cause cause, String message) {
        super(message, null, false, false);
        this.status = status;
        this.cause = cause;
    }

    /** The same with more words. */
    public Failure plus(String words) {
        var more = new Failure(status, cause, getMessage() + words);
        more.code = code;
        more.retrySeconds = retrySeconds;
        more.param = param;
        more.more = this.more;
        more.given = given;
        return more;
    }

    /** Adds OpenAI's word for it, and the parameter to blame or null. */
    public Failure as(String word, String parameter) {
        code = word;
        param = parameter;
        return this;
    }

    /** It may be worth to ask again after so long. */
    private Failure retryIn(int seconds) {
        retrySeconds = seconds;
        return this;
    }

    String retrySeconds() {
        return String.valueOf(retrySeconds);
    }

    /** Adds another member beside the error. */
    public Failure with(String key, Object value) {
        more = more.with(key, value);
        return this;
    }

    /** Adds the error object of a model's server, which its client knows to read. */
    public Failure instead(Json.Obj error) {
        given = error;
        return this;
    }

    /** What a stranger said, as far as it is repeated: in sentences, rows and logs. */
    public static String shown(String text) {
        return Log.cut(text, MAX_SHOWN);
    }

    /** A browser that was sent here by any page asked for a change with a GET. */
    public static Failure stray(String instead) {
        return new Failure(403, "a GET of a browser changes nothing here, since any page can make"
            + " it send one: " + instead);
    }

    /** The request names no model, {@code how} it should. */
    public static Failure missingModel(String how) {
        return new Failure(400, how).as("missing_model", "model");
    }

    public static Failure notFound(String message) {
        return new Failure(404, message).as("not_found", null);
    }

    /** There is no such path. */
    public static Failure noPath(String path) {
        return notFound("there is no " + shown(path) + " here; README lists the routes");
    }

    /** A path takes other methods. */
    public static Failure notTaken(String path, String methods, String method) {
        return new Failure(405, shown(path) + " takes " + methods + ", not " + method)
            .as("method_not_allowed", null);
    }

    /** There is no such model: {@code message} says which, and which there are. */
    public static Failure noModel(String message) {
        return new Failure(404, NO_MODEL, message).as("model_not_found", "model");
    }

    /** What breaks a request off. */
    public static Failure of(Cause cause) {
        return switch (cause) {
            case CLIENT_LEFT -> new Failure(CLIENT_CLOSED, cause, "the client left");
            case CANCELLED -> new Failure(502, cause, "the request was cancelled");
            case UNLOADED -> new Failure(502, cause, "the model was unloaded");
            case SHUTTING_DOWN -> new Failure(503, cause, "llmsnap is shutting down");
            default -> new Failure(502, cause, cause.word());
        };
    }

    public static Failure of(Refused refused) {
        String message = refused.getMessage();
        return switch (refused.refusal) {
            case LIMIT -> new Failure(429, message).as("rate_limit_exceeded", null);
            case START_FAILED -> new Failure(502, message);
            case UNLOADED -> new Failure(502, UNLOADED, message);
            case SHUTTING_DOWN -> new Failure(503, SHUTTING_DOWN, message);
            case NO_SLEEP_MODE -> new Failure(400, message);
            case NOT_LOADED -> new Failure(409, message);
            case REMOVED -> noModel(message);
            case QUEUE_TIMEOUT -> new Failure(503, message);
            case PAUSED -> new Failure(503, message).retryIn(PAUSE_SECONDS);
            case NO_MEMORY -> new Failure(507, message).as("insufficient_memory", "model");
        };
    }

    /** The answer's body. */
    Json.Obj body(Form form) {
        Json.Obj body = switch (form) {
            case ANTHROPIC -> obj(
                "type", "error",
                "error", given != null ? given
                    : obj("type", anthropicType(), "message", getMessage()));
            case OPENAI, RESPONSES -> obj("error", error());
        };
        Map<String, Json> all = new LinkedHashMap<>(body.entries());
        all.putAll(more.entries());
        return new Json.Obj(all);
    }

    private Json.Obj error() {
        return given != null ? given : obj(
            "message", getMessage(),
            "type", openAiType(),
            "param", param,
            "code", code);
    }

    /** The failure as the last event of a stream. */
    String event(Form form) {
        return switch (form) {
            case ANTHROPIC -> "event: error\ndata: " + body(form) + "\n\n";
            // Its own type goes: an event of the Responses API says there what it is.
            case RESPONSES -> "event: error\ndata: " + error().with("type", "error") + "\n\n";
            case OPENAI -> "data: " + body(form) + "\n\ndata: [DONE]\n\n";
        };
    }

    private String openAiType() {
        if (status == 429) return "rate_limit_error";
        return status < 500 ? "invalid_request_error" : "server_error";
    }

    private String anthropicType() {
        return switch (status) {
            case 401 -> "authentication_error";
            case 403 -> "permission_error";
            case 404 -> "not_found_error";
            case 413 -> "request_too_large";
            case 429 -> "rate_limit_error";
            case 503 -> "overloaded_error";
            default -> status < 500 ? "invalid_request_error" : "api_error";
        };
    }
}
