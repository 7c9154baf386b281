package llmsnap.text;

import static java.nio.charset.StandardCharsets.UTF_8;
import static llmsnap.text.JsonScanner.State.COLON;
import static llmsnap.text.JsonScanner.State.COMMA;
import static llmsnap.text.JsonScanner.State.DONE;
import static llmsnap.text.JsonScanner.State.ESCAPE;
import static llmsnap.text.JsonScanner.State.FIRST_ITEM;
import static llmsnap.text.JsonScanner.State.FIRST_KEY;
import static llmsnap.text.JsonScanner.State.HEX;
import static llmsnap.text.JsonScanner.State.NEXT_KEY;
import static llmsnap.text.JsonScanner.State.NUMBER;
import static llmsnap.text.JsonScanner.State.STRING;
import static llmsnap.text.JsonScanner.State.VALUE;
import static llmsnap.text.JsonScanner.State.WORD;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.BitSet;

/**
 * Checks JSON in pieces of bytes that may end anywhere, and tells its subclass where tokens begin
 * and end. Nothing is copied and nothing recurses: open brackets are bits in an array, so that
 * depth is no limit. Bytes that are no UTF-8 pass inside strings. For one thread at a time.
 */
public abstract class JsonScanner {
    /** A token; OBJECT and ARRAY reach from bracket to bracket, WORD is true, false or null. */
    public enum Token { OBJECT, ARRAY, KEY, STRING, NUMBER, WORD }

    /** What comes next, or what we are in the middle of. */
    enum State {
        VALUE, FIRST_ITEM, FIRST_KEY, NEXT_KEY, COLON, COMMA, STRING, ESCAPE, HEX, NUMBER, WORD,
            DONE
    }

    /**
     * Numbers (RFC 8259, 6). Rows: behind a minus, a leading 0, other digits, the point, digits
     * behind it, an e, its sign, its digits. Columns: what a 0, another digit, a point, an e or a
     * sign leads to; a blank does not belong to the number.
     */
    private static final String[] NUMBER_ROWS =
        {"12   ", "  35 ", "2235 ", "44   ", "44 5 ", "77  6", "77   ", "77   "};
    private static final String NUMBER_ENDS = "1247";
    private static final String NUMBER_SIGNS = "0123456789.eE+-";
    private static final String NUMBER_COLUMNS = "011111111123344";

