package llmsnap.text;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Edits keys of a JSON object in its raw bytes. One pass checks that the text is one complete JSON object and notes
 * where its top-level members are; everything that is not edited leaves as the bytes that came. No tree is built, the
 * bytes are not copied and depth is no limit: the open brackets are bits in an array.
 */
public final class JsonEdit {
    /** What to do with one key. */
    public sealed interface Edit {
        record Remove() implements Edit {}

        record Set(Json value) implements Edit {}

        /** Edit keys of the object that is the key's value. */
        record Into(Map<String, Edit> keys) implements Edit {
            public Into {
                keys = java.util.Collections.unmodifiableMap(new LinkedHashMap<>(keys));
            }
        }
    }

    /** A run of bytes, not copied. */
    public record Slice(byte[] bytes, int offset, int length) {}

    /** Where one member of an object stands: its key with quotes, and its value. */
    private record Member(int keyStart, int keyEnd, int valueStart, int valueEnd) {}

    /** Bytes from..to are replaced by {@code text} (empty to cut). */
    private record Patch(int from, int to, byte[] text) {}

    private static final int MAX_MEMBERS = 250_000;     // they take ten times the bytes they stand for

    private final byte[] bytes;
    private final int length;
    private final List<Member> members;

    private JsonEdit(byte[] bytes, int length, List<Member> members) {
        this.bytes = bytes;
        this.length = length;
        this.members = members;
    }

    /**
     * Reads {@code length} bytes from the start of {@code bytes}, which the caller then leaves alone.
     *
     * @throws Json.Malformed when they are not one complete JSON object
     */
    public static JsonEdit read(byte[] bytes, int length) throws Json.Malformed {
        return new JsonEdit(bytes, length, new Scanner(bytes, 0, length).object());
    }

    /** The text of the first top-level {@code key} when its value is a string, else null. */
    public String text(String key) {
        Member member = first(key);
        if (member == null || bytes[member.valueStart] != '"') return null;
        return decode(member.valueStart, member.valueEnd);
    }

    /** Whether the first top-level {@code key} is {@code true}. */
    public boolean isTrue(String key) {
        Member member = first(key);
        return member != null && bytes[member.valueStart] == 't';
    }

    private Member first(String key) {
        byte[] wanted = key.getBytes(StandardCharsets.UTF_8);
        for (Member member : members) {
            if (named(member, key, wanted)) return member;
        }
        return null;
    }

    private boolean named(Member member, String key, byte[] wanted) {
        int from = member.keyStart + 1;
        int to = member.keyEnd - 1;
        if (Arrays.equals(bytes, from, to, wanted, 0, wanted.length)) return true;
        for (int i = from; i < to; i++) {
            if (bytes[i] == '\\') return decode(member.keyStart, member.keyEnd).equals(key);
        }
        return false;
    }

    /** The text of the JSON string at from..to, quotes included. The scan has proved it well-formed. */
    private String decode(int from, int to) {
        try {
            return ((Json.Str) Json.parse(new String(bytes, from, to - from, StandardCharsets.UTF_8))).text();
        } catch (Json.Malformed e) {
            throw new IllegalStateException(e);
        }
    }

    /** Combines {@code edit} for the keys of {@code path} with what {@code edits} already does; the later one wins. */
    public static Map<String, Edit> plus(Map<String, Edit> edits, List<String> path, Edit edit) {
        Map<String, Edit> result = new LinkedHashMap<>(edits);
        String key = path.getFirst();
        if (path.size() == 1) {
            result.put(key, edit);
            return result;
        }
        List<String> rest = path.subList(1, path.size());
        boolean removes = edit instanceof Edit.Remove;
        switch (result.get(key)) {
            case null -> result.put(key, new Edit.Into(plus(Map.of(), rest, edit)));
            case Edit.Into into -> result.put(key, new Edit.Into(plus(into.keys, rest, edit)));
            case Edit.Remove gone when removes -> { }
            case Edit.Remove gone -> result.put(key, new Edit.Set(changed(Json.EMPTY, rest, edit)));
            case Edit.Set set when removes && !(set.value instanceof Json.Obj) -> { }
            case Edit.Set set -> result.put(key, new Edit.Set(changed(set.value, rest, edit)));
        }
        return result;
    }

