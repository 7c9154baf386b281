package llmsnap.record;

import static java.lang.Math.max;
import static java.nio.charset.StandardCharsets.US_ASCII;

import java.util.Arrays;
import java.util.Locale;
import java.util.Set;
import llmsnap.text.Json;
import llmsnap.text.JsonScanner;
import llmsnap.text.Malformed;

/**
 * Reads tokens and speeds off an answer while its bytes pass: JSON, JSON lines or an event stream,
 * in pieces that may end anywhere. Nothing of the answer is kept but the key, or the {@code usage}
 * or {@code timings} object, that is being read: the cost is a look at each byte, the memory some
 * hundred bytes. What is no JSON is passed over: the answer goes on whatever is found here.
 *
 * <p>Understood: OpenAI's {@code usage} (chat, completions, embeddings, and {@code response.usage}
 * of responses), Anthropic's (also in {@code message_start} and {@code message_delta}), tabbyAPI's
 * speeds in it, vLLM's {@code metrics} beside it, and llama.cpp's {@code timings}, which win over
 * usage. For one thread at a time.
 */
public final class Usage {
    /** What the server says when it says nothing. */
    public static final Counts NOTHING =
        new Counts(-1, -1, -1, -1, new Draft(-1, -1), new Speeds(-1, -1, -1, -1));

    private static final int MAX_KEPT_BYTES = 16 * 1024;
    private static final long MAX_NUMBER = 1_000_000_000_000L;      // beyond it it is no count
    private static final byte[] DATA = "data:".getBytes(US_ASCII);
    private static final int MAX_TEXT_DEPTH = 9;
    private static final int MAX_KEY_BYTES = 20;

    /** Keys of what counts, and of pieces of generated text. */
    private static final Set<String> COUNTED = Set.of("usage", "timings", "metrics", "error");
    private static final Set<String> TEXT = Set.of("content", "text", "thinking", "reasoning",
        "reasoning_content", "partial_json", "arguments");

    /**
     * What the server said so far; -1 for what it did not say.
     *
     * @param prompt tokens of the prompt; with llama.cpp's timings those that were not cached
     * @param reasoning those of {@code output} that were reasoning
     */
    public record Counts(long prompt, long cached, long output, long reasoning, Draft draft,
            Speeds speeds) {
        Counts with(long tokens) {
            return new Counts(prompt, cached, tokens, reasoning, draft, speeds);
        }

        private Counts with(Speeds others) {
            return new Counts(prompt, cached, output, reasoning, draft, others);
        }

        /** The speed of generation; where the server says none what the tokens took. */
        public double outputPerSecond(long durationMs) {
            boolean said = speeds.output >= 0 || output <= 0;
            return said ? speeds.output : output * 1000.0 / max(1, durationMs);
        }
    }

    /** Tokens that a draft model made in speculative decoding, and how many were right. */
    public record Draft(long made, long accepted) {}

    /**
     * Tokens per second of the prompt's processing and of the generation.
     *
     * @param serverMs time for both by the server's own clock
     * @param firstMs time to the first token by that clock
     */
    public record Speeds(double prompt, double output, long serverMs, long firstMs) {}

    /**
     * What the server says went wrong, in an answer or as an event of a stream.
     *
     * @param status of that error, 500 where it has none
     */
    record Fault(int status, String message) {}

    private final boolean stream;
    private final Scanner scanner = new Scanner();
    private Counts counts = NOTHING;
    private Fault fault;                // the last one; null: none
    private boolean timed;              // timings were seen: usage says nothing new
    private volatile long textPieces;   // others look at it, too

    // The lines of an event stream.
    // how many bytes of "data:" it matched, 0 at its start; -1: another line
    private int lineAt;
    private boolean afterReturn;        // the last byte may be the first half of a CRLF

    /** @param stream whether the answer is an event stream; else JSON */
    Usage(boolean stream) {
        this.stream = stream;
    }

    /** What reads an answer of that Content-Type; null when there is nothing to read. */
    static Usage of(String contentType) {
        String type = contentType.toLowerCase(Locale.ROOT);
        boolean stream = type.startsWith("text/event-stream");
        return stream || type.contains("json") ? new Usage(stream) : null;
    }

    /** What was found so far. */
    Counts counts() {
        return counts;
    }

    /** What went wrong; null for nothing. */
    Fault fault() {
        return fault;
    }

