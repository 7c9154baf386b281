package llmsnap.text;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.math.BigDecimal;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.StringJoiner;

/**
 * A JSON value. Immutable; {@code toString} is the JSON text. Objects keep their key order, numbers
 * their spelling.
 */
public sealed interface Json {
    /**
     * How deep {@link #parse} follows brackets. Request bodies never become a tree: {@link
     * JsonEdit}.
     */
    int MAX_DEPTH = 1000;

    Json NULL = new Word("null");
    Json TRUE = new Word("true");
    Json FALSE = new Word("false");
    Obj EMPTY = new Obj(Map.of());

    record Obj(Map<String, Json> entries) implements Json {
        public Obj {
            entries = Collections.unmodifiableMap(new LinkedHashMap<>(entries));
        }

        @Override public String toString() {
            var out = new StringJoiner(",", "{", "}");
            entries.forEach((key, value) -> out.add(quoted(key) + ":" + value));
            return out.toString();
        }

        /**
         * The value at {@code path}, a key per level; null when something is missing or no object.
         */
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

        /** A copy with {@code key} set; of a value see {@link Json#of}. */
        public Obj with(String key, Object value) {
            Map<String, Json> copy = new LinkedHashMap<>(entries);
            copy.put(key, of(value));
            return new Obj(copy);
        }

        /** The same of a text; of an empty one this object. */
        public Obj withText(String key, String text) {
            return text.isEmpty() ? this : with(key, text);
        }
    }

    record Arr(List<Json> items) implements Json {
        public Arr {
            items = List.copyOf(items);
        }

        @Override public String toString() {
            var out = new StringJoiner(",", "[", "]");
            for (Json item : items) out.add(item.toString());
            return out.toString();
        }
    }

    record Str(String text) implements Json {
        @Override public String toString() {
            return quoted(text);
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

    /** true, false or null. */
    record Word(String text) implements Json {
        @Override public String toString() {
            return text;
        }
    }

    /** Makes a value of a String, Number, Boolean, List, Map, null or Json. */
    static Json of(Object value) {
        return switch (value) {
            case null -> NULL;
            case Json json -> json;
            case String text -> new Str(text);
            case Boolean flag -> flag ? TRUE : FALSE;
            case Double number -> new Num(number(number));
            case Number number -> new Num(number.toString());
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

    /** The JSON spelling of a finite number, whole ones without a fraction, as Go writes it. */
    static String number(double value) {
        if (value == (long) value && Math.abs(value) < 1e15) return Long.toString((long) value);
        var shortest = BigDecimal.valueOf(value).stripTrailingZeros();
        int exponent = shortest.precision() - shortest.scale() - 1;
        if (exponent >= -6 && exponent < 21) return shortest.toPlainString();
        String digits = shortest.unscaledValue().abs().toString();
        String fraction = digits.length() > 1 ? "." + digits.substring(1) : "";
        String sign = value < 0 ? "-" : "";
        return String.format("%s%s%se%+03d", sign, digits.charAt(0), fraction, exponent);
    }

    /** A JSON string. Lone surrogates and JavaScript's two line separators are escaped. */
    private static String quoted(String text) {
        var out = new StringBuilder("\"");
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            int escape = "\"\\\n\r\t".indexOf(c);
            if (escape >= 0) {
                out.append('\\').append("\"\\nrt".charAt(escape));
            } else if (i + 1 < text.length() && Character.isSurrogatePair(c, text.charAt(i + 1))) {
                out.append(c).append(text.charAt(++i));
            } else if (isEscaped(c)) {
                out.append(String.format("\\u%04x", (int) c));
            } else {
                out.append(c);
            }
        }
        return out.append('"').toString();
    }

    private static boolean isEscaped(char c) {
        return c < ' ' || c == 0x7f || c == 0x2028 || c == 0x2029 || Character.isSurrogate(c);
    }

    /**
     * Reads one JSON value.
     *
     * @throws Malformed for anything else, or deeper than {@link #MAX_DEPTH}
     */
    static Json parse(String text) {
        byte[] bytes = text.getBytes(UTF_8);
        return parse(bytes, bytes.length);
    }

    /** The same; null for what is none. */
    static Json parseOrNull(String text) {
        try {
            return parse(text);
        } catch (Malformed e) {
            return null;
        }
    }

    /** Reads one JSON value from the first bytes. @throws Malformed as for a text */
    static Json parse(byte[] bytes, int length) {
        var tree = new Tree(bytes);
        tree.scan(0, length);
        return tree.root;
    }

    /** Builds values of tokens. */
    final class Tree extends JsonScanner {
        /** An object or array that is open; {@code key} is that of the value which comes. */
        private static final class Level {
            final Map<String, Json> entries = new LinkedHashMap<>();
            final List<Json> items = new ArrayList<>();
            String key;
        }

        private final Deque<Level> open = new ArrayDeque<>();
        private int start;
        private Json root;

        private Tree(byte[] bytes) {
            super(bytes, MAX_DEPTH + 1);
        }

        @Override protected void begin(Token token, int at) {
            start = at;
            if (depth() > MAX_DEPTH) throw wrong("nested deeper than " + MAX_DEPTH, at);
            if (token == Token.OBJECT || token == Token.ARRAY) open.push(new Level());
        }

        @Override protected void end(Token token, int at) {
            switch (token) {
                case OBJECT -> add(new Obj(open.pop().entries));
                case ARRAY -> add(new Arr(open.pop().items));
                case KEY -> open.peek().key = text(bytes, start, at);
                case STRING -> add(new Str(text(bytes, start, at)));
                case NUMBER -> add(new Num(new String(bytes, start, at - start, UTF_8)));
                case WORD -> add(bytes[start] == 'n' ? NULL : of(bytes[start] == 't'));
            }
        }

        private void add(Json value) {
            Level level = open.peek();
            if (level == null) root = value;
            else if (level.key == null) level.items.add(value);
            else level.entries.put(level.key, value);
        }
    }
}
