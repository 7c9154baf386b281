package llmsnap.config;

import static java.util.Map.entry;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import java.util.regex.Pattern;
import llmsnap.config.Config.Address;
import llmsnap.config.Config.Reach;
import llmsnap.config.Schema.Kind;
import llmsnap.text.Json;
import llmsnap.text.Nearest;
import llmsnap.text.Place;
import llmsnap.text.YamlNode;
import llmsnap.text.YamlNode.Entry;
import llmsnap.text.YamlNode.Mapping;
import llmsnap.text.YamlNode.Scalar;
import llmsnap.text.YamlNode.Seq;

/**
 * A mapping that is being read. Each key that is asked for is known; {@link #close} warns of
 * others.
 */
final class Fields implements AutoCloseable {
    /** Keys of llama-swap that have no meaning here, and what to do instead. */
    private static final Map<String, String> ELSEWHERE = Map.ofEntries(
        entry("timeouts", "requestTimeout bounds the longest silence of a model's server,"
            + " healthCheckTimeout its start; peers and models have timeouts of their own"),
        entry("scheduler", "waiting requests are served by the priority of their key, then in the"
            + " order of their arrival, see swapGrace"),
        entry("logRequests", "every request is logged at level info"),
        entry("compat", "requests are passed on as they came"),
        entry("performance", "there is nothing to tune here"),
        entry("ui", "the UI needs no settings"),
        entry("store", "activity is kept in memory, see metricsMaxInMemory, and in files, see"
            + " history"));
    private static final Pattern NO_JSON =
        Pattern.compile("[-+]?\\.(inf|Inf|INF)|\\.(nan|NaN|NAN)");
    /** Keys for what the command line says. */
    private static final Set<String> FLAGS = Set.of("listen", "port", "host", "address");

    private final Mapping mapping;
    private final String path;
    private final Problems problems;
    private final Set<String> known = new LinkedHashSet<>();
    private final Schema schema;        // where what is asked for is noted

    /** @param path of this mapping in the file, with dots; "" at the top */
    Fields(Mapping mapping, String path, Problems problems, Schema schema) {
        this.mapping = mapping;
        this.path = path;
        this.problems = problems;
        this.schema = schema;
    }

    static String kind(YamlNode node) {
        return switch (node) {
            case Scalar scalar -> scalar.isNull() ? "empty" : "a single value";
            case Seq seq -> "a list";
            case Mapping inner -> "a mapping";
        };
    }

    Mapping mapping() {
        return mapping;
    }

    /** The same of another mapping. */
    Fields of(Mapping other) {
        return new Fields(other, path, problems, schema);
    }

    /** Where this mapping stands. */
    Place place() {
        return mapping.place();
    }

    /** Where the value of {@code key} stands; of one that is missing this mapping. */
    Place place(String key) {
        Entry entry = mapping.entries().get(key);
        return entry == null ? mapping.place() : entry.value().place();
    }

    /** An error at the value of {@code key}. */
    void error(String key, String message) {
        problems.error(place(key), message);
    }

    void warn(String key, String message) {
        problems.warn(place(key), message);
    }

    boolean has(String key) {
        return node(key) != null;
    }

    /**
     * The node of {@code key}, or null when it is missing or null.
     *
     * @param kinds what it may be; anything when there are none
     */
    YamlNode take(String key, Kind... kinds) {
        for (Kind each : kinds) schema.key(key).is(each);
        if (kinds.length == 0) schema.key(key).is(Kind.ANY);
        return node(key);
    }

    private YamlNode node(String key) {
        known.add(key);
        schema.key(key);
        Entry entry = mapping.entries().get(key);
        boolean none = entry == null || entry.value() instanceof Scalar scalar && scalar.isNull();
        return none ? null : entry.value();
    }

    private String name(String key) {
        return path.isEmpty() ? key : path + "." + key;
    }

    private void wrong(String key, String wanted, YamlNode node) {
        wrong(key, wanted, node, kind(node));
    }

    private void wrong(String key, String wanted, YamlNode node, String found) {
        problems.error(node.place(), name(key) + " has to be " + wanted + ", this is " + found);
    }

    private <T> T read(String key, T otherwise, String wanted, Function<Scalar, T> reading) {
        YamlNode node = node(key);
        if (node == null) return otherwise;
        T value = node instanceof Scalar scalar ? reading.apply(scalar) : null;
        if (value != null) return value;
        wrong(key, wanted, node,
            node instanceof Scalar scalar ? "\"" + scalar.text() + "\"" : kind(node));
        return otherwise;
    }

    String text(String key, String otherwise) {
        schema.key(key).is(Kind.SCALAR);
        return read(key, otherwise, "text", Scalar::text);
    }

    static final String ODD = "has a character in it that no header can have, like a blank";

    /** What a header can have: no blank, nothing beyond ASCII; "" where it is not given. */
    String header(String key) {
        String text = text(key, "");
        if (!text.matches("[!-~]*")) error(key, key + " " + ODD);
        return text;
    }

    /** The URL of a server. */
    Address address(String key, String otherwise) {
        try {
            return Address.parse(text(key, otherwise).strip());
        } catch (IllegalArgumentException e) {
            error(key, key + ": " + e.getMessage());
            return Address.parse("http://localhost:1");
        }
    }

    /** How a server is asked: {@code timeouts} and {@code upstreamPath}. */
    Reach reach(int refreshSeconds) {
        String path = has("upstreamPath") ? text("upstreamPath", "").strip() : null;
        if (path != null) path = path.replaceFirst("/+$", "");
        try (Fields timeouts = fields("timeouts")) {
            return new Reach(timeouts.positive("connect", Reach.CONNECT_SECONDS),
                timeouts.whole("responseHeader", 0, 0), path, refreshSeconds);
        }
    }