    private static final int MAX_DEPTH = 10_000_000;    // a bit for each
    private static final VarHandle LONGS =
        MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.nativeOrder());
    private static final long ONES = 0x0101010101010101L;
    private static final long HIGH_BITS = ONES << 7;

    private final int reportedDepth;
    private State state = VALUE;
    private int depth;
    private final BitSet arrays = new BitSet(); // bit d: the bracket open at depth d is a '['
    private Token quoted;                       // KEY or STRING
    private char number;                        // the row of NUMBER_ROWS that we are in
    private String word;
    private int wordAt;                         // how much of it has come; of \\u: how many digits
    private long earlier;                       // bytes of earlier pieces, less this one's offset

    /** @param reportedDepth tokens inside more brackets than that are checked, but not told of */
    protected JsonScanner(int reportedDepth) {
        this.reportedDepth = reportedDepth;
    }

    /** A token begins at that index of the piece, inside {@link #depth} brackets. */
    protected abstract void begin(Token token, int at);

    /** A token has ended before that index of the piece, inside {@link #depth} brackets. */
    protected abstract void end(Token token, int at);

    /** How many brackets are open around the token that is being told of. */
    protected final int depth() {
        return depth;
    }

    /** How many bytes have come before that index of the piece, since the first one. */
    protected final long offset(int at) {
        return earlier + at;
    }

    /** Whether a value is complete. */
    protected final boolean isDone() {
        return state == DONE;
    }

    /** From now on another value is read. */
    protected final void restart() {
        state = VALUE;
        depth = 0;
    }

    /** What is wrong at that index of the piece. */
    protected final Malformed wrong(String what, int at) {
        return new Malformed(what + " at offset " + offset(at), null);
    }

    /** Reads one value and the white space around it, which have to be all of from..to. */
    protected final void scanAll(byte[] bytes, int from, int to) {
        int at = scan(bytes, from, to);
        if (state == NUMBER && depth == 0 && isNumberComplete()) ended(Token.NUMBER, to);
        earlier = -from;
        if (state != DONE) throw wrong("the text ends too early", to);
        for (; at < to; at++) {
            if (!isSpace(bytes[at])) throw wrong("more text after the value", at);
        }
    }

    /** Goes on in a piece. @return where the value ended, or {@code to} */
    protected final int scan(byte[] bytes, int from, int to) {
        earlier -= from;
        int at = from;
        while (at < to && state != DONE) {
            at = switch (state) {
                case STRING -> string(bytes, at, to);
                case ESCAPE, HEX -> escape(bytes[at], at);
                case NUMBER -> number(bytes, at, to);
                case WORD -> word(bytes[at], at);
                default -> structure(bytes[at], at);
            };
        }
        earlier += at;
        return at;
    }

    private static boolean isSpace(byte b) {
        return b == ' ' || b == '\n' || b == '\r' || b == '\t';
    }

    private int structure(byte b, int at) {
        if (isSpace(b)) return at + 1;
        switch (state) {
            case FIRST_ITEM -> {
                if (b == ']') close(at);
                else value(b, at);
            }
            case FIRST_KEY -> {
                if (b == '}') close(at);
                else key(b, at);
            }
            case NEXT_KEY -> key(b, at);
            case COLON -> {
                if (b != ':') throw wrong("expected ':'", at);
                state = VALUE;
            }
            case COMMA -> {
                char close = inArray() ? ']' : '}';
                if (b == close) close(at);
                else if (b != ',') throw wrong("expected ',' or '" + close + "'", at);
                else state = inArray() ? VALUE : NEXT_KEY;
            }
            default -> value(b, at);
        }
        return at + 1;
    }

    private void value(byte b, int at) {
        switch (b) {
            case '{' -> open(Token.OBJECT, FIRST_KEY, at);
            case '[' -> open(Token.ARRAY, FIRST_ITEM, at);
            case '"' -> beginString(Token.STRING, at);
            case 't' -> beginWord("true", at);
            case 'f' -> beginWord("false", at);
            case 'n' -> beginWord("null", at);
            default -> {
                number = b == '-' ? '0' : numberAfter('0', b);
                if (number == ' ') throw wrong("expected a value", at);
                began(Token.NUMBER, NUMBER, at);
            }
        }
    }

    private void key(byte b, int at) {
        if (b != '"') throw wrong("expected a key in quotes", at);
        beginString(Token.KEY, at);
    }

    private void beginString(Token token, int at) {
        quoted = token;
        began(token, STRING, at);
    }

    private void beginWord(String which, int at) {
        word = which;
        wordAt = 1;
        began(Token.WORD, WORD, at);
    }

    private void began(Token token, State next, int at) {
        if (depth <= reportedDepth) begin(token, at);
        state = next;
    }

    private void ended(Token token, int end) {
        state = depth == 0 ? DONE : COMMA;
        if (token == Token.KEY) state = COLON;
        if (depth <= reportedDepth) end(token, end);
    }

    private void open(Token token, State next, int at) {
        began(token, next, at);
        if (depth == MAX_DEPTH) throw wrong("more open brackets than " + MAX_DEPTH, at);
        arrays.set(depth++, token == Token.ARRAY);
    }

    private void close(int at) {
        Token token = inArray() ? Token.ARRAY : Token.OBJECT;
        depth--;
        ended(token, at + 1);
    }

    private boolean inArray() {
        return arrays.get(depth - 1);
    }

    private int string(byte[] bytes, int from, int to) {
        int at = from;
        while (at < to) {
            while (at + 8 <= to && !hasSpecial((long) LONGS.get(bytes, at))) at += 8;
            if (at == to) return at;
            byte b = bytes[at++];
            if (b == '"') {
                ended(quoted, at);
                return at;
            }
            if (b == '\\') {
                state = ESCAPE;
                if (at < to) at = escape(bytes[at], at);
                if (state != STRING) return at;
            } else if (b >= 0 && b < ' ') {
                throw wrong("control character in a string", at - 1);
            }
        }
        return at;
    }

    /**
     * Whether one of eight bytes is a quote, a backslash or below a blank, or perhaps above 0x7f.
     */
    private static boolean hasSpecial(long eight) {
        long quote = (eight ^ ONES * '"') - ONES;
        long backslash = (eight ^ ONES * '\\') - ONES;
        return ((quote | backslash | eight - ONES * ' ') & HIGH_BITS) != 0;
    }

    private int escape(byte b, int at) {
        if (state == HEX) {
            if (b < 0 || Character.digit(b, 16) < 0) throw wrong("expected four hex digits", at);
            if (++wordAt == 4) state = STRING;
        } else if (b == 'u') {
            state = HEX;
            wordAt = 0;
        } else {
            if ("\"\\/bfnrt".indexOf(b) < 0) throw wrong("unknown escape", at);
            state = STRING;
        }
        return at + 1;
    }

    private int word(byte b, int at) {
        if (b != word.charAt(wordAt++)) throw wrong("expected a value", at);
        if (wordAt == word.length()) ended(Token.WORD, at + 1);
        return at + 1;
    }

    private static char numberAfter(char row, byte b) {
        int sign = NUMBER_SIGNS.indexOf(b);
        return sign < 0 ? ' ' : NUMBER_ROWS[row - '0'].charAt(NUMBER_COLUMNS.charAt(sign) - '0');
    }

    private boolean isNumberComplete() {
        return NUMBER_ENDS.indexOf(number) >= 0;
    }

    private int number(byte[] bytes, int from, int to) {
        for (int at = from; at < to; at++) {
            char next = numberAfter(number, bytes[at]);
            if (next == ' ') {
                if (!isNumberComplete()) throw wrong("expected a value", at);
                ended(Token.NUMBER, at);
                return at;
            }
            number = next;
        }
        return to;
    }

    /** The text of a string that was scanned: from..to, quotes included. */
    protected static String text(byte[] bytes, int from, int to) {
        var raw = new String(bytes, from + 1, to - from - 2, UTF_8);
        int escape = raw.indexOf('\\');
        if (escape < 0) return raw;
        var out = new StringBuilder(raw.length());
        int at = 0;
        for (; escape >= 0; escape = raw.indexOf('\\', at)) {
            out.append(raw, at, escape);
            char c = raw.charAt(escape + 1);
            at = escape + 2;
            if (c == 'u') {
                out.append((char) Integer.parseInt(raw, at, at + 4, 16));
                at += 4;
            } else {
                int known = "bfnrt".indexOf(c);
                out.append(known < 0 ? c : "\b\f\n\r\t".charAt(known));
            }
        }
        return out.append(raw, at, raw.length()).toString();
    }
}
