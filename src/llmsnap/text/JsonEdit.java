package llmsnap.text;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Edits keys of a JSON object in its raw bytes. One pass checks that the text is one complete JSON
 * object and notes where its top-level members are; everything that is not edited leaves as the
 * bytes that came. No tree is built, and the bytes are not copied.
 */
public final class JsonEdit {
    /** What to do with one key. */
    public sealed interface Edit {
        record Remove() implements Edit {}

        record Set(Json value) implements Edit {}

        /** Edit keys of the object that is the key's value. */
        record Into(Map<String, Edit> keys) implements Edit {
            public Into {
                keys = Collections.unmodifiableMap(new LinkedHashMap<>(keys));
            }
        }
    }

    /** A run of bytes, not copied. */
    public record Slice(byte[] bytes, int offset, int length) {
        private static Slice of(String text) {
            byte[] bytes = text.getBytes(UTF_8);
            return new Slice(bytes, 0, bytes.length);
        }
    }

    /** Where one member of an object stands: its key with quotes, and its value. */
    private record Member(int keyStart, int keyEnd, int valueStart, int valueEnd) {}

    /** Bytes from..to are replaced by {@code text}; null cuts. */
    private record Patch(int from, int to, Slice text) {}

    private static final int MAX_MEMBERS = 250_000; // they take ten times the bytes they stand for

    /** Finds the members of the object that is all of from..to. */
    private static final class Members extends JsonScanner {
        private final List<Member> list = new ArrayList<>();
        private int open;
        private int keyStart;
        private int keyEnd;
        private int valueStart;

        Members(byte[] bytes, int from, int to) {
            super(1);
            scanAll(bytes, from, to);
        }

        @Override protected void begin(Token token, int at) {
            if (depth() == 0) {
                if (token != Token.OBJECT) throw wrong("expected a JSON object", at);
                open = at;
            } else if (token == Token.KEY) {
                keyStart = at;
            } else {
                valueStart = at;
            }
        }

        @Override protected void end(Token token, int at) {
            if (depth() == 0) return;
            if (token == Token.KEY) {
                keyEnd = at;
                return;
            }
            if (list.size() == MAX_MEMBERS) {
                throw wrong("more than " + MAX_MEMBERS + " keys in one object", at);
            }
            list.add(new Member(keyStart, keyEnd, valueStart, at));
        }
    }

    private final byte[] bytes;
    private final int length;
    private final Members members;

    private JsonEdit(byte[] bytes, int length) {
        this.bytes = bytes;
        this.length = length;
        this.members = new Members(bytes, 0, length);
    }

    /**
     * Reads {@code length} bytes from the start of {@code bytes}, which the caller then leaves
     * alone.
     *
     * @throws Malformed when they are not one complete JSON object
     */
    public static JsonEdit read(byte[] bytes, int length) {
        return new JsonEdit(bytes, length);
    }

    /** The text of the first top-level {@code key} when its value is a string, else null. */
    public String text(String key) {
        Member member = first(key);
        if (member == null || bytes[member.valueStart] != '"') return null;
        return JsonScanner.text(bytes, member.valueStart, member.valueEnd);
    }

    /** Whether the first top-level {@code key} is {@code true}. */
    public boolean isTrue(String key) {
        Member member = first(key);
        return member != null && bytes[member.valueStart] == 't';
    }

    private Member first(String key) {
        byte[] wanted = key.getBytes(UTF_8);
        for (Member member : members.list) {
            int from = member.keyStart + 1;
            int to = member.keyEnd - 1;
            if (Arrays.equals(bytes, from, to, wanted, 0, wanted.length)) return member;
            boolean escaped = to - from > wanted.length;
            if (escaped && key(member).equals(key)) return member;
        }
        return null;
    }

    private String key(Member member) {
        return JsonScanner.text(bytes, member.keyStart, member.keyEnd);
    }

    /** Adds {@code edit} for the keys of {@code path} to {@code edits}; the later one wins. */
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