    /** {@code value} with {@code edit} done at {@code path} inside it; what is no object on the way becomes one to set. */
    private static Json changed(Json value, List<String> path, Edit edit) {
        Map<String, Json> entries = new LinkedHashMap<>(value instanceof Json.Obj object ? object.entries() : Map.of());
        String key = path.getFirst();
        if (path.size() > 1) {
            boolean nothingToRemove = edit instanceof Edit.Remove && !(entries.get(key) instanceof Json.Obj);
            if (!nothingToRemove) {
                entries.put(key, changed(entries.getOrDefault(key, Json.EMPTY), path.subList(1, path.size()), edit));
            }
        } else if (edit instanceof Edit.Set set) {
            entries.put(key, set.value);
        } else {
            entries.remove(key);
        }
        return new Json.Obj(entries);
    }

    /**
     * The edited text, in pieces that share the bytes read. Of an edited key every spelling but the first goes, so that
     * no duplicate slips past a filter; of several {@code model} keys the first stays in any case.
     */
    public List<Slice> edited(Map<String, Edit> edits) throws Json.Malformed {
        List<Patch> patches = new ArrayList<>();
        edit(members, new Scanner(bytes, 0, length).start(), edits, true, patches);
        patches.sort(Comparator.comparingInt(Patch::from));
        List<Slice> slices = new ArrayList<>();
        int at = 0;
        for (Patch patch : patches) {
            if (patch.from > at) slices.add(new Slice(bytes, at, patch.from - at));
            if (patch.text.length > 0) slices.add(new Slice(patch.text, 0, patch.text.length));
            at = patch.to;
        }
        if (length > at) slices.add(new Slice(bytes, at, length - at));
        return slices;
    }

    /** Adds the patches for an object that opens at {@code open} and has {@code members}. */
    private void edit(List<Member> members, int open, Map<String, Edit> edits, boolean top, List<Patch> patches)
            throws Json.Malformed {
        Map<String, Boolean> seen = new LinkedHashMap<>();
        boolean[] removed = new boolean[members.size()];
        boolean anyRemoved = false;
        for (int i = 0; i < removed.length; i++) {
            Member member = members.get(i);
            String key = keyIfEdited(member, edits, top);
            if (key == null) continue;
            Edit edit = edits.get(key);
            if (seen.put(key, true) != null || edit instanceof Edit.Remove) {
                removed[i] = anyRemoved = true;
            } else if (edit instanceof Edit.Set set) {
                patches.add(new Patch(member.valueStart, member.valueEnd, utf8(set.value.toString())));
            } else if (edit instanceof Edit.Into into) {
                editInside(member, into, patches);
            }
        }
        if (anyRemoved) cut(members, removed, patches);
        append(members, removed, open, edits, seen, patches);
    }

    private String keyIfEdited(Member member, Map<String, Edit> edits, boolean top) {
        String key = decode(member.keyStart, member.keyEnd);
        return edits.containsKey(key) || (top && key.equals("model")) ? key : null;
    }

    private void editInside(Member member, Edit.Into into, List<Patch> patches) throws Json.Malformed {
        if (bytes[member.valueStart] == '{') {
            Scanner inner = new Scanner(bytes, member.valueStart, member.valueEnd);
            edit(inner.object(), member.valueStart, into.keys, false, patches);
        } else {
            Json made = made(into);
            if (made != null) patches.add(new Patch(member.valueStart, member.valueEnd, utf8(made.toString())));
        }
    }

    /** What {@code edit} makes where its key is missing, or null when it sets nothing. */
    private static Json made(Edit edit) {
        return switch (edit) {
            case Edit.Remove gone -> null;
            case Edit.Set set -> set.value;
            case Edit.Into into -> {
                Map<String, Json> entries = new LinkedHashMap<>();
                into.keys.forEach((key, inner) -> {
                    Json value = made(inner);
                    if (value != null) entries.put(key, value);
                });
                yield entries.isEmpty() ? null : new Json.Obj(entries);
            }
        };
    }

