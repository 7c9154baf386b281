package llmsnap.text;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.BitSet;

/**
 * Checks JSON, and tells its subclass where tokens begin and end. Nothing is copied and nothing
 * recurses: open brackets are bits in an array, so that depth is no limit. Bytes that are no UTF-8
 * pass inside strings. For one thread at a time.
 */
public abstract class JsonScanner {
    /** A token; OBJECT and ARRAY reach from bracket to bracket, WORD is true, false or null. */
    public enum Token { OBJECT, ARRAY, KEY, STRING, NUMBER, WORD }

    private static final int MAX_DEPTH = 10_000_000;    // a bit for each
    private static final VarHandle LONGS =
        MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);
    private static final long ONES = 0x0101010101010101L;

    protected final byte[] bytes;
    private final int reportedDepth;
    private int from;
    private int to;
    private int at;                             // what is read next
    private int depth;
    private final BitSet arrays = new BitSet(); // bit d: the bracket open at depth d is a '['

    /** @param reportedDepth tokens inside more brackets than that are checked, but not told of */
    protected JsonScanner(byte[] bytes, int reportedDepth) {
        this.bytes = bytes;
        this.reportedDepth = reportedDepth;
    }

    /** A token begins at that index, inside {@link #depth} brackets. */
    protected abstract void begin(Token token, int at);

    /** A token has ended before that index, inside {@link #depth} brackets. */
    protected abstract void end(Token token, int at);

    /** How many brackets are open around the token that is being told of. */
    protected final int depth() {
        return depth;
    }

    /** What is wrong at that index. */
    protected final Malformed wrong(String what, int at) {
        return new Malformed(what + " at offset " + (at - from), null);
    }

    /** Reads one value and the white space around it, which have to be all of from..to. */
    protected final void scan(int from, int to) {
        this.from = from;
        this.to = to;
        at = from;
        boolean value = true;               // one comes next
        do {
            byte b = next();
            value = value ? value(b) : after(b);
        } while (value || depth > 0);
        skipBlanks();
        if (at < to) throw wrong("more text after the value", at);
    }

    private void skipBlanks() {
        while (at < to && (bytes[at] == ' ' || bytes[at] == '\n' || bytes[at] == '\r'
            || bytes[at] == '\t')) at++;
    }

    private byte next() {
        skipBlanks();
        return take();
    }

    private byte take() {
        if (at == to) throw wrong("the text ends too early", at);
        return bytes[at++];
    }

    /** @return whether another value comes next: the first one of what was opened */
    private boolean value(byte b) {
        switch (b) {
            case '{' -> {
                return open(Token.OBJECT, '}');
            }
            case '[' -> {
                return open(Token.ARRAY, ']');
            }
            case '"' -> string(Token.STRING);
            case 't' -> word("true");
            case 'f' -> word("false");
            case 'n' -> word("null");
            default -> number(b);
        }
        return false;
    }

    /** @return as {@link #value} */
    private boolean after(byte b) {
        char close = arrays.get(depth - 1) ? ']' : '}';
        if (b == close) close();
        else if (b != ',') throw wrong("expected ',' or '" + close + "'", at - 1);
        else if (close == '}') key();
        return b == ',';
    }

    private boolean open(Token token, char close) {
        began(token);
        if (depth == MAX_DEPTH) throw wrong("more open brackets than " + MAX_DEPTH, at - 1);
        arrays.set(depth++, token == Token.ARRAY);
        skipBlanks();
        boolean empty = at < to && bytes[at] == close;
        if (empty) {
            at++;
            close();
        } else if (token == Token.OBJECT) {
            key();
        }
        return !empty;
    }

    private void close() {
        depth--;
        ended(arrays.get(depth) ? Token.ARRAY : Token.OBJECT);
    }

    /** The byte before {@link #at} is its first. */
    private void began(Token token) {
        if (depth <= reportedDepth) begin(token, at - 1);
    }

    private void ended(Token token) {
        if (depth <= reportedDepth) end(token, at);
    }

    private void key() {
        if (next() != '"') throw wrong("expected a key in quotes", at - 1);
        string(Token.KEY);
        if (next() != ':') throw wrong("expected ':'", at - 1);
    }

    private void string(Token token) {
        began(token);
        while (true) {
            at = plainEnd(bytes, at, to);
            byte b = take();
            if (b == '"') break;
            if (b != '\\') throw wrong("control character in a string", at - 1);
            escape(take());
        }
        ended(token);
    }

    private void escape(byte b) {
        if ("\"\\/bfnrtu".indexOf(b) < 0) throw wrong("unknown escape", at - 1);
        for (int i = 0; b == 'u' && i < 4; i++) {
            if (Character.digit(take(), 16) < 0) throw wrong("expected four hex digits", at - 1);
        }
    }

    private void word(String word) {
        began(Token.WORD);
        for (int i = 1; i < word.length(); i++) {
            if (take() != word.charAt(i)) throw wrong("expected a value", at - 1);
        }
        ended(Token.WORD);
    }

    private void number(byte first) {
        if (first != '-' && !isDigit(first)) throw wrong("expected a value", at - 1);
        began(Token.NUMBER);
        byte digit = first == '-' ? take() : first;
        at--;
        if (digit == '0') at++;         // nothing may follow it before the point
        else digits();
        if (isNext('.', '.')) digits();
        if (isNext('e', 'E')) {
            isNext('+', '-');
            digits();
        }
        ended(Token.NUMBER);
    }

    /** Takes one of the two, if it is what comes. */
    private boolean isNext(char one, char other) {
        boolean comes = at < to && (bytes[at] == one || bytes[at] == other);
        if (comes) at++;
        return comes;
    }

    private void digits() {
        if (!isDigit(take())) throw wrong("expected a value", at - 1);
        while (at < to && isDigit(bytes[at])) at++;
    }

    private static boolean isDigit(byte b) {
        return b >= '0' && b <= '9';
    }

    /**
     * Where in a string the text without a quote, a backslash or a control character that begins
     * at {@code from} ends.
     */
    public static int plainEnd(byte[] bytes, int from, int to) {
        int at = from;
        for (; at + 8 <= to; at += 8) {
            long eight = (long) LONGS.get(bytes, at);
            long quote = (eight ^ ONES * '"') - ONES;
            long backslash = (eight ^ ONES * '\\') - ONES;
            // Bytes above 0x7f are none of these; the lowest bit that is left is right.
            long special = (quote | backslash | eight - ONES * ' ') & ~eight & ONES << 7;
            if (special != 0) return at + Long.numberOfTrailingZeros(special) / 8;
        }
        while (at < to && bytes[at] != '"' && bytes[at] != '\\'
            && (bytes[at] < 0 || bytes[at] >= ' ')) at++;
        return at;
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
