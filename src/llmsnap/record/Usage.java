package llmsnap.record;

import static java.lang.Math.max;
import static java.nio.charset.StandardCharsets.US_ASCII;

import java.util.Arrays;
import java.util.EnumSet;
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

    /** Keys that say what their value is. */
    private enum Key {
        OTHER, USAGE, TIMINGS, METRICS, ERROR, RESPONSE, MESSAGE, CHOICES, DELTA, CONTENT, TEXT,
        THINKING, REASONING, REASONING_CONTENT, PARTIAL_JSON, ARGUMENTS;

        private static final Set<Key> COUNTED = EnumSet.of(USAGE, TIMINGS, METRICS, ERROR);
        private static final Set<Key> TEXTS = EnumSet.of(CONTENT, TEXT, THINKING, REASONING,
            REASONING_CONTENT, PARTIAL_JSON, ARGUMENTS);

        /** By length and third byte, which tell them apart. */
        private static final Key[] TABLE = new Key[18 * 32];

        static {
            for (Key key : values()) TABLE[slot(key.bytes, key.bytes.length)] = key;
        }

        private final byte[] bytes = name().toLowerCase(Locale.ROOT).getBytes(US_ASCII);

        private static int slot(byte[] name, int length) {
            return length * 32 + (name[2] & 31);
        }

        static Key of(byte[] name, int length) {
            if (length < 3 || length > 17) return OTHER;
            Key key = TABLE[slot(name, length)];
            boolean same = key != null && Arrays.equals(key.bytes, 0, length, name, 0, length);
            return same ? key : OTHER;
        }
    }

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
            if (lineAt == DATA.length) at = scanner.read(bytes, at, to);
            if (at == to) return;
            byte b = bytes[at++];
            boolean secondHalf = b == '\n' && afterReturn;
            afterReturn = b == '\r';
            if (secondHalf) continue;
            if (isLineEnd(b)) {
                if (lineAt == 0) scanner.reset();       // a blank line ends the event
                lineAt = 0;
            } else {
                lineAt = lineAt >= 0 && b == DATA[lineAt] ? lineAt + 1 : -1;
            }
        }
    }

    private static boolean isLineEnd(byte b) {
        return b == '\n' || b == '\r';
    }

    /**
     * Finds the objects that count, and the pieces of text. It looks for quotes, brackets, colons
     * and commas, and checks nothing else: what is no JSON leads to no count, or to a wrong one.
     */
    private final class Scanner {
        private byte[] piece;
        private boolean inString;
        private boolean escaped;            // the last byte was a backslash
        private boolean empty;              // nothing of the string has come
        private boolean afterColon;         // what comes is a value, else a key or an item
        private int depth;
        private int base;                   // 1 in an array of answers (/infill), else 0
        private Key root = Key.OTHER;       // the key at the first depth that we are under
        private Key key = Key.OTHER;        // the last one
        private boolean textSeen;           // in this event
        // where in this piece what is kept begins; -1: nothing is
        private int keptFrom = -1;
        private byte[] kept = {};           // the part of it in earlier pieces
        private int keptLength;
        private int countedDepth = -1;      // of the object that is kept; -1: none is

        void reset() {
            inString = false;
            escaped = false;
            depth = 0;
            keptFrom = -1;
            countedDepth = -1;
        }

        /** @return where the line ends, in a stream; else {@code to} */
        int read(byte[] bytes, int from, int to) {
            piece = bytes;
            if (keptFrom >= 0) keptFrom = from;
            int at = from;
            while (at < to && !(stream && isLineEnd(bytes[at]))) {
                at = inString ? string(at, to) : structure(at, to);
            }
            if (keptFrom >= 0) keep(at);
            return at;
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

        private void keepFrom(int at) {
            keptFrom = at;
            keptLength = 0;
        }

        /** Goes on up to a string, the end of the line or of the piece. */
        private int structure(int from, int to) {
            for (int at = from; at < to; at++) {
                byte b = piece[at];
                switch (b) {
                    case '"' -> {
                        beginString(at);
                        return at + 1;
                    }
                    case ':' -> colon();
                    case ',' -> afterColon = false;
                    case '{', '[' -> open(b, at);
                    case '}', ']' -> close(at);
                    case '\n', '\r' -> {
                        if (stream) return at;
                    }
                    default -> { }
                }
            }
            return to;
        }

        private int string(int from, int to) {
            if (piece[from] != '"') empty = false;
            for (int at = from; at < to; at++) {
                if (!escaped) at = JsonScanner.plainEnd(piece, at, to);
                if (at == to || stream && isLineEnd(piece[at])) return at;
                if (piece[at] == '"' && !escaped) {
                    endString(at);
                    return at + 1;
                }
                escaped = piece[at] == '\\' && !escaped;
            }
            return to;
        }

        private void beginString(int at) {
            inString = true;
            empty = true;
            if (countedDepth >= 0) return;
            if (!afterColon) keepFrom(at + 1);
            else if (key == Key.ERROR) value(at);
        }

        private void endString(int at) {
            inString = false;
            if (countedDepth >= 0) {
                if (depth == countedDepth) take(at + 1);
            } else if (!afterColon) {
                keep(at);
                keptFrom = -1;
            } else if (!empty && !textSeen && isText()) {
                textSeen = true;
                if (stream) textPieces++;
            }
        }

        private void colon() {
            afterColon = true;
            if (countedDepth >= 0) return;
            key = Key.of(kept, keptLength);
            if (depth == base + 1) root = key;
        }

        private void open(byte bracket, int at) {
            if (depth == 0) {
                base = bracket == '[' ? 1 : 0;
                root = Key.OTHER;
                key = Key.OTHER;
                textSeen = false;
            }
            if (bracket == '{') value(at);
            depth++;
            afterColon = false;
        }

        private void close(int at) {
            depth = max(0, depth - 1);
            if (depth == countedDepth) take(at + 1);
        }

        /** A value begins. It counts at the top, or inside what wraps an answer. */
        private void value(int at) {
            if (countedDepth >= 0 || !Key.COUNTED.contains(key)) return;
            boolean wrapped = root == Key.RESPONSE || root == Key.MESSAGE;
            if (depth != base + 1 && !(depth == base + 2 && wrapped)) return;
            countedDepth = depth;
            keepFrom(at);
        }

        /** Whether a string here is a piece of the generated text, in the streams that we know. */
        private boolean isText() {
            return switch (root) {
                case CHOICES -> Key.TEXTS.contains(key);
                case DELTA -> depth == base + 1 || Key.TEXTS.contains(key);
                case CONTENT -> depth == base + 1;        // llama.cpp's own /completion
                default -> false;
            };
        }

        private void take(int to) {
            keep(to);
            keptFrom = -1;
            countedDepth = -1;
            if (keptLength > MAX_KEPT_BYTES) return;
            try {
                Json value = Json.parse(kept, keptLength);
                switch (key) {
                    case ERROR -> fault(value);
                    case TIMINGS -> timings((Json.Obj) value);
                    case METRICS -> metrics((Json.Obj) value);
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