    /** Cuts the removed members, each with one comma: the one before it, or while none was kept yet the one after it. */
    private static void cut(List<Member> members, boolean[] removed, List<Patch> patches) {
        boolean kept = false;
        for (int i = 0; i < removed.length; i++) {
            if (!removed[i]) {
                kept = true;
                continue;
            }
            Member member = members.get(i);
            int from = kept ? members.get(i - 1).valueEnd : member.keyStart;
            int to = kept || i + 1 == removed.length ? member.valueEnd : members.get(i + 1).keyStart;
            patches.add(new Patch(from, to, new byte[0]));
        }
    }

    /** Adds the keys that are set and were not there, behind the last member. */
    private static void append(List<Member> members, boolean[] removed, int open, Map<String, Edit> edits,
            Map<String, Boolean> seen, List<Patch> patches) {
        boolean comma = false;
        for (boolean gone : removed) comma |= !gone;
        StringBuilder added = new StringBuilder();
        for (Map.Entry<String, Edit> entry : edits.entrySet()) {
            Json value = seen.containsKey(entry.getKey()) ? null : made(entry.getValue());
            if (value == null) continue;
            if (comma) added.append(',');
            comma = true;
            Json.quote(entry.getKey(), added);
            added.append(':').append(value);
        }
        if (added.isEmpty()) return;
        int place = members.isEmpty() ? open + 1 : members.getLast().valueEnd;
        patches.add(new Patch(place, place, utf8(added.toString())));
    }

    private static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    /** Checks JSON in bytes without recursion and notes the members of the outermost object. */
    private static final class Scanner {
        private static final VarHandle LONGS = MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.nativeOrder());
        private static final long ONES = 0x0101010101010101L;
        private static final long HIGH_BITS = ONES << 7;

        private final byte[] bytes;
        private final int from;
        private final int end;
        private int at;
        private long[] arrays = new long[4];    // bit d: the bracket open at depth d is a '['
        private int depth;

        Scanner(byte[] bytes, int from, int end) {
            this.bytes = bytes;
            this.from = from;
            this.at = from;
            this.end = end;
        }

        private Json.Malformed wrong(String what) {
            return new Json.Malformed(at >= end ? "the text ends too early" : what, at - from);
        }

        private int skipSpace() {
            while (at < end) {
                byte b = bytes[at];
                if (b != ' ' && b != '\n' && b != '\r' && b != '\t') return b & 0xff;
                at++;
            }
            return -1;
        }

        /** Where the object's '{' stands; a byte order mark before it is none of JSON and refused. */
        int start() throws Json.Malformed {
            if (skipSpace() != '{') throw wrong("expected a JSON object");
            return at;
        }

        List<Member> object() throws Json.Malformed {
            start();
            at++;
            List<Member> members = new ArrayList<>();
            if (skipSpace() == '}') {
                at++;
            } else {
                while (true) {
                    skipSpace();
                    int keyStart = at;
                    string();
                    int keyEnd = at;
                    colon();
                    int valueStart = at;
                    value();
                    if (members.size() == MAX_MEMBERS) throw new Json.Malformed("more than " + MAX_MEMBERS + " keys in one object", at - from);
                    members.add(new Member(keyStart, keyEnd, valueStart, at));
                    int next = skipSpace();
                    at++;
                    if (next == '}') break;
                    if (next != ',') {
                        at--;
                        throw wrong("expected ',' or '}'");
                    }
                }
            }
            if (skipSpace() != -1) throw wrong("more text after the object");
            return members;
        }

        private void colon() throws Json.Malformed {
            if (skipSpace() != ':') throw wrong("expected ':'");
            at++;
            skipSpace();
        }

        private void open(boolean array) {
            if (depth >= arrays.length * 64) arrays = Arrays.copyOf(arrays, arrays.length * 2);
            long bit = 1L << (depth & 63);
            if (array) arrays[depth >> 6] |= bit;
            else arrays[depth >> 6] &= ~bit;
            depth++;
            at++;
        }

