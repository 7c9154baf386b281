package llmsnap.text;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** A JSON value. Immutable; {@code toString} is the JSON text. Objects keep their key order, numbers their spelling. */
public sealed interface Json {
    /** How deep {@link #parse} follows nested arrays and objects. Request bodies are never parsed into a tree, see {@link JsonEdit}. */
    int MAX_DEPTH = 1000;

    record Obj(Map<String, Json> entries) implements Json {
        public Obj {
            entries = java.util.Collections.unmodifiableMap(new LinkedHashMap<>(entries));
        }

        @Override public String toString() {
            return Json.write(this);
        }

        /** The value at {@code path}, one key per level, or null when something on the way is missing or no object. */
        public Json at(String... path) {
            Json value = this;
            for (String key : path) {
                if (!(value instanceof Obj object)) return null;
                value = object.entries.get(key);
            }
            return value;
        }

        /** The text at {@code path}, or null when there is none. */
        public String text(String... path) {
            return at(path) instanceof Str text ? text.text : null;
        }

        /** A copy with {@code key} set. */
        public Obj with(String key, Json value) {
            Map<String, Json> copy = new LinkedHashMap<>(entries);
            copy.put(key, value);
            return new Obj(copy);
        }
    }

    record Arr(List<Json> items) implements Json {
        public Arr {
            items = List.copyOf(items);
        }

        @Override public String toString() {
            return Json.write(this);
        }
    }

    record Str(String text) implements Json {
        @Override public String toString() {
            return Json.write(this);
        }
    }

    /** A number as it was spelled; {@code text} is valid JSON. */
    record Num(String text) implements Json {
        @Override public String toString() {
            return text;
        }

        public double value() {
            return Double.parseDouble(text);
        }
    }

    record Bool(boolean value) implements Json {
        @Override public String toString() {
            return String.valueOf(value);
        }
    }

    record Null() implements Json {
        @Override public String toString() {
            return "null";
        }
    }

    Null NULL = new Null();
    Obj EMPTY = new Obj(Map.of());

    /** Text that is not JSON: the message says what was wrong, {@code offset} where (characters, or bytes in {@link JsonEdit}). */
    final class Malformed extends Exception {
        private static final long serialVersionUID = 1;
        public final long offset;

        public Malformed(String what, long offset) {
            super(what + " at offset " + offset, null, false, false);
            this.offset = offset;
        }
    }

    /** Makes a value of a String, Number, Boolean, List, Map, null or Json. */
    static Json of(Object value) {
        return switch (value) {
            case null -> NULL;
            case Json json -> json;
            case String text -> new Str(text);
            case Boolean flag -> new Bool(flag);
            case Number number -> new Num(number instanceof Double d ? number(d) : number.toString());
            case List<?> list -> new Arr(list.stream().map(Json::of).toList());
            case Map<?, ?> map -> {
                Map<String, Json> entries = new LinkedHashMap<>();
                map.forEach((k, v) -> entries.put(k.toString(), of(v)));
                yield new Obj(entries);
            }
            default -> throw new IllegalArgumentException("no JSON for " + value.getClass());
        };
    }

    /** An object of alternating keys and values (see {@link #of}). */
    static Obj obj(Object... keysAndValues) {
        Map<String, Json> entries = new LinkedHashMap<>();
        for (int i = 0; i < keysAndValues.length; i += 2) {
            entries.put((String) keysAndValues[i], of(keysAndValues[i + 1]));
        }
        return new Obj(entries);
    }

    /** The JSON spelling of a finite number, whole ones without a fraction; as Go's encoding/json writes it. */
    static String number(double value) {
        if (value == (long) value && Math.abs(value) < 1e15) return Long.toString((long) value);
        if (value == Math.rint(value) && Math.abs(value) < 1e21) {
            return new java.math.BigDecimal(Double.toString(value)).toBigInteger().toString();
        }
        java.math.BigDecimal shortest = new java.math.BigDecimal(Double.toString(value)).stripTrailingZeros();
        int exponent = shortest.precision() - shortest.scale() - 1;
        if (exponent >= -6 && exponent < 21) return shortest.toPlainString();
        String digits = shortest.unscaledValue().abs().toString();
        return (value < 0 ? "-" : "") + digits.charAt(0) + (digits.length() > 1 ? "." + digits.substring(1) : "")
            + "e" + (exponent < 0 ? "-" : "+") + (Math.abs(exponent) < 10 ? "0" : "") + Math.abs(exponent);
    }

    /** Reads one JSON value. @throws Malformed when {@code text} is anything else, or nests deeper than {@link #MAX_DEPTH} */
    static Json parse(String text) throws Malformed {
        Parser parser = new Parser(text);
        parser.skipSpace();
        Json value = parser.readValue(0);
        parser.skipSpace();
        if (parser.at < text.length()) throw parser.wrong("more text after the value");
        return value;
    }

    private static String write(Json value) {
        StringBuilder out = new StringBuilder();
        write(value, out);
        return out.toString();
    }

