package llmsnap.observe;

import java.nio.charset.StandardCharsets;
import llmsnap.text.Json;

/**
 * Reads tokens and speeds off an answer while its bytes pass: JSON, JSON lines or an event stream, in pieces that may end
 * anywhere. Nothing of the answer is kept but a {@code usage} or {@code timings} object that is being read, so the cost
 * is a look at each byte, and the memory some hundred bytes. What is no JSON is passed over: the answer goes on to the
 * client whatever is found here.
 *
 * <p>Understood: OpenAI's {@code usage} (chat, completions, embeddings, and {@code response.usage} of responses),
 * Anthropic's (also in {@code message_start} and {@code message_delta}), tabbyAPI's speeds in it, and llama.cpp's
 * {@code timings}, which win over usage. For one thread at a time.
 */
public final class Usage {
    private static final int MAX_KEPT_BYTES = 16 * 1024;
    private static final long MAX_TOKENS = 1_000_000_000_000L;      // a number beyond it is no count of tokens
    private static final byte[] DATA = "data:".getBytes(StandardCharsets.US_ASCII);

    /** What stands under a key; for keys that mean nothing here OTHER. */
    private enum Key { OTHER, USAGE, TIMINGS, RESPONSE, MESSAGE, CHOICES, DELTA, CONTENT, TEXT, ARGUMENTS }

    /**
     * What the server said so far; -1 for what it did not say.
     *
     * @param prompt tokens of the prompt; with llama.cpp's timings those that were not cached
     * @param reasoning those of {@code output} that were reasoning
     * @param promptPerSecond speed of prompt processing
     * @param outputPerSecond speed of generation
     * @param serverMs time for both by the server's own clock
     */
    public record Counts(long prompt, long cached, long output, long reasoning, double promptPerSecond, double outputPerSecond, long serverMs) {}

    private final boolean stream;
    private long prompt = -1;
    private long cached = -1;
    private long output = -1;
    private long reasoning = -1;
    private double promptPerSecond = -1;
    private double outputPerSecond = -1;
    private long serverMs = -1;
    private boolean timed;              // timings were seen: usage says nothing new
    private volatile long textPieces;   // events with a piece of generated text; others look at it, too

    // Lines of an event stream.
    private int lineAt;                 // how many bytes of "data:" the line matched; -1: another line
    private boolean lineEmpty = true;
    private boolean afterReturn;        // the last byte was the first half of a CRLF, or a line end by itself

    // The JSON text that is being read.
    private int depth;
    private long objects;               // bit d: the bracket that opened depth d was a brace; deeper than 63 is passed over
    private int base;                   // 1 in an array of answers (/infill), else 0
    private boolean inString;
    private boolean escaped;
    private boolean stringIsKey;
    private boolean keyNext;
    private boolean textNext;           // the value that comes is generated text if it is a string
    private boolean textSeen;           // in this event
    private final byte[] word = new byte[20];
    private int wordLength;
    private Key root = Key.OTHER;       // the key at the first depth that we are under
    private Key key = Key.OTHER;        // the last key
    private byte[] kept = {};
    private int keptLength;
    private int keptDepth;              // where the object that is kept ends; 0: none is
    private boolean keptTimings;

    /** @param stream whether the answer is an event stream; else JSON */
    public Usage(boolean stream) {
        this.stream = stream;
    }

    /** Whether an answer of that Content-Type (may be null) has something to read, and how. @return null when it has not */
    public static Usage of(String contentType) {
        String type = contentType == null ? "" : contentType.toLowerCase(java.util.Locale.ROOT);
        boolean stream = type.startsWith("text/event-stream");
        return stream || type.contains("json") ? new Usage(stream) : null;
    }

    /** What was found so far. */
    public Counts counts() {
        return new Counts(prompt, cached, output, reasoning, promptPerSecond, outputPerSecond, serverMs);
    }

    /** How many events of a stream had a piece of generated text in them: about the number of tokens so far. */
    public long textPieces() {
        return textPieces;
    }

    public boolean isStream() {
        return stream;
    }

    /** The tokens generated so far, as far as they can be told. */
    public long outputSoFar() {
        return Math.max(output, textPieces);
    }

    /** Takes the next bytes of the answer. */
    public void read(byte[] bytes, int offset, int length) {
        if (stream) lines(bytes, offset, offset + length);
        else scan(bytes, offset, offset + length);
    }

