package llmsnap.config;

import static java.util.Objects.requireNonNullElse;
import static llmsnap.config.KeyReader.KEYS;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.UnaryOperator;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;
import llmsnap.config.Config.Address;
import llmsnap.config.Config.Groups;
import llmsnap.config.Config.Kept;
import llmsnap.config.Config.Logging;
import llmsnap.config.Config.Memory;
import llmsnap.config.Config.Model;
import llmsnap.config.Config.Peer;
import llmsnap.config.Config.Peers;
import llmsnap.config.Config.PromptCache;
import llmsnap.config.Config.Settings;
import llmsnap.config.ModelReader.Defaults;
import llmsnap.config.Problems.Problem;
import llmsnap.config.Schema.Kind;
import llmsnap.text.DeepStack;
import llmsnap.text.Json;
import llmsnap.text.Malformed;
import llmsnap.text.Nearest;
import llmsnap.text.Place;
import llmsnap.text.Yaml;
import llmsnap.text.YamlNode.Entry;
import llmsnap.text.YamlNode;
import llmsnap.text.YamlNode.Mapping;
import llmsnap.text.YamlNode.Scalar;

/** Makes a {@link Config} of the text of config.yaml, with all its problems at once. */
public final class ConfigReader {
    private static final int MAX_ROWS = 1000;
    private static final long PROMPTS_BYTES = 20L << 30;

    /** A file of the configuration. @param name "" for one that is alone */
    public record Text(String name, byte[] utf8) {}

    /** What came of reading: {@code config} is null when there are errors. */
    public record Result(Config config, List<Problem> errors, List<Problem> warnings) {}

    private final Problems problems = new Problems();
    private final Environment environment;
    private final Map<String, Integer> keptPorts;
    private final MemoryReader memory;
    private PromptCache prompts;
    private final Discovery discovery;
    private Map<String, Discovery.Found> found;
    private List<KeyReader.Given> keys;
    private final Map<String, ModelReader> readers = new LinkedHashMap<>();
    private final Map<String, Model> models = new LinkedHashMap<>();
    private final Map<String, String> names = new LinkedHashMap<>();
    private final Map<String, Peer> peers = new LinkedHashMap<>();

    /** What is asked for while it reads. */
    private Schema schema = new Schema();

    private ConfigReader(UnaryOperator<String> environment, Map<String, Integer> keptPorts,
            Machine machine) {
        this.discovery = new Discovery(machine, problems);
        this.memory = new MemoryReader(machine, problems);
        this.environment = new Environment(environment, problems, new TreeMap<>());
        this.keptPorts = keptPorts;
    }

    /**
     * Reads the texts of configuration files, which are put together in that order, see
     * {@link Merge}.
     *
     * @param environment the value of an environment variable, or null
     * @param keptPorts ports by model id to hand out again, so that a reload moves no model that
     *     stays; empty at start
     */
    public static Result read(List<Text> texts, UnaryOperator<String> environment,
            Map<String, Integer> keptPorts, Machine machine) {
        return DeepStack.call(
            () -> new ConfigReader(environment, keptPorts, machine).read(texts));
    }

    /** Notes what is asked for in a sample of a configuration. */
    static void note(byte[] sample, Schema schema) {
        var reader = new ConfigReader(name -> "", Map.of(), Machine.NONE);
        reader.schema = schema;
        reader.read(List.of(new Text("", sample)));
    }

    private Result read(List<Text> texts) {
        var whole = new Mapping(Map.of(), new Place("", 1, 1));
        for (Text each : texts) whole = new Merge(problems).of(whole, parsed(each));
        // One that cannot be read would be missed everywhere.
        Config config = null;
        if (problems.errors().isEmpty()) {
            config = top(new Fields(environment.in(whole), "", problems, schema));
        }
        List<Problem> errors = problems.errors();
        return new Result(errors.isEmpty() ? config : null, errors, problems.warnings());
    }

    private Mapping parsed(Text text) {
        var none = new Mapping(Map.of(), new Place(text.name, 1, 1));
        try {
            YamlNode root = Yaml.parse(text.utf8, text.name);
            if (root == null) return none;
            if (root instanceof Mapping mapping) return mapping;
            problems.error(root.place(),
                "the file has to be a mapping (models: ...), this is " + Fields.kind(root));
        } catch (Malformed e) {
            problems.error(e.place, e.getMessage());
        }
        return none;
    }

