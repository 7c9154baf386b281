package llmsnap.http.api;

import static java.nio.charset.StandardCharsets.UTF_8;
import static llmsnap.text.Json.obj;

import java.time.DateTimeException;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.OffsetDateTime;
import java.time.ZoneId;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import llmsnap.http.proxy.Body;
import llmsnap.http.proxy.BodyReader;
import llmsnap.http.proxy.Query;
import llmsnap.http.server.Exchange;
import llmsnap.http.server.Failure;
import llmsnap.models.ModelPool;
import llmsnap.models.Pause;
import llmsnap.record.History;
import llmsnap.record.RowJson;
import llmsnap.text.Json;
import llmsnap.text.JsonEdit;
import llmsnap.text.Malformed;

/** Living with it: its configuration, the GPU for others for a while, and what was. */
public record OperateRoutes(ModelPool pool, BodyReader bodies, History history, Editor editor) {
    private static final int MAX_CONFIG_BYTES = 4 << 20;
    private static final Pattern TIME = Pattern.compile("([0-9]{1,6}) ?(s|m|h)");
    private static final long MAX_MS = 30L * 24 * 3_600_000;
    private static final int MAX_REASON = 200;
    private static final Instant LAST = Instant.parse("9999-01-01T00:00:00Z");

    /** The configuration: read again, shown, and edited where that is allowed. */
    public interface Editor {
        /** Reads it again. @return what changed @throws Failure with the problems */
        Json.Obj now() throws Failure;

        /**
         * Its text with its problems, and whether it may be edited; its keys are hidden where it
         * may not.
         */
        Json.Obj shown() throws Failure;

        /** What would be wrong with a text, and what it would change. @throws Failure 403 */
        Json.Obj check(String text) throws Failure;

        /**
         * Puts a text in its place, keeps the one before beside it, and reads it.
         *
         * @param stamp of the file that the text was made from; null for any
         * @throws Failure 409 when it is another one by now
         */
        Json.Obj save(String text, String stamp) throws Failure;
    }

    // ---- the configuration

    public void reload(Exchange exchange) throws Failure {
        exchange.sendJson(editor.now());
    }

    public void show(Exchange exchange) throws Failure {
        exchange.sendJson(editor.shown());
    }

    public void check(Exchange exchange) throws Failure {
        exchange.beQuiet();
        exchange.sendJson(editor.check(text(exchange)));
    }

    public void save(Exchange exchange) throws Failure {
        String stamp = Query.value(exchange.rawQuery(), "stamp");
        exchange.sendJson(editor.save(text(exchange), stamp));
    }

    private String text(Exchange exchange) throws Failure {
        try (Body body = bodies.read(exchange)) {
            boolean fits = body.size() <= MAX_CONFIG_BYTES;
            if (!fits) throw new Failure(413, "a configuration of over 4 MB");
            return body.size() == 0 ? "" : new String(body.bytes(), 0, (int) body.size(), UTF_8);
        }
    }

    // ---- pause

    /** How it stands. */
    static Json.Obj json(Pause pause) {
        if (pause == null) return obj("paused", false);
        long leftMs = Math.max(0, pause.untilMs() - System.currentTimeMillis());
        return obj(
            "paused", true,
            "until", RowJson.time(pause.untilMs()),
            "seconds_left", (leftMs + 999) / 1000,
            "reason", pause.reason(),
            "unload", pause.unload(),
            "refuse", pause.refuse());
    }

    public void paused(Exchange exchange) throws Failure {
        exchange.sendJson(json(pool.paused()));
    }

    public void pause(Exchange exchange) throws Failure {
        try (Body body = bodies.read(exchange)) {
            JsonEdit asked = body.json();
            long untilMs = untilMs(asked.text("for"), asked.text("until"));
            String reason = asked.text("reason");
            String shown = reason == null ? "" : reason.strip();
            pool.pause(new Pause(untilMs,
                shown.length() > MAX_REASON ? shown.substring(0, MAX_REASON) : shown,
                asked.flag("unload", true), asked.flag("refuse", false)));
        } catch (Malformed e) {
            throw new Failure(400, e.getMessage());
        }
        paused(exchange);
    }

    public void resume(Exchange exchange) throws Failure {
        pool.resume();
        paused(exchange);
    }

    private static long untilMs(String forHowLong, String until) throws Failure {
        boolean one = forHowLong == null ^ until == null;
        if (!one) {
            throw new Failure(400, "a pause needs \"for\", like \"30m\", or \"until\", a time like"
                + " \"2026-01-31T18:00\"");
        }
        long now = System.currentTimeMillis();
        long ms = forHowLong == null ? time(until).toEpochMilli() - now : length(forHowLong);
        if (ms > 0 && ms <= MAX_MS) return now + ms;
        throw new Failure(400, "a pause ends in the future, within 30 days");
    }

    private static long length(String text) throws Failure {
        Matcher time = TIME.matcher(text.strip());
        if (!time.matches()) {
            throw new Failure(400, "\"for\" is a number of s, m or h, like \"30m\"; this is \""
                + Failure.shown(text) + "\"");
        }
        long seconds = switch (time.group(2)) {
            case "s" -> 1;
            case "m" -> 60;
            default -> 3_600;
        };
        return Long.parseLong(time.group(1)) * seconds * 1000;
    }

    private static Instant sane(Instant time) {
        boolean odd = time.isBefore(Instant.EPOCH) || time.isAfter(LAST);
        if (odd) throw new DateTimeException("not in our time");
        return time;
    }

    /** An ISO 8601 time; one without an offset is local. */
    private static Instant time(String text) throws Failure {
        // In a query a plus is a blank.
        String given = text.strip().replace(' ', '+');
        String whole = given.matches("[0-9]{4}-[0-9]{2}-[0-9]{2}") ? given + "T00:00" : given;
        try {
            return sane(OffsetDateTime.parse(whole).toInstant());
        } catch (DateTimeException e) {
            // perhaps a local one
        }
        try {
            return sane(LocalDateTime.parse(whole).atZone(ZoneId.systemDefault()).toInstant());
        } catch (DateTimeException e) {
            throw new Failure(400, "\"" + Failure.shown(text) + "\" is no time, as"
                + " 2026-01-31T18:00 and 2026-01-31T18:00:00Z are");
        }
    }

    // ---- history

    /** Rows of {@code from} to {@code to}, of a {@code model} or a {@code key}. */
    public void history(Exchange exchange) throws Failure {
        if (!history.isOn()) {
            throw Failure.notFound("no history is kept: write history: {dir: FOLDER} in the"
                + " configuration");
        }
        String query = exchange.rawQuery();
        String from = Query.value(query, "from");
        String to = Query.value(query, "to");
        String model = Query.value(query, "model");
        String key = Query.value(query, "key");
        Instant begin = from == null ? Instant.EPOCH : time(from);
        Instant end = to == null ? Instant.now().plusSeconds(1) : time(to);
        boolean csv = exchange.headerText("Accept").contains("text/csv");
        exchange.beginEndless(csv ? "text/csv" : "application/jsonl");
        if (exchange.is("HEAD")) return;
        if (csv) exchange.write(RowJson.csvHead().getBytes(UTF_8));
        history.read(begin, end, row -> {
            boolean asked = (model == null || model.equals(row.text("model")))
                && (key == null || key.equals(row.text("key")));
            if (asked) exchange.write((csv ? RowJson.csv(row) : row + "\n").getBytes(UTF_8));
        });
    }
}
