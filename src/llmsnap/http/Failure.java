package llmsnap.http;

import llmsnap.swap.SwapLoop.Refused;
import llmsnap.text.Json;

/** A request that cannot be served: status and sentence, said in the form that the route's clients parse. */
final class Failure extends Exception {
    private static final long serialVersionUID = 1;

    /** How a route's clients expect errors. */
    enum Form { OPENAI, ANTHROPIC }

    final int status;
    final String code;      // OpenAI's machine-readable word, or null
    final String param;     // which parameter is to blame, or null

    Failure(int status, String message) {
        this(status, message, null, null);
    }

    Failure(int status, String message, String code, String param) {
        super(message, null, false, false);
        this.status = status;
        this.code = code;
        this.param = param;
    }

    static Failure of(Refused refused) {
        return switch (refused.refusal) {
            case LIMIT -> new Failure(429, refused.getMessage(), "rate_limit_exceeded", null);
            case START_FAILED, UNLOADED -> new Failure(502, refused.getMessage());
            case SHUTTING_DOWN -> new Failure(503, refused.getMessage());
            case NO_SLEEP_MODE -> new Failure(400, refused.getMessage());
            case NOT_LOADED -> new Failure(409, refused.getMessage());
            case REMOVED -> new Failure(404, refused.getMessage(), "model_not_found", "model");
        };
    }

    /** The answer's body. */
    Json.Obj body(Form form) {
        return switch (form) {
            case ANTHROPIC -> Json.obj("type", "error", "error", Json.obj("type", anthropicType(), "message", getMessage()));
            case OPENAI -> Json.obj("error", Json.obj("message", getMessage(),
                "type", status == 429 ? "rate_limit_error" : status < 500 ? "invalid_request_error" : "server_error",
                "param", param, "code", code));
        };
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