    private Config top(Fields file) {
        Map<String, Json> macros = Macros.read(file, problems);
        Macros global = Macros.of(macros, Map.of(), Map.of(), Macros.LATER);
        Mapping expanded = new MacroTree(global, problems, Set.of()).in(file.mapping());
        Fields top = file.of(MacroTree.known(expanded, 0, problems));
        top.has("macros");
        checkNames(file.mapping());
        found = discovery.read(top, text ->
            new Scalar(global.expand(text.text(), (name, why) ->
                problems.error(text.place(), "discover: " + why)), text.plain(), text.place()));
        keys = new KeyReader(problems).read(top);
        readPeers(top);
        Memory pools = memory.read(top);
        Set<String> secrets = readModels(top, macros);
        for (String id : models.keySet()) names.put(id, id);
        for (Model model : models.values()) {
            for (String alias : model.about().aliases()) name(alias, model.id());
            for (String key : model.filters().byName().keySet()) name(key, model.id());
        }
        Groups groups = new GroupReader(models.keySet(), problems).read(top);
        Config.Names all = new NamesReader(names, peers, problems).read(top);
        var config = new Config(models, all, pools, groups, peers(top),
            settings(top, secrets));
        new KeyReader(problems).check(keys, config);
        config.models().values().forEach(model -> checkSize(model, config));
        if (models.isEmpty()) {
            problems.warn(top.place(), "there are no models; add some under \"models:\"");
        }
        top.close();
        return config;
    }

    // ---- models and their names

    /** @return the variables that keys come from, which their commands are shown without */
    private Set<String> readModels(Fields top, Map<String, Json> macros) {
        Defaults defaults = Defaults.read(top);
        prompts = prompts(top);
        var given = new ModelReader.Given(macros, defaults, prompts);
        int startPort = top.whole("startPort", 5800, 1);
        for (Fields.Named each : top.each("models", "model", "cmd")) {
            if (each.name().isBlank()) problems.error(each.place(), "a model's id is empty");
            if (("/" + each.name() + "/").matches(".*/\\.\\.?/.*")) {
                problems.error(each.place(), "a model's id is part of addresses: it cannot have"
                    + " . or .. between slashes");
            }
            readers.put(each.name(), new ModelReader(each, given, memory, problems));
        }
        // One that is written has reasons for what it says.
        Set<String> written = new HashSet<>(top.mapping("selectors").entries().keySet());
        readers.values().forEach(each -> written.addAll(each.aliases()));
        found.forEach((id, each) -> {
            if (written.contains(id)) {
                problems.warn(each.named().place(), "discover: " + each.values().get("FILE")
                    + " is left out: " + id + " is the name of something else");
            } else {
                readers.computeIfAbsent(id, missing ->
                    new ModelReader(each, given, memory, problems));
            }
        });
        List<String> secretTexts = new ArrayList<>();
        for (KeyReader.Given each : keys) secretTexts.add(each.key().key());
        for (Peer peer : peers.values()) secretTexts.add(peer.apiKey());
        for (ModelReader each : readers.values()) secretTexts.add(each.apiKey());
        Set<String> secrets = environment.of(secretTexts);
        Map<String, Integer> ports = ports(startPort);
        for (String id : readers.keySet()) {
            models.put(id, readers.get(id).read(ports.getOrDefault(id, 0),
                text -> environment.hidden(text, secrets)));
        }
        return secrets;
    }

    /** Warns of a model that can never be loaded, by what it says itself. */
    private void checkSize(Model model, Config config) {
        Map<String, Long> declared = model.limits().needs().declared();
        // To ask who is pinned beside each of 10,000 takes seconds.
        String lack = declared.isEmpty() ? null : config.memory().lack(declared,
            config.pinnedBeside(model.id()));
        if (lack == null) return;
        problems.warn(readers.get(model.id()).place, "the model \"" + model.id() + "\" " + lack
            + ": it can never be loaded");
    }

