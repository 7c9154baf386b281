package llmsnap.config;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import llmsnap.text.Json;
import llmsnap.text.Words;

/**
 * Text substitution as <code>${name}</code>. A macro may use those defined before it; a model's own macros hold inside
 * the global ones it uses. <code>${PORT}</code> and <code>${PID}</code> are left for whoever knows them.
 */
final class Macros {
    static final Pattern NAME = Pattern.compile("[a-zA-Z0-9_-]+");
    static final Set<String> RESERVED = Set.of("PORT", "MODEL_ID", "PID");
    private static final Pattern USE = Pattern.compile("\\$\\{([a-zA-Z0-9_-]+)}");
    private static final int MAX_EXPANDED_CHARS = 1 << 20;
    private static final int MAX_EXPANSIONS = 10_000;

    /** A value and who may use it: macros with a higher {@code order}, and global ones when it is a model's. */
    private record Macro(Json value, int order, boolean own) {}

    /** A use that cannot be replaced; the message names the macro and says why. */
    static final class Unknown extends Exception {
        private static final long serialVersionUID = 1;

        Unknown(String message) {
            super(message, null, false, false);
        }
    }

    private final Map<String, Macro> macros = new LinkedHashMap<>();
    private int expansions;

    /** The macros of the whole file, or with {@code modelId} also those of that model, which win. */
    static Macros of(Map<String, Json> global, Map<String, Json> own, String modelId) {
        Macros all = new Macros();
        if (modelId != null) all.macros.put("MODEL_ID", new Macro(new Json.Str(modelId), -1, false));
        int order = 0;
        for (var entry : global.entrySet()) {
            boolean hidden = own.containsKey(entry.getKey());
            Json value = hidden ? own.get(entry.getKey()) : entry.getValue();
            all.macros.put(entry.getKey(), new Macro(value, order++, hidden));
        }
        for (var entry : own.entrySet()) {
            if (!all.macros.containsKey(entry.getKey())) all.macros.put(entry.getKey(), new Macro(entry.getValue(), order++, true));
        }
        return all;
    }

    /** The names used in {@code text}. */
    static List<String> uses(String text) {
        List<String> names = new ArrayList<>();
        Matcher matcher = USE.matcher(text);
        while (matcher.find()) names.add(matcher.group(1));
        return names;
    }

    /** {@code text} with every macro replaced that can be; for each that cannot, {@code unknown} gets the reason. */
    String expand(String text, java.util.function.Consumer<Unknown> unknown) {
        if (!text.contains("${")) return text;
        StringBuilder out = new StringBuilder();
        expansions = 0;
        expand(text, null, new HashSet<>(), out, unknown);
        return out.toString();
    }

    /** The value of the macro that is all of {@code text}, in its own type, or null when {@code text} is anything else. */
    Json exactly(String text) {
        Matcher matcher = USE.matcher(text);
        Macro macro = matcher.matches() ? macros.get(matcher.group(1)) : null;
        return macro == null || (macro.value instanceof Json.Str inner && inner.text().contains("${")) ? null : macro.value;
    }

    private void expand(String text, Macro inside, Set<String> open, StringBuilder out, java.util.function.Consumer<Unknown> unknown) {
        Matcher matcher = USE.matcher(text);
        int end = 0;
        while (matcher.find()) {
            out.append(text, end, matcher.start());
            end = matcher.end();
            String name = matcher.group(1);
            Macro macro = macros.get(name);
            if (name.equals("PORT") || name.equals("PID")) {
                out.append(matcher.group());
            } else if (macro == null) {
                out.append(matcher.group());
                unknown.accept(new Unknown("nothing defines ${" + name + "}"));
            } else if (!open.add(name)) {
                unknown.accept(new Unknown("the macro " + name + " uses itself"));
            } else {
                boolean before = inside == null || macro.order < inside.order || (macro.own && !inside.own);
                if (!before) {
                    unknown.accept(new Unknown("the macro " + name + " is used by one that is defined before it; move it up"));
                } else if (out.length() > MAX_EXPANDED_CHARS || ++expansions > MAX_EXPANSIONS) {
                    if (expansions <= MAX_EXPANSIONS + 1) unknown.accept(new Unknown("macros expand to far too much text"));
                    expansions = MAX_EXPANSIONS + 1;
                    return;
                } else {
                    expand(text(macro.value), macro, open, out, unknown);
                }
                open.remove(name);
            }
        }
        out.append(text, end, text.length());
    }

    /** How a value reads inside text; the comment lines of one over several lines are left out. */
    static String text(Json value) {
        if (!(value instanceof Json.Str text)) return value.toString();
        return text.text().contains("\n") ? Words.withoutComments(text.text()) : text.text();
    }
}
