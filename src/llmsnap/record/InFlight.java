package llmsnap.record;

import static java.lang.Math.max;
import static java.util.concurrent.TimeUnit.NANOSECONDS;

import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.BiConsumer;
import llmsnap.platform.Guard;

/**
 * A request in flight. Its own thread and those that pass its answer on tell what becomes of it.
 */
public final class InFlight {
    private static final Set<String> PLAIN = Set.of("", "identity");
    private static final int MAX_PATH = 200;
    private static final int MAX_ERROR = 2_000;

    public final long id;
    public volatile String model;        // another one when it was passed on to that
    /** Without the query, cut when it is very long. */
    public final String path;
    public final long startedMs = System.currentTimeMillis();
    /** The name of the API key that it came with, or "". */
    public final String key;
    private final String pathAndQuery;
    private final Runnable cancel;
    private final Runnable changed;
    private final BiConsumer<Row, Capture> ended;
    private final Guard guard = new Guard();     // guards draft, usage, over
    private final Captures.Draft draft;
    private volatile String requested = "";
    private volatile Usage usage;
    private boolean over;
    private volatile Row row;       // when it is over
    private volatile long waitingSinceNanos = System.nanoTime();    // 0 while a model is at it
    private volatile long grantedNanos;
    private volatile long queueNanos;
    private volatile long earlierNanos;         // at the model, in a try that came to nothing
    private volatile long firstTextNanos;
    private volatile long bytes;

    /**
     * @param changed told when its turn has come, or it waits again, or it has ended
     * @param ended takes its row, and what is kept of it or null
     */
    InFlight(long id, Row.Asked asked, Runnable cancel, Captures.Draft draft, Runnable changed,
            BiConsumer<Row, Capture> ended) {
        this.id = id;
        this.model = asked.model();
        this.key = asked.key();
        this.pathAndQuery = asked.path();
        int query = pathAndQuery.indexOf('?');
        this.path = Log.cut(query < 0 ? pathAndQuery : pathAndQuery.substring(0, query), MAX_PATH);
        this.cancel = cancel;
        this.draft = draft;
        this.changed = changed;
        this.ended = ended;
    }

    /** One of which nobody wants to know: whatever becomes of it is not noted. */
    public static InFlight unnoted(String model) {
        var request = new InFlight(0, new Row.Asked(model, "", "", ""), () -> { },
            new Captures().new Draft(), () -> { }, (row, capture) -> { });
        request.over = true;
        return request;
    }

    /** Breaks it off. */
    public void cancel() {
        cancel.run();
    }

    // ---- what becomes of it

    /**
     * Keeps {@code length} bytes of what was asked, if there is room. They must not change any
     * more.
     */
    public void keepRequest(Map<String, List<String>> headers, byte[] body, int length) {
        guard.run(() -> draft.begin(pathAndQuery, headers, body, length));
    }

    /** The model takes the request. */
    public void granted() {
        long now = System.nanoTime();
        queueNanos += now - waitingSinceNanos;
        grantedNanos = now;
        waitingSinceNanos = 0;
        changed.run();
    }

    /** It was asked for by another name than the model's. */
    public void asked(String name) {
        requested = name;
    }

    /** Another model is to serve it. */
    public void moved(String to) {
        if (waitingSinceNanos == 0) retried();
        model = to;
    }

    /** It waits for the model again: the first try came to nothing. */
    public void retried() {
        long now = System.nanoTime();
        earlierNanos += now - grantedNanos;
        waitingSinceNanos = now;
        changed.run();
    }

    /** The answer's head has come. @param length of its body, -1 when it is not known */
    public void answerBegins(Map<String, List<String>> headers, long length) {
        guard.run(() -> {
            if (over) return;
            boolean plain = PLAIN.contains(value(headers, "content-encoding").strip());
            usage = plain ? Usage.of(value(headers, "content-type")) : null;
            draft.answer(headers, length);
        });
    }

    private static String value(Map<String, List<String>> headers, String name) {
        return String.join(",", headers.getOrDefault(name, List.of()));
    }