    /** The JSON of a mapping; {@code key} is for messages. */
    Json.Obj json(Mapping from, String key) {
        Map<String, Json> entries = new LinkedHashMap<>();
        for (Entry entry : from.entries().values()) {
            entries.put(entry.key().text(), json(entry.value(), key));
        }
        return new Json.Obj(entries);
    }

    private Json json(YamlNode node, String key) {
        return switch (node) {
            case Seq seq -> Json.of(seq.items().stream().map(item -> json(item, key)).toList());
            case Mapping inner -> json(inner, key);
            case Scalar scalar -> {
                if (scalar.plain() && NO_JSON.matcher(scalar.text()).matches()) {
                    problems.error(scalar.place(), key + ": JSON has no " + scalar.text());
                }
                yield scalar.value();
            }
        };
    }

    int whole(String key, int otherwise, int min) {
        schema.key(key).is(Kind.WHOLE);
        boolean any = min == Integer.MIN_VALUE;
        return read(key, otherwise, any ? "a whole number"
            : "a whole number from " + min, scalar -> {
            if (!(scalar.value() instanceof Json.Num number)) return null;
            double value = number.value();
            boolean fits = value == Math.rint(value) && value >= min && value <= Integer.MAX_VALUE;
            return fits ? (Integer) (int) value : null;
        });
    }

    /** Any whole number; one below {@code min} counts as {@code min}. */
    int atLeast(int min, String key, int otherwise) {
        return Math.max(min, whole(key, otherwise, Integer.MIN_VALUE));
    }

    /** A whole number from 0 on, where 0 stands for {@code otherwise}. */
    int positive(String key, int otherwise) {
        int value = whole(key, 0, 0);
        return value > 0 ? value : otherwise;
    }

    boolean flag(String key, boolean otherwise) {
        schema.key(key).is(Kind.FLAG);
        return read(key, otherwise, "true or false", scalar ->
            switch (scalar.text().toLowerCase(Locale.ROOT)) {
                case "y", "yes", "on" -> true;
                case "n", "no", "off" -> false;
                default -> scalar.value() == Json.TRUE ? Boolean.TRUE
                    : scalar.value() == Json.FALSE ? Boolean.FALSE : null;
            });
    }

    /** The scalars of a list; empty when it is missing. */
    List<Scalar> scalars(String key) {
        List<Scalar> scalars = new ArrayList<>();
        for (YamlNode item : items(key)) {
            if (!(item instanceof Scalar scalar)) wrong(key, "a list of texts", item);
            else scalars.add(scalar.isNull() ? new Scalar("", true, scalar.place()) : scalar);
        }
        return scalars;
    }

    List<String> texts(String key) {
        return scalars(key).stream().map(Scalar::text).toList();
    }

    /** The mappings of a list; empty when it is missing. */
    List<Fields> list(String key) {
        List<Fields> list = new ArrayList<>();
        for (YamlNode item : items(key)) {
            if (item instanceof Mapping each) list.add(item(key, each));
            else wrong(key, "a list of mappings", item);
        }
        return list;
    }

    /** The items of a list are mappings or single values. */
    YamlNode mixed(String key) {
        schema.key(key).items().is(Kind.SCALAR);
        return take(key, Kind.LIST);
    }

    /** One mapping of a list. */
    Fields item(String key, Mapping item) {
        return new Fields(item, name(key), problems, schema.key(key).items());
    }

    private List<YamlNode> items(String key) {
        schema.key(key).is(Kind.LIST);
        YamlNode node = node(key);
        if (node instanceof Seq seq) return seq.items();
        if (node != null) wrong(key, "a list", node);
        return List.of();
    }

    /** The mapping under {@code key}; an empty one when it is missing, or an error was reported. */
    Mapping mapping(String key) {
        schema.key(key).is(Kind.OBJECT);
        YamlNode node = node(key);
        if (node instanceof Mapping inner) return inner;
        if (node != null) wrong(key, "a mapping", node);
        return new Mapping(Map.of(), mapping.place());
    }

    Fields fields(String key) {
        return new Fields(mapping(key), name(key), problems, schema.key(key));
    }

    /** One mapping of those under a key, with the place of its name. */
    record Named(String name, Place place, Fields fields) {}

    /** The mappings under {@code key}; where nothing is given an empty one. */
    List<Named> each(String key, String kind, String example) {
        List<Named> all = new ArrayList<>();
        for (Entry entry : mapping(key).entries().values()) {
            String name = entry.key().text();
            Place place = entry.key().place();
            YamlNode value = entry.value();
            boolean none = value instanceof Scalar scalar && scalar.isNull();
            if (none) value = new Mapping(Map.of(), place);
            if (value instanceof Mapping inner) {
                all.add(new Named(name, place,
                    new Fields(inner, key + "." + name, problems, schema.key(key).each())));
            } else {
                problems.error(value.place(), "the " + kind + " \"" + name
                    + "\" has to be a mapping (" + example + ": ...), this is " + kind(value));
            }
        }
        return all;
    }

    /** Warns of every key that nobody asked for. */
    @Override public void close() {
        schema.close();
        for (Map.Entry<String, Entry> each : mapping.entries().entrySet()) {
            if (!known.contains(each.getKey())) warnUnknown(each.getKey(), each.getValue());
        }
    }

    private void warnUnknown(String key, Entry entry) {
        String why = ", ignored" + Nearest.hint(key, known);
        if (path.isEmpty() && FLAGS.contains(key)) why = ", ignored; it is the flag --listen";
        String elsewhere = ELSEWHERE.get(key);
        problems.warn(entry.key().place(), elsewhere == null ? "unknown key \"" + key + "\"" + why
            : "llama-swap's \"" + key + "\" is not supported here, ignored; " + elsewhere);
    }
}
