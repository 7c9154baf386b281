package llmsnap.record;

import static java.lang.Math.max;
import static llmsnap.text.Json.obj;

import java.time.Instant;
import java.util.Locale;
import llmsnap.text.Json;

/** Rows as JSON, for those who look and for files, and back again. */
public final class RowJson {
    /** What every row has, in this order. */
    static final String[] KEYS = {"id", "timestamp", "model", "cache_tokens", "input_tokens",
        "output_tokens", "prompt_per_second", "tokens_per_second", "duration_ms", "path", "status",
        "ttft_ms", "queue_ms", "reasoning_tokens", "requested_model", "key", "draft_tokens",
        "draft_accepted", "estimated", "error", "cause"};

    private RowJson() {}

    /** A time as rows have it. */
    public static String time(long ms) {
        return Instant.ofEpochMilli(ms).toString();
    }

    /** Writes a row. */
    public static Json.Obj of(Row row) {
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
        json = json.withText("requested_model", row.asked().requested())
            .withText("key", row.asked().key());
        if (row.copy() == Row.Copy.GONE) json = json.with("capture_gone", true);
        if (tokens.draft().made() >= 0) {
            json = json.with("draft_tokens", tokens.draft().made())
                .with("draft_accepted", tokens.draft().accepted());
        }
        if (row.tokens().estimated()) json = json.with("estimated", true);
        if (outcome.error().isEmpty()) return json;
        return json.with("error", outcome.error()).with("cause", outcome.cause().word());
    }

    /** Reads one. @throws RuntimeException for what is no row */
    static Row row(Json.Obj json) {
        var draft = new Usage.Draft(whole(json, "draft_tokens"), whole(json, "draft_accepted"));
        var speeds = new Usage.Speeds(number(json, "prompt_per_second"),
            number(json, "tokens_per_second"), -1, -1);
        var counts = new Usage.Counts(whole(json, "input_tokens"), whole(json, "cache_tokens"),
            whole(json, "output_tokens"), whole(json, "reasoning_tokens"), draft, speeds);
        String cause = text(json, "cause");
        return new Row(whole(json, "id"),
            new Row.Asked(text(json, "model"), text(json, "path"), text(json, "requested_model"),
                text(json, "key")),
            new Row.Outcome((int) whole(json, "status"),
                cause.isEmpty() ? Cause.ANSWERED : Cause.valueOf(cause.toUpperCase(Locale.ROOT)),
                text(json, "error")),
            new Row.Tokens(counts, json.at("estimated") == Json.TRUE),
            new Row.Times(Instant.parse(text(json, "timestamp")).toEpochMilli(),
                whole(json, "duration_ms"), whole(json, "ttft_ms"), whole(json, "queue_ms")),
            Row.Copy.NONE);
    }

    private static double number(Json.Obj json, String key) {
        return json.at(key) instanceof Json.Num number ? number.value() : -1;
    }

    private static long whole(Json.Obj json, String key) {
        return (long) number(json, key);
    }

    private static String text(Json.Obj json, String key) {
        String text = json.text(key);
        return text == null ? "" : text;
    }

    /** The first line of a table of rows. */
    public static String csvHead() {
        return String.join(",", KEYS) + "\r\n";
    }

    /** A spreadsheet would work out what begins like this. */
    private static String harmless(String text) {
        return text.matches("(?s)[=+@\\t\\r-].*") ? "'" + text : text;
    }

    /** A row of such a table. */
    public static String csv(Json.Obj row) {
        var line = new StringBuilder();
        for (String key : KEYS) {
            if (!line.isEmpty()) line.append(',');
            Json value = row.at(key);
            String text = value instanceof Json.Str its ? harmless(its.text())
                : String.valueOf(value == null ? "" : value);
            boolean plain = text.chars().noneMatch(c -> c == ',' || c == '"' || c < ' ');
            line.append(plain ? text : '"' + text.replace("\"", "\"\"") + '"');
        }
        return line + "\r\n";
    }
}