    // ---- lines

    private void lines(byte[] bytes, int from, int to) {
        int at = from;
        while (at < to) {
            byte b = bytes[at];
            boolean secondHalf = b == '\n' && afterReturn;
            afterReturn = b == '\r';
            if (secondHalf) {
                at++;
            } else if (b == '\n' || b == '\r') {
                if (lineEmpty) reset();     // a blank line ends the event
                lineEmpty = true;
                lineAt = 0;
                at++;
            } else if (lineAt == DATA.length) {
                int end = at;
                while (end < to && bytes[end] != '\n' && bytes[end] != '\r') end++;
                scan(bytes, at, end);
                at = end;
            } else {
                lineEmpty = false;
                lineAt = lineAt >= 0 && b == DATA[lineAt] ? lineAt + 1 : -1;
                at++;
            }
        }
    }

    private void reset() {
        depth = 0;
        base = 0;
        inString = false;
        escaped = false;
        keyNext = false;
        textNext = false;
        keptDepth = 0;
    }

    // ---- JSON

    private void scan(byte[] bytes, int from, int to) {
        int at = from;
        while (at < to) {
            if (inString) {
                at = string(bytes, at, to);
                continue;
            }
            int start = at;
            while (at < to && !isSign(bytes[at])) at++;      // numbers, words and space say nothing by themselves
            if (keptDepth > 0) keep(bytes, start, at);
            if (at == to) return;
            byte b = bytes[at];
            if (b == '{' && keptDepth == 0 && isCounted()) {
                keptDepth = depth + 1;
                keptLength = 0;
                keptTimings = key == Key.TIMINGS;
            }
            if (keptDepth > 0) keep(bytes, at, at + 1);
            at++;
            switch (b) {
                case '"' -> {
                    inString = true;
                    stringIsKey = keyNext;
                    textNext = !stringIsKey && isText();
                    wordLength = 0;
                }
                case '{', '[' -> open(b == '{');
                case '}', ']' -> close();
                case ',' -> keyNext = isObject();
                default -> keyNext = false;     // the colon
            }
        }
    }

    private static boolean isSign(byte b) {
        return switch (b) {
            case '"', '{', '}', '[', ']', ',', ':' -> true;
            default -> false;
        };
    }

    /** Goes on in a string. @return where it goes on after it */
    private int string(byte[] bytes, int from, int to) {
        int at = from;
        while (at < to) {
            byte b = bytes[at++];
            if (escaped) escaped = false;
            else if (b == '\\') escaped = true;
            else if (b == '"') {
                inString = false;
                break;
            }
            if (stringIsKey) {
                if (wordLength < word.length) word[wordLength] = b;
                wordLength++;
            } else if (textNext) {
                textNext = false;
                if (!textSeen && stream) textPieces++;
                textSeen = true;
            }
        }
        if (keptDepth > 0) keep(bytes, from, at);
        if (!inString && stringIsKey) {
            key = key();
            keyNext = false;
            if (depth == base + 1) root = key;
        }
        return at;
    }

    private boolean isObject() {
        return depth < 64 && (objects >> depth & 1) != 0;
    }

    private void open(boolean object) {
        if (depth == 0) {
            base = object ? 0 : 1;
            root = Key.OTHER;
            textSeen = false;
        }
        depth++;
        if (depth < 64) objects = object ? objects | 1L << depth : objects & ~(1L << depth);
        keyNext = object && depth < 64;
    }

    private void close() {
        if (depth == keptDepth && keptDepth > 0) {
            keptDepth = 0;
            if (keptLength <= kept.length) take();
        }
        if (depth > 0) depth--;
        keyNext = false;
    }

    /** Whether the object that opens under the last key holds counts: at the top, or one below in what wraps an answer. */
    private boolean isCounted() {
        if (key != Key.USAGE && key != Key.TIMINGS || !isObject()) return false;
        return depth == base + 1 || depth == base + 2 && (root == Key.RESPONSE || root == Key.MESSAGE);
    }

    /** Whether a string that begins here is a piece of the generated text, in the shapes of the streams that we know. */
    private boolean isText() {
        if (!isObject()) return false;
        return switch (root) {
            case CHOICES -> key == Key.CONTENT || key == Key.TEXT || key == Key.ARGUMENTS;
            case DELTA -> depth == base + 1 || key == Key.TEXT || key == Key.CONTENT;
            case CONTENT -> depth == base + 1;      // llama.cpp's own /completion
            default -> false;
        };
    }