    /** A piece of the answer's body passes. The bytes may be used again afterwards. */
    public void pass(byte[] piece, int offset, int length) {
        bytes += length;
        guard.run(() -> read(piece, offset, length));
    }

    private void read(byte[] piece, int offset, int length) {
        if (over) return;
        if (usage != null) {
            usage.read(piece, offset, length);
            if (firstTextNanos == 0 && usage.textPieces() > 0) firstTextNanos = System.nanoTime();
        }
        draft.add(piece, offset, length);
    }

    /**
     * The request has ended; only the first call counts.
     *
     * @param said the body of an answer that was not the model's, or null
     */
    public void end(int status, Cause cause, String error, byte[] said) {
        guard.run(() -> {
            if (over) return;
            if (said != null) {
                draft.clearAnswer();
                read(said, 0, said.length);
            }
            over = true;
            Usage.Fault fault = usage == null ? null : usage.fault();
            boolean itsOwn = error.isEmpty() && (fault != null || status >= 400);
            var outcome = itsOwn ? fault(status, fault)
                : new Row.Outcome(status, cause, Log.cut(error, MAX_ERROR));
            row = row(outcome);
            ended.accept(row, draft.finish(id, pathAndQuery));
        });
        changed.run();
    }

    /** What the model's own server said went wrong. */
    private static Row.Outcome fault(int status, Usage.Fault fault) {
        String message = fault == null ? "the model's server answered " + status : fault.message();
        int shown = status >= 400 ? status : fault.status();
        return new Row.Outcome(shown, Cause.MODEL_ERROR, Log.cut(message, MAX_ERROR));
    }

    private Row row(Row.Outcome outcome) {
        Usage.Counts counts = usage == null ? Usage.NOTHING : usage.counts();
        boolean estimated = usage != null && usage.isEstimated();
        if (estimated) counts = counts.with(usage.textPieces());
        var tokens = new Row.Tokens(counts, estimated);
        // The server's clock does not see its own queue, nor a slow client.
        long durationMs = max(counts.speeds().serverMs(), durationMs());
        long firstMs = ttftMs() < 0 ? counts.speeds().firstMs() : ttftMs();
        var times = new Row.Times(System.currentTimeMillis(), durationMs, firstMs, queueMs());
        var asked = new Row.Asked(model, path, requested, key);
        return new Row(id, asked, outcome, tokens, times, Row.Copy.NONE);
    }

    /** What became of it, in a few words; "" while it is not over. */
    public String summary() {
        Row ended = row;
        if (ended == null) return "";
        Usage.Counts counts = ended.tokens().counts();
        Row.Outcome outcome = ended.outcome();
        if (outcome.cause() == Cause.MODEL_ERROR) return model + " (" + outcome.error() + ")";
        if (counts.output() <= 0) return model;
        long speed = Math.round(counts.outputPerSecond(ended.times().generationMs()));
        String about = ended.tokens().estimated() ? " ~" : " ";
        return model + about + counts.output() + " tok " + speed + " tok/s";
    }

    // ---- for those who look

    /** Whether it still waits for its model. */
    public boolean isWaiting() {
        return waitingSinceNanos != 0;
    }

    /** How long it has waited for its model, in ms. */
    public long queueMs() {
        long since = waitingSinceNanos;
        return NANOSECONDS.toMillis(queueNanos + (since == 0 ? 0 : System.nanoTime() - since));
    }

    /** How long the model has been at it, in ms. */
    public long durationMs() {
        long now = isWaiting() ? 0 : System.nanoTime() - grantedNanos;
        return NANOSECONDS.toMillis(earlierNanos + now);
    }

    /** Until the first piece of text of a stream, in ms since the grant; -1 before that. */
    public long ttftMs() {
        return firstTextNanos == 0 ? -1 : NANOSECONDS.toMillis(firstTextNanos - grantedNanos);
    }

    /** How much of the answer's body has passed. */
    public long bytes() {
        return bytes;
    }

    /** About how many tokens were generated so far; 0 when it cannot be told. */
    public long tokens() {
        Usage reading = usage;
        return reading == null ? 0 : reading.outputSoFar();
    }
}