    /** {@code value} with {@code edit} done inside it; what is no object on the way becomes one. */
    private static Json changed(Json value, List<String> path, Edit edit) {
        Map<String, Json> entries = new LinkedHashMap<>();
        if (value instanceof Json.Obj object) entries.putAll(object.entries());
        String key = path.getFirst();
        if (path.size() > 1) {
            boolean nothing = edit instanceof Edit.Remove
                && !(entries.get(key) instanceof Json.Obj);
            if (nothing) return new Json.Obj(entries);
            List<String> rest = path.subList(1, path.size());
            entries.put(key, changed(entries.getOrDefault(key, Json.EMPTY), rest, edit));
        } else if (edit instanceof Edit.Set set) {
            entries.put(key, set.value);
        } else {
            entries.remove(key);
        }
        return new Json.Obj(entries);
    }

    /**
     * The edited text, in pieces that share the bytes read. Of an edited key every spelling but the
     * first goes, so that no duplicate slips past a filter; of several {@code model} keys the first
     * stays in any case.
     */
    public List<Slice> edited(Map<String, Edit> edits) {
        List<Patch> patches = new ArrayList<>();
        edit(members, edits, true, patches);
        patches.sort(Comparator.comparingInt(Patch::from));
        List<Slice> slices = new ArrayList<>();
        int at = 0;
        for (Patch patch : patches) {
            if (patch.from > at) slices.add(new Slice(bytes, at, patch.from - at));
            if (patch.text != null) slices.add(patch.text);
            at = patch.to;
        }
        if (length > at) slices.add(new Slice(bytes, at, length - at));
        return slices;
    }

    /** Adds the patches for one object. */
    private void edit(Members members, Map<String, Edit> edits, boolean top, List<Patch> patches) {
        Set<String> seen = new HashSet<>();
        int keptEnd = -1;       // where what stays ends so far, with what was cut behind it
        int cutFrom = -1;       // where a cut begins that waits for the member which follows it
        for (Member member : members.list) {
            String key = key(member);
            Edit edit = edits.get(key);
            boolean edited = edit != null || top && key.equals("model");
            boolean again = edited && !seen.add(key);
            if (again || edit instanceof Edit.Remove) {
                // Each goes with one comma: the one before it, or while nothing stays the one after
                // it.
                if (keptEnd >= 0) {
                    patches.add(new Patch(keptEnd, member.valueEnd, null));
                    keptEnd = member.valueEnd;
                } else if (cutFrom < 0) {
                    cutFrom = member.keyStart;
                }
                continue;
            }
            if (cutFrom >= 0) patches.add(new Patch(cutFrom, member.keyStart, null));
            cutFrom = -1;
            keptEnd = member.valueEnd;
            if (edit != null) change(member, edit, patches);
        }
        if (cutFrom >= 0) patches.add(new Patch(cutFrom, members.list.getLast().valueEnd, null));
        append(members, keptEnd >= 0, edits, seen, patches);
    }

    private void change(Member member, Edit edit, List<Patch> patches) {
        if (edit instanceof Edit.Into into && bytes[member.valueStart] == '{') {
            edit(new Members(bytes, member.valueStart, member.valueEnd), into.keys, false, patches);
            return;
        }
        Json made = made(edit);
        if (made == null) return;
        patches.add(new Patch(member.valueStart, member.valueEnd, Slice.of(made.toString())));
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

    /** Adds the keys that are set and were not there, behind the last member. */
    private static void append(Members members, boolean comma, Map<String, Edit> edits,
            Set<String> seen, List<Patch> patches) {
        var added = new StringBuilder();
        edits.forEach((key, edit) -> {
            Json value = seen.contains(key) ? null : made(edit);
            if (value == null) return;
            if (comma || !added.isEmpty()) added.append(',');
            Json.quote(key, added);
            added.append(':').append(value);
        });
        if (added.isEmpty()) return;
        List<Member> list = members.list;
        int place = list.isEmpty() ? members.open + 1 : list.getLast().valueEnd;
        patches.add(new Patch(place, place, Slice.of(added.toString())));
    }
}