    private static void write(Json value, StringBuilder out) {
        switch (value) {
            case Obj object -> {
                out.append('{');
                object.entries.forEach((key, item) -> {
                    if (out.charAt(out.length() - 1) != '{') out.append(',');
                    quote(key, out);
                    out.append(':');
                    write(item, out);
                });
                out.append('}');
            }
            case Arr array -> {
                out.append('[');
                for (int i = 0; i < array.items.size(); i++) {
                    if (i > 0) out.append(',');
                    write(array.items.get(i), out);
                }
                out.append(']');
            }
            case Str text -> quote(text.text, out);
            case Num number -> out.append(number.text);
            case Bool flag -> out.append(flag.value);
            case Null n -> out.append("null");
        }
    }

    /** Appends {@code text} as a JSON string. Lone surrogates and the two line separators of JavaScript are escaped. */
    static void quote(String text, StringBuilder out) {
        out.append('"');
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            switch (c) {
                case '"' -> out.append("\\\"");
                case '\\' -> out.append("\\\\");
                case '\n' -> out.append("\\n");
                case '\r' -> out.append("\\r");
                case '\t' -> out.append("\\t");
                default -> {
                    boolean pair = Character.isHighSurrogate(c) && i + 1 < text.length() && Character.isLowSurrogate(text.charAt(i + 1));
                    if (pair) {
                        out.append(c).append(text.charAt(++i));
                    } else if (c < 0x20 || c == 0x7f || c == 0x2028 || c == 0x2029 || Character.isSurrogate(c)) {
                        out.append(String.format("\\u%04x", (int) c));
                    } else {
                        out.append(c);
                    }
                }
            }
        }
        out.append('"');
    }

    /** One method per grammar rule; {@code at} is the next character. */
    final class Parser {
        private final String text;
        private int at;

        private Parser(String text) {
            this.text = text;
        }

        private Malformed wrong(String what) {
            return new Malformed(what, at);
        }

        private int peek() {
            return at < text.length() ? text.charAt(at) : -1;
        }

        private void skipSpace() {
            while (at < text.length() && " \t\r\n".indexOf(text.charAt(at)) >= 0) at++;
        }

        private void expect(char c) throws Malformed {
            if (peek() != c) throw wrong("expected '" + c + "'");
            at++;
        }

        private Json readValue(int depth) throws Malformed {
            if (depth > MAX_DEPTH) throw wrong("nested deeper than " + MAX_DEPTH);
            return switch (peek()) {
                case '{' -> readObject(depth);
                case '[' -> readArray(depth);
                case '"' -> new Str(readString());
                case 't' -> readWord("true", new Bool(true));
                case 'f' -> readWord("false", new Bool(false));
                case 'n' -> readWord("null", NULL);
                case -1 -> throw wrong("the text ends where a value was expected");
                default -> readNumber();
            };
        }

        private Json readObject(int depth) throws Malformed {
            Map<String, Json> entries = new LinkedHashMap<>();
            at++;
            skipSpace();
            if (peek() == '}') {
                at++;
                return new Obj(entries);
            }
            while (true) {
                if (peek() != '"') throw wrong("expected a key in quotes");
                String key = readString();
                skipSpace();
                expect(':');
                skipSpace();
                entries.put(key, readValue(depth + 1));
                skipSpace();
                if (peek() != ',') break;
                at++;
                skipSpace();
            }
            expect('}');
            return new Obj(entries);
        }

        private Json readArray(int depth) throws Malformed {
            List<Json> items = new ArrayList<>();
            at++;
            skipSpace();
            if (peek() == ']') {
                at++;
                return new Arr(items);
            }
            while (true) {
                items.add(readValue(depth + 1));
                skipSpace();
                if (peek() != ',') break;
                at++;
                skipSpace();
            }
            expect(']');
            return new Arr(items);
        }

        private Json readWord(String word, Json value) throws Malformed {
            if (!text.startsWith(word, at)) throw wrong("expected a value");
            at += word.length();
            return value;
        }

        private String readString() throws Malformed {
            StringBuilder out = new StringBuilder();
            at++;
            while (true) {
                int c = peek();
                if (c < 0x20) throw wrong(c < 0 ? "unclosed string" : "control character in a string");
                at++;
                if (c == '"') return out.toString();
                out.append(c == '\\' ? readEscape() : (char) c);
            }
        }

        private char readEscape() throws Malformed {
            int c = peek();
            at++;
            return switch (c) {
                case '"', '\\', '/' -> (char) c;
                case 'b' -> '\b';
                case 'f' -> '\f';
                case 'n' -> '\n';
                case 'r' -> '\r';
                case 't' -> '\t';
                case 'u' -> {
                    int code = 0;
                    for (int i = 0; i < 4; i++, at++) {
                        int digit = peek() < 128 ? Character.digit(peek(), 16) : -1;
                        if (digit < 0) throw wrong("expected four hex digits");
                        code = code << 4 | digit;
                    }
                    yield (char) code;
                }
                default -> throw wrong("unknown escape");
            };
        }

        private Json readNumber() throws Malformed {
            int start = at;
            if (peek() == '-') at++;
            if (peek() == '0') at++;
            else readDigits();
            if (peek() == '.') {
                at++;
                readDigits();
            }
            if (peek() == 'e' || peek() == 'E') {
                at++;
                if (peek() == '+' || peek() == '-') at++;
                readDigits();
            }
            return new Num(text.substring(start, at));
        }

        private void readDigits() throws Malformed {
            int start = at;
            while (peek() >= '0' && peek() <= '9') at++;
            if (at == start) throw wrong("expected a value");
        }
    }
}