    private Key key() {
        return switch (wordLength) {
            case 4 -> is("text") ? Key.TEXT : Key.OTHER;
            case 5 -> is("usage") ? Key.USAGE : is("delta") ? Key.DELTA : Key.OTHER;
            case 7 -> is("content") ? Key.CONTENT : is("choices") ? Key.CHOICES : is("timings") ? Key.TIMINGS : is("message") ? Key.MESSAGE : Key.OTHER;
            case 8 -> is("response") ? Key.RESPONSE : is("thinking") ? Key.TEXT : Key.OTHER;
            case 9 -> is("arguments") ? Key.ARGUMENTS : is("reasoning") ? Key.TEXT : Key.OTHER;
            case 12 -> is("partial_json") ? Key.TEXT : Key.OTHER;
            case 17 -> is("reasoning_content") ? Key.TEXT : Key.OTHER;
            default -> Key.OTHER;
        };
    }

    private boolean is(String name) {
        for (int i = 0; i < wordLength; i++) if (word[i] != name.charAt(i)) return false;
        return true;
    }

    // ---- what counts

    private void keep(byte[] bytes, int from, int to) {
        int length = to - from;
        if (keptLength + length > MAX_KEPT_BYTES) {
            keptLength = MAX_KEPT_BYTES + 1;       // too long for what it should be
            return;
        }
        if (keptLength + length > kept.length) kept = java.util.Arrays.copyOf(kept, Math.min(MAX_KEPT_BYTES, Math.max(keptLength + length, Math.max(512, kept.length * 2))));
        System.arraycopy(bytes, from, kept, keptLength, length);
        keptLength += length;
    }

    private void take() {
        try {
            if (!(Json.parse(new String(kept, 0, keptLength, StandardCharsets.UTF_8)) instanceof Json.Obj counts)) return;
            if (keptTimings) timings(counts);
            else usage(counts);
        } catch (Json.Malformed e) {
            // the client will see that, too
        }
    }

    /** Counts in streams are sums so far, and the last event may leave some out: the largest is right. */
    private void usage(Json.Obj usage) {
        if (timed) {
            reasoning = Math.max(reasoning, reasoning(usage));
            return;
        }
        prompt = Math.max(prompt, Math.max(count(usage, "prompt_tokens"), count(usage, "input_tokens")));
        output = Math.max(output, Math.max(count(usage, "completion_tokens"), count(usage, "output_tokens")));
        cached = Math.max(cached, Math.max(count(usage, "cache_read_input_tokens"),
            Math.max(count(usage, "prompt_tokens_details", "cached_tokens"), count(usage, "input_tokens_details", "cached_tokens"))));
        reasoning = Math.max(reasoning, reasoning(usage));
        promptPerSecond = Math.max(promptPerSecond, number(usage, "prompt_tokens_per_sec"));
        outputPerSecond = Math.max(outputPerSecond, number(usage, "completion_tokens_per_sec"));
    }

    private static long reasoning(Json.Obj usage) {
        return Math.max(count(usage, "completion_tokens_details", "reasoning_tokens"), count(usage, "output_tokens_details", "reasoning_tokens"));
    }

    /** llama.cpp's own measures, more exact than usage. They may come with every token. */
    private void timings(Json.Obj timings) {
        long newPrompt = count(timings, "prompt_n");
        long newOutput = count(timings, "predicted_n");
        if (newPrompt < 0 && newOutput < 0) return;
        timed = true;
        prompt = newPrompt;
        output = newOutput;
        cached = count(timings, "cache_n");
        promptPerSecond = number(timings, "prompt_per_second");
        outputPerSecond = number(timings, "predicted_per_second");
        double ms = Math.max(0, number(timings, "prompt_ms")) + Math.max(0, number(timings, "predicted_ms"));
        serverMs = ms > 0 ? Math.round(ms) : -1;
    }

    private static long count(Json.Obj from, String... path) {
        double value = number(from, path);
        return value >= 0 && value <= MAX_TOKENS ? (long) value : -1;
    }

    /** The number at {@code path}; -1 when there is none that makes sense. */
    private static double number(Json.Obj from, String... path) {
        if (!(from.at(path) instanceof Json.Num number)) return -1;
        double value = number.value();
        return value >= 0 && value <= 1e12 ? value : -1;
    }
}