    private Map<String, Integer> ports(int startPort) {
        Map<String, Integer> ports = new HashMap<>();
        // also removed models': they may run
        Set<Integer> taken = new HashSet<>(keptPorts.values());
        int next = startPort;
        for (String id : new TreeSet<>(readers.keySet())) {
            ModelReader reader = readers.get(id);
            if (!reader.usesPort()) continue;
            Integer port = keptPorts.get(id);
            if (port == null) {
                while (taken.contains(next)) next++;
                port = next++;
            }
            if (port > Address.MAX_PORT) {
                problems.error(reader.place, "no port is left for ${PORT}; startPort is too high");
            }
            ports.put(id, port);
        }
        return ports;
    }

    private void name(String alias, String id) {
        String before = names.putIfAbsent(alias, id);
        if (before == null || before.equals(id)) return;
        Place place = readers.get(id).place;
        if (models.containsKey(alias)) {
            problems.warn(place, "the alias \"" + alias + "\" of the model \"" + id
                + "\" is another model's id, which wins");
        } else {
            problems.error(place, "the alias \"" + alias + "\" belongs to both \"" + before
                + "\" and \"" + id + "\"");
        }
    }

    // ---- peers

    private void readPeers(Fields top) {
        for (Fields.Named each : top.each("peers", "peer", "proxy")) {
            String id = each.name();
            Fields fields = each.fields();
            if (!fields.has("proxy")) {
                problems.error(each.place(), "the peer \"" + id + "\" has no proxy URL");
            }
            Address proxy = fields.address("proxy", "http://localhost");
            boolean asked = !fields.has("models")
                || fields.take("models", Kind.SCALAR, Kind.LIST) instanceof Scalar scalar
                && scalar.text().equals("auto");
            int refresh = fields.whole("refresh", 60, 1);
            Set<String> provided = asked ? Set.of()
                : new LinkedHashSet<>(fields.texts("models"));
            if (!asked && provided.isEmpty()) {
                problems.error(each.place(), "the peer \"" + id + "\" lists no models");
            }
            peers.put(id, new Peer(id, proxy, provided, fields.header("apiKey"),
                FilterReader.read(fields, "", problems), fields.reach(asked ? refresh : 0)));
            fields.close();
        }
    }

    private Peers peers(Fields top) {
        Map<String, Peer> byModel = new LinkedHashMap<>();
        Set<String> several = new HashSet<>();
        for (Peer peer : peers.values()) {
            for (String name : peer.models()) {
                if (names.containsKey(name)) continue;
                Peer first = byModel.putIfAbsent(name, peer);
                if (first == null || first == peer) continue;
                several.add(name);
                problems.warn(top.place(), "the peers " + first.id() + " and " + peer.id()
                    + " both have a model \"" + name + "\"; requests have to say which: "
                    + first.id() + "/" + name);
            }
        }
        byModel.keySet().removeAll(several);
        return new Peers(peers, byModel);
    }

    // ---- the whole server

    private Config.Hooks hooks(Fields top) {
        try (Fields hooks = top.fields("hooks"); Fields startup = hooks.fields("on_startup");
            Fields idle = hooks.fields("on_idle")) {
            int after = idle.whole("after", 0, 1);
            List<String> load = ids(idle, "load");
            if (hooks.has("on_idle") && (after == 0 || load.isEmpty())) {
                hooks.error("on_idle",
                    "on_idle needs after, in seconds, and load, a list of models");
            }
            return new Config.Hooks(ids(startup, "preload"), load, after);
        }
    }

    private Config.History history(Fields top) {
        try (Fields history = top.fields("history")) {
            String dir = folder(history, "");
            if (top.has("history") && dir.isEmpty()) {
                top.error("history", "history needs dir, the folder for its files");
            }
            return new Config.History(dir, history.whole("keepDays", 30, 1));
        }
    }

