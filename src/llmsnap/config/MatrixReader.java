package llmsnap.config;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import llmsnap.config.Matrix.Node;
import llmsnap.text.Nearest;
import llmsnap.text.Place;
import llmsnap.text.YamlNode.Entry;
import llmsnap.text.YamlNode.Scalar;

/** Reads {@code matrix}: one reader per set's expression, all sharing names and problems. */
final class MatrixReader {
    private static final Pattern TOKEN = Pattern.compile("\\s*([()&|]|\\+?[^\\s()&|]+)");
    private static final int MAX_DEPTH = 100;

    private final Set<String> models;
    private final Problems problems;
    private final Map<String, String> vars = new HashMap<>();
    private final Map<String, Scalar> texts = new LinkedHashMap<>();
    private List<String> tokens;
    private int at;
    private Place place;        // of the expression that is being read
    private int depth;

    /** An expression that cannot be read. */
    private static final class Wrong extends Exception {

        Wrong(String message) {
            super(message, null, false, false);
        }
    }

    MatrixReader(Set<String> models, Problems problems) {
        this.models = models;
        this.problems = problems;
    }

    Matrix read(Fields fields) {
        scalars(fields, "vars").forEach((name, id) -> {
            if (models.contains(id.text())) vars.put(name, id.text());
            else unknown(id.place(), "the var \"" + name + "\" stands for", id.text());
        });
        Map<String, Integer> costs = new HashMap<>();
        Fields given = fields.fields("evict_costs");
        for (Entry each : given.mapping().entries().values()) {
            String name = each.key().text();
            String id = id(name);
            if (id == null) unknown(each.key().place(), "evict_costs names", name);
            else costs.put(id, given.whole(name, 1, 1));
        }
        texts.putAll(scalars(fields, "sets"));
        if (texts.isEmpty()) fields.error("sets", "the matrix has no sets of models");
        Map<String, Node> sets = new LinkedHashMap<>();
        texts.forEach((name, text) -> sets.put(name, read(text)));
        for (String name : sets.keySet()) {
            if (!leadsBack(name, sets, new HashSet<>(), new HashSet<>())) continue;
            problems.error(texts.get(name).place(), "the set \"" + name + "\" leads to itself");
            return new Matrix(Map.of(), Map.of());
        }
        fields.close();
        return new Matrix(sets, costs);
    }

    private static Map<String, Scalar> scalars(Fields fields, String key) {
        Fields given = fields.fields(key);
        Map<String, Scalar> scalars = new LinkedHashMap<>();
        for (Entry each : given.mapping().entries().values()) {
            String name = each.key().text();
            given.text(name, "");       // an error when it is none
            if (each.value() instanceof Scalar scalar) scalars.put(name, scalar);
        }
        return scalars;
    }

    /** The model that a name stands for, or null. */
    private String id(String name) {
        String model = models.contains(name) ? name : null;
        return vars.getOrDefault(name, model);
    }

    private void unknown(Place where, String what, String name) {
        Set<String> names = new HashSet<>(models);
        names.addAll(vars.keySet());
        problems.error(where, "matrix: " + what + " \"" + name + "\", which is no model"
            + Nearest.hint(name, names));
    }

    // ---- one expression

    private Node read(Scalar text) {
        place = text.place();
        tokens = new ArrayList<>();
        at = 0;
        depth = 0;
        Matcher matcher = TOKEN.matcher(text.text());
        while (matcher.lookingAt()) {
            tokens.add(matcher.group(1));
            matcher.region(matcher.end(), text.text().length());
        }
        try {
            Node node = any();
            if (at < tokens.size()) throw new Wrong("\"" + tokens.get(at) + "\" is too much");
            return node;
        } catch (Wrong e) {
            problems.error(place, "matrix: \"" + text.text() + "\": " + e.getMessage());
            return new Node.Any(List.of());
        }
    }

    private boolean take(String token) {
        boolean taken = at < tokens.size() && tokens.get(at).equals(token);
        if (taken) at++;
        return taken;
    }

    private Node any() throws Wrong {
        List<Node> nodes = new ArrayList<>();
        do nodes.add(all());
        while (take("|"));
        return nodes.size() == 1 ? nodes.getFirst() : new Node.Any(nodes);
    }

    private Node all() throws Wrong {
        List<Node> nodes = new ArrayList<>();
        do nodes.add(single());
        while (take("&"));
        return nodes.size() == 1 ? nodes.getFirst() : new Node.All(nodes);
    }

    private Node single() throws Wrong {
        if (at == tokens.size()) throw new Wrong("a model is missing at its end");
        if (take("(")) {
            if (++depth > MAX_DEPTH) throw new Wrong("too many parentheses in each other");
            Node node = any();
            if (!take(")")) throw new Wrong("a closing parenthesis is missing");
            depth--;
            return node;
        }
        String name = tokens.get(at++);
        if (name.length() == 1 && ")&|".contains(name)) {
            throw new Wrong("a model is missing before \"" + name + "\"");
        }
        if (name.startsWith("+")) {
            String set = name.substring(1);
            if (texts.containsKey(set)) return new Node.Ref(set);
            throw new Wrong("there is no set \"" + set + "\"" + Nearest.hint(set, texts.keySet()));
        }
        String id = id(name);
        if (id == null) unknown(place, "a set names", name);
        return new Node.Model(id == null ? name : id);
    }

    /** @param above the sets on the way here @param clean those that are known not to */
    private static boolean leadsBack(String set, Map<String, Node> sets, Set<String> above,
            Set<String> clean) {
        if (clean.contains(set)) return false;
        if (!above.add(set)) return true;
        boolean back = refs(sets.get(set)).stream()
            .anyMatch(ref -> leadsBack(ref, sets, above, clean));
        above.remove(set);
        if (!back) clean.add(set);
        return back;
    }

    private static Set<String> refs(Node node) {
        Set<String> refs = new HashSet<>();
        switch (node) {
            case Node.Model model -> { }
            case Node.Ref ref -> refs.add(ref.set());
            case Node.Any any -> any.nodes().forEach(each -> refs.addAll(refs(each)));
            case Node.All all -> all.nodes().forEach(each -> refs.addAll(refs(each)));
        }
        return refs;
    }
}