        private boolean inArray() {
            return (arrays[(depth - 1) >> 6] >> ((depth - 1) & 63) & 1) != 0;
        }

        /** One value, with all that is nested in it: {@code depth} counts what is open inside it. */
        private void value() throws Json.Malformed {
            boolean expectValue = true;
            while (true) {
                int c = skipSpace();
                if (expectValue) {
                    if (c == '{' || c == '[') {
                        open(c == '[');
                        int inner = skipSpace();
                        if (inner == (c == '[' ? ']' : '}')) {
                            expectValue = false;
                        } else if (c == '{') {
                            string();
                            colon();
                        }
                        continue;
                    }
                    scalar(c);
                    expectValue = false;
                } else if (c == (inArray() ? ']' : '}')) {
                    depth--;
                    at++;
                } else if (c == ',') {
                    at++;
                    if (!inArray()) {
                        skipSpace();
                        string();
                        colon();
                    }
                    expectValue = true;
                } else {
                    throw wrong(inArray() ? "expected ',' or ']'" : "expected ',' or '}'");
                }
                if (depth == 0 && !expectValue) return;
            }
        }

        private void scalar(int c) throws Json.Malformed {
            switch (c) {
                case '"' -> string();
                case 't' -> word("true");
                case 'f' -> word("false");
                case 'n' -> word("null");
                default -> number();
            }
        }

        private void word(String word) throws Json.Malformed {
            for (int i = 0; i < word.length(); i++, at++) {
                if (at >= end || bytes[at] != word.charAt(i)) throw wrong("expected a value");
            }
        }

        private void string() throws Json.Malformed {
            if (at >= end || bytes[at] != '"') throw wrong("expected a string in quotes");
            byte[] b = bytes;
            int i = at + 1;
            while (i < end) {
                while (i + 8 <= end && !hasSpecial((long) LONGS.get(b, i))) i += 8;
                if (i == end) break;
                byte c = b[i];
                if (c == '"') {
                    at = i + 1;
                    return;
                }
                if (c == '\\') {
                    at = i;
                    i = escape(i + 1);
                } else if (c >= 0 && c < 0x20) {
                    at = i;
                    throw wrong("control character in a string");
                } else {
                    i++;
                }
            }
            at = end;
            throw wrong("unclosed string");
        }

        /** Whether one of eight bytes is a quote, a backslash or below 0x20. May say so of a byte above 0x7f, too. */
        private static boolean hasSpecial(long eight) {
            long quote = eight ^ ONES * '"';
            long backslash = eight ^ ONES * '\\';
            return ((quote - ONES | backslash - ONES | eight - ONES * 0x20) & HIGH_BITS) != 0;
        }

        private int escape(int i) throws Json.Malformed {
            if (i < end && "\"\\/bfnrt".indexOf(bytes[i]) >= 0) return i + 1;
            if (i < end && bytes[i] == 'u') {
                if (i + 5 > end) {
                    at = end;
                    throw wrong("unclosed string");
                }
                for (int k = i + 1; k < i + 5; k++) {
                    if (bytes[k] < 0 || Character.digit(bytes[k], 16) < 0) throw wrong("expected four hex digits");
                }
                return i + 5;
            }
            throw wrong("unknown escape");
        }

        private void number() throws Json.Malformed {
            if (at < end && bytes[at] == '-') at++;
            if (at < end && bytes[at] == '0') at++;
            else digits();
            if (at < end && bytes[at] == '.') {
                at++;
                digits();
            }
            if (at < end && (bytes[at] == 'e' || bytes[at] == 'E')) {
                at++;
                if (at < end && (bytes[at] == '+' || bytes[at] == '-')) at++;
                digits();
            }
        }

        private void digits() throws Json.Malformed {
            int start = at;
            while (at < end && bytes[at] >= '0' && bytes[at] <= '9') at++;
            if (at == start) throw wrong("expected a value");
        }
    }
}