    private Settings settings(Fields top, Set<String> secrets) {
        var logging = new Logging(
            choice(top, "logLevel", Config.Level.INFO),
            timeFormat(top),
            choice(top, "logToStdout", Config.Stdout.PROXY));
        List<String> hosts = new ArrayList<>();
        for (String host : top.texts("allowedHosts")) hosts.add(host.toLowerCase(Locale.ROOT));
        Config.Entry entry;
        try (Fields upstream = top.fields("upstream")) {
            boolean trusted = upstream.flag("trusted", false);
            entry = new Config.Entry(keys.stream().map(KeyReader.Given::key).toList(),
                List.copyOf(hosts), secrets, trusted, looks(upstream));
        }
        int rows = top.whole("metricsMaxInMemory", MAX_ROWS, Integer.MIN_VALUE);
        var kept = new Kept(rows > 0 ? rows : MAX_ROWS, top.atLeast(0, "captureBuffer", 5),
            prompts, history(top));
        return new Settings(hooks(top), entry, top.whole("swapGrace", 2, 0), logging, kept,
            new Config.Lists(top.flag("includeAliasesInList", false),
            top.flag("includeBareNames", true), discovery.folders()));
    }

    private List<Pattern> looks(Fields upstream) {
        if (!upstream.has("ignorePaths")) return null;
        List<Pattern> looks = new ArrayList<>();
        for (Scalar each : upstream.scalars("ignorePaths")) {
            try {
                looks.add(Pattern.compile(each.text()));
            } catch (PatternSyntaxException e) {
                problems.error(each.place(), "ignorePaths: \"" + each.text()
                    + "\" is no regular expression: " + e.getDescription());
            }
        }
        return List.copyOf(looks);
    }

    private PromptCache prompts(Fields top) {
        String caches = environment.variables().apply("XDG_CACHE_HOME");
        try (Fields given = top.fields("promptCache")) {
            return new PromptCache(
                folder(given, requireNonNullElse(caches, "~/.cache") + "/llmsnap/prompts"),
                memory.size(given, "limit", PROMPTS_BYTES),
                given.whole("minTokens", 256, 0), given.atLeast(1, "timeout", 30));
        }
    }

    /** The folder that {@code dir} names, where ~/ stands for the home folder. */
    private String folder(Fields fields, String otherwise) {
        String home = requireNonNullElse(environment.variables().apply("HOME"), "/tmp");
        String dir = fields.text("dir", otherwise).strip();
        String whole = dir.startsWith("~/") ? home + dir.substring(1) : dir;
        problems.checkFile(whole, fields.place("dir"));
        return whole.replaceFirst("/+$", "");
    }

    /** The ids of the models that a list names. */
    private List<String> ids(Fields fields, String key) {
        List<String> ids = new ArrayList<>();
        for (Scalar scalar : fields.scalars(key)) {
            String name = scalar.text().strip();
            String id = names.get(name);
            if (id != null && !ids.contains(id)) ids.add(id);
            if (name.isEmpty() || id != null) continue;
            problems.warn(scalar.place(), key + ": there is no model \"" + name + "\""
                + Nearest.hint(name, names.keySet()));
        }
        return List.copyOf(ids);
    }

    /** A misspelt key that opens the server is no mere warning. */
    private void checkNames(Mapping file) {
        for (Entry entry : file.entries().values()) {
            String key = entry.key().text();
            boolean meant = !key.equals(KEYS) && Nearest.of(key, List.of(KEYS)) != null;
            if (!meant) continue;
            problems.error(entry.key().place(),
                "the key \"" + key + "\" protects nothing; did you mean \"" + KEYS + "\"?");
        }
    }

    private String timeFormat(Fields top) {
        String format = top.text("logTimeFormat", "").toLowerCase(Locale.ROOT);
        if (format.isEmpty() || TimeFormat.names().contains(format)) return format;
        top.warn("logTimeFormat", "unknown logTimeFormat \"" + format
            + "\", no time is logged; known are " + String.join(" ", TimeFormat.names()));
        return "";
    }

    private static <E extends Enum<E>> E choice(Fields fields, String key, E otherwise) {
        String text = fields.text(key, otherwise.name()).strip();
        List<E> values = Arrays.asList(otherwise.getDeclaringClass().getEnumConstants());
        for (E value : values) if (value.name().equalsIgnoreCase(text)) return value;
        List<String> known = values.stream().map(ConfigReader::lower).toList();
        fields.warn(key, "unknown " + key + " \"" + text + "\", " + lower(otherwise)
            + " is used; known are " + String.join(", ", known));
        return otherwise;
    }

    private static String lower(Enum<?> value) {
        return value.name().toLowerCase(Locale.ROOT);
    }
}
