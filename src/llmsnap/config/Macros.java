package llmsnap.config;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import llmsnap.text.Json;
import llmsnap.text.Place;
import llmsnap.text.Words;
import llmsnap.text.YamlNode.Entry;
import llmsnap.text.YamlNode;
import llmsnap.text.YamlNode.Scalar;

/**
 * Text substitution as <code>${name}</code>. A macro may use those defined before it; a model's own
 * macros hold inside the global ones it uses. <code>${PORT}</code> and <code>${PID}</code> are left
 * for whoever knows them, and of models that were found what is known of their file.
 */
final class Macros {
    private static final Pattern NAME = Pattern.compile("[a-zA-Z0-9_-]{1,63}");
    static final Set<String> LATER = Set.of("PORT", "PID");
    private static final Set<String> RESERVED = Set.of("PORT", "MODEL_ID", "PID", "CACHE_DIR");
    private static final Pattern USE = Pattern.compile("\\$\\{([a-zA-Z0-9_-]+)}");
    private static final int MAX_TEXT = 64 * 1024;
    private static final int MAX_EXPANDED_CHARS = 1 << 20;
    private static final int MAX_EXPANSIONS = 10_000;

    /**
     * A value and who may use it: macros of a higher order, and global ones when it is a model's.
     */
    private record Macro(Json value, int order, boolean own) {
        boolean mayBeUsedIn(Macro outer) {
            return outer == null || order < outer.order || own && !outer.own;
        }
    }

    private final Map<String, Macro> macros = new LinkedHashMap<>();
    private final Set<String> later;
    private int expansions;

    private Macros(Set<String> later) {
        this.later = later;
    }

    /**
     * The macros of the whole file, or also those of a model, which win.
     *
     * @param given those that are not written in the file, by name
     * @param later names that are left for whoever knows them
     */
    static Macros of(Map<String, Json> global, Map<String, Json> own, Map<String, String> given,
            Set<String> later) {
        var all = new Macros(later);
        given.forEach((name, value) -> all.add(name, new Json.Str(value), false));
        for (String name : global.keySet()) {
            all.add(name, own.getOrDefault(name, global.get(name)), own.containsKey(name));
        }
        for (String name : own.keySet()) all.add(name, own.get(name), true);
        return all;
    }

    private void add(String name, Json value, boolean own) {
        macros.putIfAbsent(name, new Macro(value, macros.size(), own));
    }

    /** Reads the definitions under {@code macros}. */
    static Map<String, Json> read(Fields fields, Problems problems) {
        Map<String, Json> macros = new LinkedHashMap<>();
        for (Entry entry : fields.mapping("macros").entries().values()) {
            String name = entry.key().text();
            Place place = entry.key().place();
            String badName = wrong(name);
            String wrong = badName == null ? wrong(name, entry.value()) : badName;
            if (badName == null) place = entry.value().place();
            if (wrong != null) problems.error(place, wrong);
            else macros.put(name, ((Scalar) entry.value()).value());
        }
        return macros;
    }

    /** What is wrong with a name, or null. */
    private static String wrong(String name) {
        if (!NAME.matcher(name).matches()) {
            return "the macro name \"" + name
                + "\" is not made of letters, digits, _ and -, at most 63";
        }
        return RESERVED.contains(name) ? "the macro name " + name + " is reserved" : null;
    }

    /** What is wrong with a value, or null. */
    private static String wrong(String name, YamlNode value) {
        if (!(value instanceof Scalar scalar) || scalar.isNull()) {
            return "the macro " + name + " has to be text, a number or a bool";
        }
        if (!(scalar.value() instanceof Json.Str text)) return null;
        if (text.text().length() > MAX_TEXT) {
            return "the macro " + name + " is longer than " + MAX_TEXT + " characters";
        }
        return text.text().contains("${" + name + "}") ? "the macro " + name + " contains itself"
            : null;
    }

    /** Takes a macro that cannot be replaced: which, and a sentence that says why. */
    interface Unknown {
        void accept(String name, String why);
    }

    /** {@code text} with every macro replaced that can be. */
    String expand(String text, Unknown unknown) {
        if (!text.contains("${")) return text;
        var out = new StringBuilder();
        expansions = 0;
        expand(text, null, new ArrayList<>(), out, unknown);
        return out.toString();
    }

    /**
     * The value of the macro that is all of {@code text}, in its own type; null for other texts.
     */
    Json exactly(String text) {
        Matcher matcher = USE.matcher(text);
        boolean one = matcher.matches() && !later.contains(matcher.group(1));
        Macro macro = one ? macros.get(matcher.group(1)) : null;
        boolean nested = macro != null && macro.value instanceof Json.Str s
            && s.text().contains("${");
        return macro == null || nested ? null : macro.value;
    }

    private void expand(String text, Macro inside, List<String> open, StringBuilder out,
            Unknown unknown) {
        Matcher matcher = USE.matcher(text);
        int end = 0;
        while (matcher.find()) {
            out.append(text, end, matcher.start());
            end = matcher.end();
            String name = matcher.group(1);
            Macro macro = macros.get(name);
            boolean left = later.contains(name);
            if (left || macro == null) {
                out.append(matcher.group());
                if (!left) unknown.accept(name, "nothing defines ${" + name + "}");
            } else if (open.contains(name)) {
                unknown.accept(name, "the macro " + name + " uses itself");
            } else if (!macro.mayBeUsedIn(inside)) {
                unknown.accept(name, "the macro " + name
                    + " is used by one that is defined before it; move it up");
            } else if (out.length() > MAX_EXPANDED_CHARS || ++expansions > MAX_EXPANSIONS) {
                boolean first = expansions <= MAX_EXPANSIONS + 1;
                if (first) unknown.accept(name, "macros expand to far too much text");
                expansions = MAX_EXPANSIONS + 1;
                return;
            } else {
                open.add(name);
                expand(text(macro.value), macro, open, out, unknown);
                open.removeLast();
            }
        }
        out.append(text, end, text.length());
    }

    /** How a value reads inside text; comment lines are left out. */
    static String text(Json value) {
        if (!(value instanceof Json.Str text)) return value.toString();
        return text.text().contains("\n") ? Words.withoutComments(text.text()) : text.text();
    }
}
