package llmsnap.config;

import static llmsnap.text.Json.obj;

import java.util.ArrayList;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import llmsnap.text.Json;

/**
 * Which keys there are in a mapping of the configuration, and of what kind their values are: noted
 * while the reader asks for them, so that it is what the reader knows and nothing else.
 */
final class Schema {
    enum Kind { SCALAR, WHOLE, FLAG, LIST, OBJECT, ANY }

    private static final Json SCALAR = Json.of(List.of("string", "number", "boolean", "null"));
    /** A value may be a macro, which is text until it is replaced. */
    private static final Json.Obj MACRO = obj("type", "string", "pattern", "\\$\\{");
    private static final String FLAGS = "^([yYnN]|[yY][eE][sS]|[nN][oO]|[oO][nN]|[oO][fF][fF]"
        + "|[tT][rR][uU][eE]|[fF][aA][lL][sS][eE])$";
    private static final Json.Obj NOTHING = obj("type", "null");

    private final Map<String, Schema> keys = new LinkedHashMap<>();
    private final Set<Kind> kinds = EnumSet.noneOf(Kind.class);
    private Schema each;        // of a mapping with names of people's own, or null
    private Schema items;       // of a list of mappings, or null
    private boolean closed;     // unknown keys are warned of

    // ---- noting

    Schema key(String name) {
        return keys.computeIfAbsent(name, key -> new Schema());
    }

    Schema each() {
        if (each == null) each = new Schema();
        return each;
    }

    Schema items() {
        if (items == null) items = new Schema();
        return items;
    }

    void is(Kind kind) {
        kinds.add(kind);
    }

    void close() {
        closed = true;
    }

    /** Knows all that another does. */
    void addAll(Schema other) {
        other.keys.forEach(keys::putIfAbsent);
    }

    // ---- writing

    private Json.Obj written() {
        if (kinds.isEmpty() || kinds.contains(Kind.ANY)) return Json.EMPTY;
        List<Json.Obj> forms = new ArrayList<>();
        for (Kind kind : kinds) {
            switch (kind) {
                case SCALAR -> forms.add(obj("type", SCALAR));
                case WHOLE -> forms.addAll(List.of(obj("type", "integer"), MACRO, NOTHING));
                case FLAG -> forms.addAll(List.of(obj("type", "boolean"), NOTHING, MACRO,
                    obj("type", "string", "pattern", FLAGS)));
                case LIST -> forms.addAll(List.of(list(), NOTHING));
                case OBJECT -> forms.addAll(List.of(object(), NOTHING));
                case ANY -> { }
            }
        }
        List<Json.Obj> once = forms.stream().distinct().toList();
        return once.size() == 1 ? once.getFirst() : obj("anyOf", once);
    }

    private Json.Obj list() {
        Json.Obj item = items == null ? obj("type", SCALAR) : items.asItem();
        return obj("type", "array", "items", item);
    }

    private Json.Obj asItem() {
        return kinds.isEmpty() ? object() : obj("anyOf", List.of(object(), obj("type", SCALAR)));
    }

    /** As a JSON Schema. */
    Json.Obj object() {
        Json.Obj object = obj("type", "object");
        if (each != null) {
            return object.with("additionalProperties", obj("anyOf", List.of(each.object(),
                NOTHING)));
        }
        if (keys.isEmpty() && !closed) return object;
        Map<String, Json> properties = new LinkedHashMap<>();
        keys.forEach((name, schema) -> properties.put(name, schema.written()));
        return object.with("properties", new Json.Obj(properties))
            .with("additionalProperties", !closed);
    }
}