    /** Whether tokens are known from the pieces of the stream alone. */
    boolean isEstimated() {
        return counts.output < 0 && textPieces > 0;
    }

    /** How many events of a stream had a piece of generated text: about the tokens so far. */
    long textPieces() {
        return textPieces;
    }

    /** The tokens generated so far, as far as they can be told. */
    long outputSoFar() {
        return max(counts.output, textPieces);
    }

    /** Takes the next bytes of the answer. */
    void read(byte[] bytes, int offset, int length) {
        if (stream) lines(bytes, offset, offset + length);
        else scanner.read(bytes, offset, offset + length);
    }

    private void lines(byte[] bytes, int from, int to) {
        int at = from;
        while (at < to) {
            byte b = bytes[at];
            if (lineAt == DATA.length && b != '\n' && b != '\r') {
                int end = at;
                while (end < to && bytes[end] != '\n' && bytes[end] != '\r') end++;
                scanner.read(bytes, at, end);
                at = end;
                continue;
            }
            boolean secondHalf = b == '\n' && afterReturn;
            afterReturn = b == '\r';
            at++;
            if (secondHalf) continue;
            if (b == '\n' || b == '\r') {
                if (lineAt == 0) scanner.reset();       // a blank line ends the event
                lineAt = 0;
            } else {
                lineAt = lineAt >= 0 && b == DATA[lineAt] ? lineAt + 1 : -1;
            }
        }
    }

    /** Finds the objects that count, and the pieces of text. */
    private final class Scanner extends JsonScanner {
        private byte[] piece;
        private boolean broken;             // no JSON: passed over up to the next event
        private int base;                   // 1 in an array of answers (/infill), else 0
        private String root = "";           // the key at the first depth that we are under
        private String key = "";            // the last key; "" for one that is too long
        private boolean textSeen;           // in this event
        private long textStart;
        // where in this piece what is kept begins; -1: nothing is
        private int keptFrom = -1;
        private byte[] kept = {};           // the part of it in earlier pieces
        private int keptLength;
        private int countedDepth = -1;      // of the object that is kept; -1: none is

        Scanner() {
            super(MAX_TEXT_DEPTH);
        }

        void reset() {
            restart();
            broken = false;
            keptFrom = -1;
            countedDepth = -1;
        }

        void read(byte[] bytes, int from, int to) {
            piece = bytes;
            if (keptFrom >= 0) keptFrom = from;
            try {
                int at = from;
                while (at < to && !broken) {
                    at = scan(bytes, at, to);
                    if (isDone()) restart();
                }
            } catch (Malformed e) {
                broken = true;
                keptFrom = -1;
            }
            if (keptFrom >= 0) keep(to);
        }

        private void keep(int to) {
            int length = to - keptFrom;
            if (keptLength + length > MAX_KEPT_BYTES) {
                keptLength = MAX_KEPT_BYTES + 1;       // too long for what it should be
                return;
            }
            if (keptLength + length > kept.length) {
                int twice = max(512, kept.length * 2);
                kept = Arrays.copyOf(kept, max(keptLength + length, twice));
            }
            System.arraycopy(piece, keptFrom, kept, keptLength, length);
            keptLength += length;
        }

        @Override protected void begin(Token token, int at) {
            if (depth() == 0) {
                base = token == Token.ARRAY ? 1 : 0;
                root = "";
                key = "";
                textSeen = false;
            }
            if (countedDepth >= 0) return;
            boolean counted = token == Token.OBJECT && isCounted()
                || token == Token.STRING && key.equals("error") && isCounted();
            if (counted) countedDepth = depth();
            if (counted || token == Token.KEY) {
                keptFrom = at;
                keptLength = 0;
            }
            textStart = offset(at);
        }

        @Override protected void end(Token token, int at) {
            if (countedDepth >= 0) {
                if (depth() != countedDepth) return;
                keep(at);
                keptFrom = -1;
                countedDepth = -1;
                if (keptLength <= MAX_KEPT_BYTES) take();
            } else if (token == Token.KEY) {
                keep(at);
                keptFrom = -1;
                key = key();
                if (depth() == base + 1) root = key;
            } else if (token == Token.STRING && !textSeen && isText(offset(at) - textStart)) {
                textSeen = true;
                if (stream) textPieces++;
            }
        }

        /**
         * Whether the object under the last key counts: at the top, or inside what wraps an answer.
         */
        private boolean isCounted() {
            if (!COUNTED.contains(key)) return false;
            boolean wrapped = root.equals("response") || root.equals("message");
            return depth() == base + 1 || depth() == base + 2 && wrapped;
        }

