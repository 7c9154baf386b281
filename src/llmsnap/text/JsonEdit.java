package llmsnap.text;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.util.ArrayList;
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
        record Into(Map<String, Edit> keys) implements Edit {}
    }

    /** A run of bytes, not copied. */
    public record Slice(byte[] bytes, int offset, int length) {}

    /** A member of an object: its key, and where that and its value stand. */
    private record Member(String key, int keyStart, int valueStart, int valueEnd) {}

    /** The edited text so far: what is made of the first {@code at} bytes. */
    private final class Pieces {
        private final List<Slice> list = new ArrayList<>();
        private int at;

        /** Bytes up to {@code from} stay; from..to are replaced by {@code text}, "" cuts. */
        void replace(int from, int to, String text) {
            add(bytes, at, from);
            byte[] utf8 = text.getBytes(UTF_8);
            add(utf8, 0, utf8.length);
            at = to;
        }

        private void add(byte[] bytes, int from, int to) {
            if (from < to) list.add(new Slice(bytes, from, to - from));
        }
    }

    private static final int MAX_MEMBERS = 20_000;  // they take ten times the bytes they stand for

    /** Finds the members of the object that is all of from..to. */
    private static final class Members extends JsonScanner {
        private final List<Member> list = new ArrayList<>();
        private int open;
        private int keyStart;
        private String key;
        private int valueStart;

        Members(byte[] bytes, int from, int to) {
            super(bytes, 1);
            scan(from, to);
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
                key = text(bytes, keyStart, at);
                return;
            }
            if (list.size() == MAX_MEMBERS) {
                throw wrong("more than " + MAX_MEMBERS + " keys in one object", at);
            }
            list.add(new Member(key, keyStart, valueStart, at));
        }
    }

    private final byte[] bytes;
    private final int length;
    private final Members members;

    /**
     * Reads {@code length} bytes from the start of {@code bytes}, which the caller then leaves
     * alone.
     *
     * @throws Malformed when they are not one complete JSON object
     */
    public JsonEdit(byte[] bytes, int length) {
        this.bytes = bytes;
        this.length = length;
        this.members = new Members(bytes, 0, length);
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

    /**
     * The same, {@code otherwise} where the key is not there.
     *
     * @throws Malformed when it is something else than true or false
     */
    public boolean flag(String key, boolean otherwise) {
        Member member = first(key);
        if (member == null) return otherwise;
        if (isTrue(key) || bytes[member.valueStart] == 'f') return isTrue(key);
        throw new Malformed("\"" + key + "\" is true or false", null);
    }

    private Member first(String key) {
        for (Member member : members.list) {
            if (member.key.equals(key)) return member;
        }
        return null;
    }

    /** Adds {@code edit} for the keys of {@code path} to {@code edits}; the later one wins. */
    public static Map<String, Edit> plus(Map<String, Edit> edits, List<String> path, Edit edit) {
        Map<String, Edit> result = new LinkedHashMap<>(edits);
        List<String> rest = path.subList(1, path.size());
        result.compute(path.getFirst(), (key, before) -> {
            if (rest.isEmpty()) return edit;
            Map<String, Edit> keys = before instanceof Edit.Into into ? into.keys : Map.of();
            Edit inside = new Edit.Into(plus(keys, rest, edit));
            if (before == null || before instanceof Edit.Into) return inside;
            Json value = made(inside, made(before, null));
            return value == null ? before : new Edit.Set(value);
        });
        return result;
    }

    /**
     * The edited text, in pieces that share the bytes read. Of an edited key every spelling but the
     * first goes, so that no duplicate slips past a filter; of several {@code model} keys the first
     * stays in any case.
     */
    public List<Slice> edited(Map<String, Edit> edits) {
        var pieces = new Pieces();
        edit(members, edits, true, pieces);
        pieces.replace(length, length, "");
        return pieces.list;
    }

    /** Edits one object. */
    private void edit(Members members, Map<String, Edit> edits, boolean top, Pieces pieces) {
        Set<String> seen = new HashSet<>();
        int keptEnd = -1;       // where what stays ends so far, with what was cut behind it
        int cutFrom = -1;       // where a cut begins that waits for the member which follows it
        for (Member member : members.list) {
            String key = member.key;
            Edit edit = edits.get(key);
            boolean edited = edit != null || top && key.equals("model");
            boolean again = edited && !seen.add(key);
            if (again || edit instanceof Edit.Remove) {
                // Each goes with one comma: the one before it, or while nothing stays the one after
                // it.
                if (keptEnd >= 0) {
                    pieces.replace(keptEnd, member.valueEnd, "");
                    keptEnd = member.valueEnd;
                } else if (cutFrom < 0) {
                    cutFrom = member.keyStart;
                }
                continue;
            }
            if (cutFrom >= 0) pieces.replace(cutFrom, member.keyStart, "");
            cutFrom = -1;
            keptEnd = member.valueEnd;
            if (edit != null) change(member, edit, pieces);
        }
        List<Member> list = members.list;
        int end = list.isEmpty() ? members.open + 1 : list.getLast().valueEnd;
        if (cutFrom >= 0) pieces.replace(cutFrom, end, "");
        Map<String, Edit> missing = new LinkedHashMap<>(edits);
        missing.keySet().removeAll(seen);
        Json added = made(new Edit.Into(missing), null);
        if (added == null) return;
        String text = added.toString();
        String comma = keptEnd >= 0 ? "," : "";
        pieces.replace(end, end, comma + text.substring(1, text.length() - 1));
    }

    private void change(Member member, Edit edit, Pieces pieces) {
        if (edit instanceof Edit.Into into && bytes[member.valueStart] == '{') {
            edit(new Members(bytes, member.valueStart, member.valueEnd), into.keys, false, pieces);
            return;
        }
        Json made = made(edit, null);
        if (made != null) pieces.replace(member.valueStart, member.valueEnd, made.toString());
    }

    /** What {@code edit} makes of a value; both are null where there is none. */
    private static Json made(Edit edit, Json before) {
        return switch (edit) {
            case Edit.Remove gone -> null;
            case Edit.Set set -> set.value;
            case Edit.Into into -> {
                Map<String, Json> entries = new LinkedHashMap<>();
                if (before instanceof Json.Obj object) entries.putAll(object.entries());
                into.keys.forEach((key, inner) ->
                    entries.compute(key, (same, value) -> made(inner, value)));
                boolean stays = entries.isEmpty() && !(before instanceof Json.Obj);
                yield stays ? before : new Json.Obj(entries);
            }
        };
    }
}