        /** Whether a string here is a piece of the generated text, in the streams that we know. */
        private boolean isText(long length) {
            if (length <= 2) return false;      // nothing but its quotes
            boolean text = TEXT.contains(key);
            return switch (root) {
                case "choices" -> text;
                case "delta" -> depth() == base + 1 || text;
                case "content" -> depth() == base + 1;      // llama.cpp's own /completion
                default -> false;
            };
        }

        private String key() {
            boolean known = keptLength <= MAX_KEY_BYTES;
            return known ? new String(kept, 1, keptLength - 2, US_ASCII) : "";
        }

        private void take() {
            try {
                Json value = Json.parse(kept, keptLength);
                switch (key) {
                    case "error" -> fault(value);
                    case "timings" -> timings((Json.Obj) value);
                    case "metrics" -> metrics((Json.Obj) value);
                    default -> usage((Json.Obj) value);
                }
            } catch (Malformed e) {
                // deeper than any count
            }
        }
    }

    private void fault(Json error) {
        String message = error instanceof Json.Str text ? text.text() : null;
        int status = 0;
        if (error instanceof Json.Obj object) {
            message = object.text("message");
            status = (int) count(object, "code");
        }
        boolean known = status >= 400 && status < 600;
        if (message == null) message = error.toString();
        fault = new Fault(known ? status : 500, message);
    }

    // ---- what counts

    /**
     * Counts in streams are sums so far, and the last event may leave some out: the largest is
     * right.
     */
    private void usage(Json.Obj usage) {
        Counts before = counts;
        Json.Obj untimed = timed ? Json.EMPTY : usage;      // of the rest timings know better
        counts = new Counts(
            largest(before.prompt, untimed, "prompt_tokens", "input_tokens"),
            largest(before.cached, untimed, "cache_read_input_tokens",
                "prompt_tokens_details.cached_tokens", "input_tokens_details.cached_tokens"),
            largest(before.output, untimed, "completion_tokens", "output_tokens"),
            largest(before.reasoning, usage, "completion_tokens_details.reasoning_tokens",
                "output_tokens_details.reasoning_tokens"),
            before.draft,
            new Speeds(
                max(before.speeds.prompt, number(untimed, "prompt_tokens_per_sec")),
                max(before.speeds.output, number(untimed, "completion_tokens_per_sec")),
                before.speeds.serverMs, before.speeds.firstMs));
    }

    /** The largest of {@code before} and the counts at those paths: keys with dots between. */
    private static long largest(long before, Json.Obj from, String... paths) {
        long largest = before;
        for (String path : paths) largest = max(largest, count(from, path.split("\\.")));
        return largest;
    }

    /** vLLM's own measures, where it is told to send them. */
    private void metrics(Json.Obj metrics) {
        double speed = number(metrics, "tokens_per_second");
        double firstMs = number(metrics, "time_to_first_token_ms");
        double generationMs = number(metrics, "generation_time_ms");
        counts = counts.with(new Speeds(counts.speeds.prompt, max(counts.speeds.output, speed),
            Math.round(max(0, firstMs) + max(0, generationMs)), Math.round(firstMs)));
    }

    /** llama.cpp's own measures, more exact than usage. They may come with every token. */
    private void timings(Json.Obj timings) {
        long prompt = count(timings, "prompt_n");
        long output = count(timings, "predicted_n");
        if (prompt < 0 && output < 0) return;
        timed = true;
        double ms = max(0, number(timings, "prompt_ms")) + max(0, number(timings, "predicted_ms"));
        var draft = new Draft(count(timings, "draft_n"), count(timings, "draft_n_accepted"));
        var speeds = new Speeds(
            number(timings, "prompt_per_second"),
            number(timings, "predicted_per_second"),
            ms > 0 ? Math.round(ms) : -1,
            -1);
        counts = new Counts(
            prompt, count(timings, "cache_n"), output, counts.reasoning, draft, speeds);
    }

    private static long count(Json.Obj from, String... path) {
        return (long) number(from, path);
    }

    /** The number at {@code path}; -1 when there is none that makes sense. */
    private static double number(Json.Obj from, String... path) {
        if (!(from.at(path) instanceof Json.Num number)) return -1;
        double value = number.value();
        return value >= 0 && value <= MAX_NUMBER ? value : -1;
    }
}
