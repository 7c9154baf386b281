package llmsnap.config;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.function.UnaryOperator;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import llmsnap.config.Config.Address;
import llmsnap.config.Config.Call;
import llmsnap.config.Config.Filters;
import llmsnap.config.Config.Group;
import llmsnap.config.Config.Logging;
import llmsnap.config.Config.Model;
import llmsnap.config.Config.Peer;
import llmsnap.config.Config.Sleep;
import llmsnap.config.Problems.Problem;
import llmsnap.text.DeepStack;
import llmsnap.text.Json;
import llmsnap.text.JsonEdit;
import llmsnap.text.JsonEdit.Edit;
import llmsnap.text.Words;
import llmsnap.text.Yaml;
import llmsnap.text.Yaml.Mapping;
import llmsnap.text.Yaml.Node;
import llmsnap.text.Yaml.Place;
import llmsnap.text.Yaml.Scalar;
import llmsnap.text.Yaml.Seq;

/** Makes a {@link Config} of the text of config.yaml, with all its problems at once, each at its place. */
public final class ConfigReader {
    private static final Pattern ENV = Pattern.compile("\\$\\{env\\.([^}]*)}");
    private static final Set<String> COMMANDS = Set.of("cmd", "cmdStop");
    private static final Set<String> TIME_FORMATS = Set.of("", "ansic", "unixdate", "rubydate", "rfc822", "rfc822z", "rfc850",
        "rfc1123", "rfc1123z", "rfc3339", "rfc3339nano", "kitchen", "stamp", "stampmilli", "stampmicro", "stampnano");
    /** Keys of llama-swap that have no meaning here, and what to do instead. */
    private static final Map<String, String> ELSEWHERE = Map.of(
        "timeouts", "use requestTimeout and healthCheckTimeout instead",
        "matrix", "use groups to say which models may be loaded together",
        "use", "groups are always used", "scheduler", "waiting requests are served in the order of their arrival, see swapGrace",
        "selectors", "use aliases or setParamsByID", "capabilities", "put them under metadata to see them in /v1/models",
        "compat", "requests are passed on as they came", "performance", "there is nothing to tune here", "ui", "the UI needs no settings",
        "store", "activity is kept in memory, see metricsMaxInMemory");

    /** What came of reading: {@code config} is null when there are errors. */
    public record Result(Config config, List<Problem> errors, List<Problem> warnings) {}

    private final Problems problems = new Problems();
    private final UnaryOperator<String> environment;
    private final Map<String, Integer> keptPorts;
    private final Map<String, Place> modelPlaces = new LinkedHashMap<>();
    private Map<String, Json> globalMacros = Map.of();

    private ConfigReader(UnaryOperator<String> environment, Map<String, Integer> keptPorts) {
        this.environment = environment;
        this.keptPorts = keptPorts;
    }

    /**
     * Reads the bytes of a configuration file.
     *
     * @param environment the value of an environment variable, or null
     * @param keptPorts ports by model id to hand out again, so that a reload moves no model that stays; empty at start
     */
    public static Result read(byte[] utf8, UnaryOperator<String> environment, Map<String, Integer> keptPorts) {
        try {
            return DeepStack.call(() -> new ConfigReader(environment, keptPorts).read(utf8));
        } catch (RuntimeException e) {
            throw e;
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    private Result read(byte[] utf8) {
        Config config = null;
        try {
            Node root = Yaml.parse(utf8);
            if (root == null) {
                config = top(new Mapping(Map.of(), new Place(1, 1)));
            } else if (root instanceof Mapping mapping) {
                config = top((Mapping) withEnvironment(mapping));
            } else {
                problems.error(root.place(), "the file has to be a mapping (models: ...), this is " + kind(root));
            }
        } catch (Yaml.Malformed e) {
            problems.error(e.place, e.getMessage());
        }
        return new Result(problems.hasErrors() ? null : config, problems.errors(), problems.warnings());
    }

    // ---- the environment: data, put into scalars after the structure of the file is known

    private Node withEnvironment(Node node) {
        return switch (node) {
            case Scalar scalar -> withEnvironment(scalar);
            case Seq seq -> new Seq(seq.items().stream().map(this::withEnvironment).toList(), seq.place());
            case Mapping mapping -> {
                Map<String, Yaml.Entry> entries = new LinkedHashMap<>();
                mapping.entries().values().forEach(entry -> {
                    Scalar key = withEnvironment(entry.key());
                    // What a comment in a command mentions need not be set.
                    Node value = COMMANDS.contains(key.text()) && entry.value() instanceof Scalar command
                        ? new Scalar(Words.withoutComments(command.text()), command.plain(), command.place()) : entry.value();
                    if (entries.put(key.text(), new Yaml.Entry(key, withEnvironment(value))) != null) {
                        problems.error(key.place(), "the key \"" + key.text() + "\" is there twice");
                    }
                });
                yield new Mapping(entries, mapping.place());
            }
        };
    }

    private Scalar withEnvironment(Scalar scalar) {
        if (!scalar.text().contains("${env.")) return scalar;
        Matcher matcher = ENV.matcher(scalar.text());
        String text = matcher.replaceAll(match -> {
            String name = match.group(1);
            String value = environment.apply(name);
            if (value == null) {
                problems.error(scalar.place(), "the environment variable " + name + " is not set");
            } else if (value.chars().anyMatch(c -> c == '\n' || c == '\r' || c == 0)) {
                problems.error(scalar.place(), "the environment variable " + name + " has a line break or NUL in it");
            }
            return Matcher.quoteReplacement(value == null ? "" : value);
        });
        return new Scalar(text, scalar.plain(), scalar.place());
    }

    // ---- top level

    private Config top(Mapping root) {
        Fields top = new Fields(root, "");
        globalMacros = macros(top);
        int healthCheck = Math.max(15, top.whole("healthCheckTimeout", 120, Integer.MIN_VALUE));
        Defaults defaults = new Defaults(healthCheck, top.whole("globalTTL", 0, 0), Math.max(1, top.whole("unloadTimeout", 10, 0)),
            Math.max(1, top.whole("sleepRequestTimeout", 10, Integer.MIN_VALUE)), Math.max(1, top.whole("wakeRequestTimeout", 10, Integer.MIN_VALUE)),
            top.flag("sendLoadingState", false));
        int startPort = top.whole("startPort", 5800, 1);
        Map<String, Model> models = models(top, startPort, defaults);
        Names names = new Names(models);
        GroupsRead groups = groups(top, models);
        Map<String, Peer> peers = peers(top);
        Map<String, Peer> peerOf = new LinkedHashMap<>();
        for (Peer peer : peers.values()) {
            for (String name : peer.models()) {
                if (names.byName.containsKey(name)) continue;
                Peer first = peerOf.putIfAbsent(name, peer);
                if (first != null && first != peer) {
                    problems.warn(root.place(), "the peers " + first.id() + " and " + peer.id() + " both have a model \"" + name
                        + "\"; it goes to " + first.id());
                }
            }
        }
        Fields hooks = top.fields("hooks");
        Fields startup = hooks.fields("on_startup");
        List<String> preload = preload(startup, names.byName);
        startup.done();
        hooks.done();
        Config config = new Config(models, groups.groups, groups.groupOf, names.byName, peers, peerOf, preload, apiKeys(top),
            top.whole("swapGrace", 2, 0), logging(top), positiveOr(top.whole("metricsMaxInMemory", 1000, Integer.MIN_VALUE), 1000),
            Math.max(0, top.whole("captureBuffer", 5, Integer.MIN_VALUE)), top.flag("includeAliasesInList", false));
        for (String old : List.of("logRequests", "profiles")) {
            Node node = top.take(old);
            if (node != null) problems.warn(top.keyPlace(old), "\"" + old + "\" is deprecated and ignored"
                + (old.equals("profiles") ? "; use groups" : "; every request is logged at level info"));
        }
        if (models.isEmpty()) problems.warn(root.place(), "there are no models; add some under \"models:\"");
        top.done();
        return config;
    }

    private static int positiveOr(int value, int otherwise) {
        return value > 0 ? value : otherwise;
    }

    private Logging logging(Fields top) {
        return new Logging(
            choice(top, "logLevel", Config.Level.INFO, Config.Level.values()),
            timeFormat(top),
            choice(top, "logToStdout", Config.Stdout.PROXY, Config.Stdout.values()));
    }

    private String timeFormat(Fields top) {
        String format = top.text("logTimeFormat", "").toLowerCase(Locale.ROOT);
        if (TIME_FORMATS.contains(format)) return format;
        problems.warn(top.place("logTimeFormat"), "unknown logTimeFormat \"" + format + "\", no time is logged; known are "
            + String.join(" ", new TreeSet<>(TIME_FORMATS)).strip());
        return "";
    }

    private <E extends Enum<E>> E choice(Fields fields, String key, E otherwise, E[] values) {
        String text = fields.text(key, otherwise.name()).strip();
        for (E value : values) if (value.name().equalsIgnoreCase(text)) return value;
        problems.warn(fields.place(key), "unknown " + key + " \"" + text + "\", " + lower(otherwise) + " is used; known are "
            + String.join(", ", Arrays.stream(values).map(ConfigReader::lower).toList()));
        return otherwise;
    }

    private static String lower(Enum<?> value) {
        return value.name().toLowerCase(Locale.ROOT);
    }

    private List<String> apiKeys(Fields top) {
        List<String> keys = new ArrayList<>();
        for (Scalar key : top.scalars("apiKeys")) {
            if (key.text().isEmpty()) problems.error(key.place(), "an API key is empty");
            else if (key.text().chars().anyMatch(c -> c <= ' ' || c == 0x7f)) problems.error(key.place(), "an API key has a space or control character in it");
            else keys.add(key.text());
        }
        return List.copyOf(keys);
    }

    private List<String> preload(Fields startup, Map<String, String> names) {
        List<String> ids = new ArrayList<>();
        for (Scalar scalar : startup.scalars("preload")) {
            String name = scalar.text().strip();
            if (name.isEmpty()) continue;
            String id = names.get(name);
            if (id == null) problems.warn(scalar.place(), "preload: there is no model \"" + name + "\"" + didYouMean(name, names.keySet()));
            else if (!ids.contains(id)) ids.add(id);
        }
        return List.copyOf(ids);
    }

    private static String didYouMean(String word, Iterable<String> known) {
        String nearest = Words.nearest(word, known);
        return nearest == null ? "" : "; did you mean \"" + nearest + "\"?";
    }

    // ---- macros

    private Map<String, Json> macros(Fields fields) {
        Map<String, Json> macros = new LinkedHashMap<>();
        if (!(fields.takeMapping("macros") instanceof Mapping mapping)) return macros;
        mapping.entries().forEach((name, entry) -> {
            Place place = entry.key().place();
            if (!Macros.NAME.matcher(name).matches() || name.length() >= 64) {
                problems.error(place, "the macro name \"" + name + "\" is not made of letters, digits, _ and -, at most 63");
            } else if (Macros.RESERVED.contains(name)) {
                problems.error(place, "the macro name " + name + " is reserved");
            } else if (!(entry.value() instanceof Scalar scalar) || scalar.value() == Json.NULL) {
                problems.error(entry.value().place(), "the macro " + name + " has to be text, a number or a bool");
            } else {
                Json value = scalar.value();
                if (value instanceof Json.Str text && text.text().length() >= 1024) {
                    problems.error(scalar.place(), "the macro " + name + " is longer than 1023 characters");
                } else if (value instanceof Json.Str text && text.text().contains("${" + name + "}")) {
                    problems.error(scalar.place(), "the macro " + name + " contains itself");
                } else {
                    macros.put(name, value);
                }
            }
        });
        return macros;
    }

    /** Replaces the macros of one model (or of the whole file) and reports what cannot be replaced. */
    private final class Expander {
        private final Macros macros;
        private String port;       // null while ${PORT} is not known

        Expander(Macros macros) {
            this.macros = macros;
        }

        /** @param lenient an unknown macro is only a warning */
        String text(String text, Place place, String key, boolean lenient) {
            String expanded = macros.expand(text, unknown -> unknownMacro(unknown.getMessage(), place, key, lenient));
            if (expanded.contains("${PORT}")) {
                if (port == null) problems.error(place, key + ": ${PORT} can be used only by a model whose cmd uses it");
                expanded = expanded.replace("${PORT}", port == null ? "1" : port);
            }
            if (expanded.contains("${PID}") && !key.equals("cmdStop")) problems.error(place, key + ": ${PID} is known only in cmdStop");
            return expanded;
        }

        private void unknownMacro(String message, Place place, String key, boolean lenient) {
            if (!lenient) {
                problems.error(place, key + ": " + message);
            } else {
                List<String> names = Macros.uses(message);
                problems.warn(place, key + ": " + message + ", it stays as it is"
                    + (names.isEmpty() ? "" : "; did you mean ${env." + names.getFirst() + "}?"));
            }
        }

        Json json(Node node, String key, boolean lenient) {
            return switch (node) {
                case Scalar scalar -> json(scalar, key, lenient);
                case Seq seq -> new Json.Arr(seq.items().stream().map(item -> json(item, key, lenient)).toList());
                case Mapping mapping -> {
                    Map<String, Json> entries = new LinkedHashMap<>();
                    mapping.entries().forEach((name, entry) ->
                        entries.put(text(name, entry.key().place(), key, lenient), json(entry.value(), key, lenient)));
                    yield new Json.Obj(entries);
                }
            };
        }

        private Json json(Scalar scalar, String key, boolean lenient) {
            String text = scalar.text();
            if (text.equals("${PORT}") && port != null) return new Json.Num(port);
            Json exactly = macros.exactly(text);
            if (exactly != null) return exactly;
            if (text.contains("${")) return new Json.Str(text(text, scalar.place(), key, lenient));
            if (scalar.plain() && text.matches("[-+]?\\.(inf|Inf|INF)|\\.(nan|NaN|NAN)")) {
                problems.error(scalar.place(), key + ": JSON has no " + text);
            }
            return scalar.value();
        }
    }

    // ---- models

    private record Defaults(int healthCheckTimeout, int ttl, int unloadTimeout, int sleepTimeout, int wakeTimeout, boolean sendLoadingState) {}

    private Map<String, Model> models(Fields top, int startPort, Defaults defaults) {
        Map<String, Model> models = new LinkedHashMap<>();
        if (!(top.takeMapping("models") instanceof Mapping mapping)) return models;
        Map<String, ModelReader> readers = new LinkedHashMap<>();
        mapping.entries().forEach((id, entry) -> {
            if (id.isBlank()) problems.error(entry.key().place(), "a model's id is empty");
            Node value = entry.value();
            boolean missing = value instanceof Scalar scalar && scalar.value() == Json.NULL;
            if (missing) value = new Mapping(Map.of(), entry.key().place());
            if (value instanceof Mapping fields) readers.put(id, new ModelReader(id, entry.key().place(), fields, defaults));
            else problems.error(value.place(), "the model \"" + id + "\" has to be a mapping (cmd: ...), this is " + kind(value));
        });
        handOutPorts(readers, startPort);
        readers.forEach((id, reader) -> models.put(id, reader.read()));
        return models;
    }

    private void handOutPorts(Map<String, ModelReader> readers, int startPort) {
        Set<Integer> taken = new HashSet<>(keptPorts.values());      // those of removed models too: they may still run
        int next = startPort;
        for (String id : new TreeSet<>(readers.keySet())) {
            ModelReader reader = readers.get(id);
            if (!reader.usesPort()) continue;
            Integer port = keptPorts.get(id);
            if (port == null) {
                while (taken.contains(next)) next++;
                port = next++;
            }
            if (port > 65535) problems.error(reader.place, "no port is left for ${PORT}; startPort is too high");
            reader.expander.port = port.toString();
        }
    }

    private final class ModelReader {
        private final String id;
        private final Place place;
        private final Fields fields;
        private final Defaults defaults;
        private final Expander expander;
        private final List<String> rawCmd;      // one text to split, or words when cmd is a list

        ModelReader(String id, Place place, Mapping mapping, Defaults defaults) {
            this.id = id;
            this.place = place;
            modelPlaces.put(id, place);
            this.fields = new Fields(mapping, "models." + id);
            this.defaults = defaults;
            this.expander = new Expander(Macros.of(globalMacros, macros(fields), id));
            Node cmd = fields.take("cmd");
            this.rawCmd = cmd instanceof Seq ? fields.texts("cmd")
                : List.of(Words.withoutComments(cmd == null ? "" : fields.text("cmd", "")));
        }

        boolean usesPort() {
            return rawCmd.stream().anyMatch(text -> expander.macros.expand(text, unknown -> { }).contains("${PORT}"));
        }

        private String text(String key, String otherwise, boolean lenient) {
            return fields.has(key) ? expander.text(fields.text(key, otherwise), fields.place(key), key, lenient) : otherwise;
        }

        Model read() {
            boolean words = fields.take("cmd") instanceof Seq;
            List<String> cmd = words ? rawCmd.stream().map(word -> expander.text(word, fields.place("cmd"), "cmd", false)).toList()
                : command("cmd", rawCmd.getFirst());
            boolean empty = cmd.isEmpty() || cmd.getFirst().isEmpty();
            if (empty) problems.error(fields.has("cmd") ? fields.place("cmd") : place, "the model \"" + id + "\" has no cmd; say which command starts it");
            List<String> cmdStop = fields.take("cmdStop") instanceof Seq
                ? fields.texts("cmdStop").stream().map(word -> expander.text(word, fields.place("cmdStop"), "cmdStop", false)).toList()
                : command("cmdStop", Words.withoutComments(fields.text("cmdStop", "")));
            Address proxy = proxy();
            String check = text("checkEndpoint", "/health", false).strip();
            int ttl = fields.whole("ttl", -1, -1);
            Sleep sleep = sleep();
            String useModelName = text("useModelName", "", true).strip();
            Filters filters = filters(fields, expander, useModelName, true);
            List<String> aliases = fields.scalars("aliases").stream().map(alias -> alias.text().strip()).filter(alias -> !alias.isEmpty()).toList();
            Node metadata = fields.takeMapping("metadata");
            Model model = new Model(id, cmd, cmdStop, proxy, expander.port == null ? 0 : Integer.parseInt(expander.port),
                check.equals("none") ? null : path(check, fields.place("checkEndpoint"), "checkEndpoint"), aliases, env(),
                ttl < 0 ? defaults.ttl : ttl, defaults.healthCheckTimeout,
                positiveOr(fields.whole("unloadTimeout", 0, 0), defaults.unloadTimeout), fields.whole("requestTimeout", 0, 0),
                fields.flag("unlisted", false), text("name", "", true).strip(), text("description", "", true).strip(),
                metadata == null ? Json.EMPTY : (Json.Obj) expander.json(metadata, "metadata", false), filters,
                positiveOr(fields.whole("concurrencyLimit", 0, 0), 100), fields.flag("sendLoadingState", defaults.sendLoadingState), sleep);
            fields.done();
            return model;
        }

        private List<String> command(String key, String text) {
            String expanded = expander.text(text, fields.place(key), key, false);
            try {
                return List.copyOf(Words.split(expanded));
            } catch (IllegalArgumentException e) {
                problems.error(fields.place(key), key + ": " + e.getMessage());
                return List.of("?");
            }
        }

        private Address proxy() {
            Place at = fields.has("proxy") ? fields.place("proxy") : place;
            if (expander.port == null && !fields.has("proxy")) {
                problems.error(at, "the model \"" + id + "\" needs a proxy URL, or a cmd that uses ${PORT}");
                return new Address("http", "localhost", 1, "");
            }
            String url = text("proxy", "http://localhost:" + expander.port, false).strip();
            return address(url, at, "proxy");
        }

        private List<String> env() {
            List<String> env = new ArrayList<>();
            List<Scalar> given = fields.take("env") instanceof Scalar one && one.value() != Json.NULL ? List.of(one) : fields.scalars("env");
            for (Scalar scalar : given) {
                String entry = expander.text(scalar.text(), scalar.place(), "env", true);
                if (entry.indexOf('=') < 1) problems.error(scalar.place(), "env: \"" + entry + "\" is not of the form NAME=value");
                else if (entry.indexOf('\0') >= 0) problems.error(scalar.place(), "env: a NUL character");
                else env.add(entry);
            }
            return List.copyOf(env);
        }

        private Sleep sleep() {
            String mode = fields.text("sleepMode", "").strip();
            List<Call> asleep = calls("sleepEndpoints", defaults.sleepTimeout);
            List<Call> awake = calls("wakeEndpoints", defaults.wakeTimeout);
            if (mode.equals("enable")) {
                if (asleep.isEmpty() || awake.isEmpty()) {
                    problems.error(fields.place("sleepMode"), "sleepMode: enable needs both sleepEndpoints and wakeEndpoints");
                }
                return new Sleep(asleep, awake);
            }
            if (!mode.isEmpty() && !mode.equals("disable")) {
                problems.error(fields.place("sleepMode"), "sleepMode is \"" + mode + "\"; it can be enable or disable");
            }
            return null;
        }

        private List<Call> calls(String key, int timeout) {
            List<Call> calls = new ArrayList<>();
            for (Mapping mapping : fields.mappings(key)) {
                Fields call = new Fields(mapping, "models." + id + "." + key);
                String path = call.text("endpoint", "").strip();
                if (path.isEmpty()) problems.error(mapping.place(), key + ": endpoint, the path to call, is missing");
                String method = call.text("method", "POST").strip().toUpperCase(Locale.ROOT);
                if (!Set.of("GET", "POST", "PUT", "PATCH").contains(method)) {
                    problems.error(call.place("method"), key + ": the method is \"" + method + "\"; it can be GET, POST, PUT or PATCH");
                }
                path = expander.text(path, mapping.place(), key, false);
                String body = expander.text(call.text("body", ""), mapping.place(), key, false);
                calls.add(new Call(method, path(path, mapping.place(), key), body, positiveOr(call.whole("timeout", 0, 0), timeout)));
                call.done();
            }
            return List.copyOf(calls);
        }
    }

    /** A path to call, with a slash at its start. */
    private String path(String text, Place place, String key) {
        String path = text.startsWith("/") ? text : "/" + text;
        try {
            java.net.URI.create("http://localhost" + path);
        } catch (IllegalArgumentException e) {
            problems.error(place, key + ": \"" + text + "\" is no path of a URL; blanks and other odd characters are written like %20");
        }
        return path;
    }

    private Address address(String url, Place place, String key) {
        try {
            return Address.parse(url);
        } catch (IllegalArgumentException e) {
            problems.error(place, key + ": " + e.getMessage());
            return new Address("http", "localhost", 1, "");
        }
    }

    // ---- filters

    private Filters filters(Fields owner, Expander expander, String useModelName, boolean lenient) {
        Fields fields = owner.fields("filters");
        Map<String, Edit> edits = useModelName.isEmpty() ? Map.of() : Map.of("model", new Edit.Set(new Json.Str(useModelName)));
        for (String key : List.of("strip_params", "stripParams")) {
            String list = expander.text(fields.text(key, ""), fields.place(key), key, false);
            for (String name : list.split(",")) {
                List<String> path = path(name.strip());
                if (!path.isEmpty() && !path.getFirst().equals("model")) edits = JsonEdit.plus(edits, path, new Edit.Remove());
            }
        }
        if (fields.takeMapping("setParams") instanceof Mapping mapping) {
            edits = plusAll(edits, (Json.Obj) expander.json(mapping, "setParams", lenient));
        }
        Map<String, Map<String, Edit>> byName = new LinkedHashMap<>();
        if (fields.takeMapping("setParamsByID") instanceof Mapping mapping) {
            for (Yaml.Entry entry : mapping.entries().values()) {
                String name = expander.text(entry.key().text(), entry.key().place(), "setParamsByID", lenient);
                if (entry.value() instanceof Mapping params) {
                    byName.put(name, plusAll(edits, (Json.Obj) expander.json(params, "setParamsByID", lenient)));
                } else {
                    problems.error(entry.value().place(), "setParamsByID: \"" + name + "\" needs a mapping of parameters");
                }
            }
        }
        fields.done();
        return edits.isEmpty() && byName.isEmpty() ? Filters.NONE : new Filters(edits, byName);
    }

    private static Map<String, Edit> plusAll(Map<String, Edit> edits, Json.Obj params) {
        for (var entry : params.entries().entrySet()) {
            List<String> path = path(entry.getKey());
            if (!path.isEmpty() && !path.getFirst().equals("model")) edits = JsonEdit.plus(edits, path, new Edit.Set(entry.getValue()));
        }
        return edits;
    }

    /** Splits at dots; {@code \.} is a dot. */
    private static List<String> path(String text) {
        if (text.isEmpty()) return List.of();
        List<String> path = new ArrayList<>();
        for (String part : text.split("(?<!\\\\)\\.")) path.add(part.replace("\\.", "."));
        return path;
    }

    // ---- names, groups, peers

    /** Every name a request may use, and its model's id. */
    private final class Names {
        private final Map<String, String> byName = new LinkedHashMap<>();

        Names(Map<String, Model> models) {
            models.keySet().forEach(id -> byName.put(id, id));
            models.values().forEach(model -> {
                model.aliases().forEach(alias -> add(alias, model, models));
                model.filters().byName().keySet().forEach(name -> add(name, model, models));
            });
        }

        private void add(String alias, Model model, Map<String, Model> models) {
            String before = byName.putIfAbsent(alias, model.id());
            if (before == null || before.equals(model.id())) return;
            Place place = modelPlaces.get(model.id());
            if (models.containsKey(alias)) {
                problems.warn(place, "the alias \"" + alias + "\" of the model \"" + model.id() + "\" is another model's id, which wins");
            } else {
                problems.error(place, "the alias \"" + alias + "\" belongs to both \"" + before + "\" and \"" + model.id() + "\"");
            }
        }
    }

    private record GroupsRead(Map<String, Group> groups, Map<String, String> groupOf) {}

    private GroupsRead groups(Fields top, Map<String, Model> models) {
        Fields routing = top.fields("routing");
        Fields router = routing.fields("router");
        Fields settings = router.fields("settings");
        Node there = settings.takeMapping("groups");
        Node here = top.takeMapping("groups");
        if (there != null && here != null) {
            problems.error(there.place(), "groups are given twice, as groups and as routing.router.settings.groups");
        }
        Map<String, Group> groups = new LinkedHashMap<>();
        Map<String, String> groupOf = new LinkedHashMap<>();
        if ((here != null ? here : there) instanceof Mapping mapping) {
            mapping.entries().forEach((name, entry) -> {
                boolean missing = entry.value() instanceof Scalar scalar && scalar.value() == Json.NULL;
                if (missing) groups.put(name, group(name, entry.key().place(), new Mapping(Map.of(), entry.key().place()), models, groupOf));
                else if (entry.value() instanceof Mapping fields) groups.put(name, group(name, entry.key().place(), fields, models, groupOf));
                else problems.error(entry.value().place(), "the group \"" + name + "\" has to be a mapping (members: ...)");
            });
        }
        settings.done();
        router.done();
        routing.done();
        List<String> rest = models.keySet().stream().filter(id -> !groupOf.containsKey(id)).toList();
        if (!rest.isEmpty()) groups.put(Config.DEFAULT_GROUP, new Group(Config.DEFAULT_GROUP, true, true, false, rest));
        rest.forEach(id -> groupOf.put(id, Config.DEFAULT_GROUP));
        return new GroupsRead(groups, groupOf);
    }

    private Group group(String name, Place place, Mapping mapping, Map<String, Model> models, Map<String, String> groupOf) {
        Fields fields = new Fields(mapping, "groups." + name);
        if (name.equals(Config.DEFAULT_GROUP)) problems.error(place, "the group name (default) is taken by the models in no group");
        List<String> members = new ArrayList<>();
        for (Scalar scalar : fields.scalars("members")) {
            String id = scalar.text();
            if (!models.containsKey(id)) {
                problems.warn(scalar.place(), "the group \"" + name + "\" has a member \"" + id + "\" that is no model"
                    + didYouMean(id, models.keySet()));
                continue;
            }
            String before = groupOf.putIfAbsent(id, name);
            if (before == null) members.add(id);
            else problems.error(scalar.place(), "the model \"" + id + "\" is listed twice, in the groups \"" + before + "\" and \"" + name + "\"");
        }
        if (!fields.has("members") || fields.scalars("members").isEmpty()) problems.warn(place, "the group \"" + name + "\" has no members");
        Group group = new Group(name, fields.flag("swap", true), fields.flag("exclusive", true), fields.flag("persistent", false), List.copyOf(members));
        fields.done();
        return group;
    }

    private Map<String, Peer> peers(Fields top) {
        Map<String, Peer> peers = new LinkedHashMap<>();
        if (!(top.takeMapping("peers") instanceof Mapping mapping)) return peers;
        Expander expander = new Expander(Macros.of(globalMacros, Map.of(), null));
        mapping.entries().forEach((id, entry) -> {
            if (!(entry.value() instanceof Mapping fieldsOf)) {
                problems.error(entry.value().place(), "the peer \"" + id + "\" has to be a mapping (proxy: ...)");
                return;
            }
            Fields fields = new Fields(fieldsOf, "peers." + id);
            Place place = entry.key().place();
            if (!fields.has("proxy")) problems.error(place, "the peer \"" + id + "\" has no proxy URL");
            String url = expander.text(fields.text("proxy", "http://localhost"), fields.place("proxy"), "proxy", false).strip();
            List<String> models = fields.scalars("models").stream().map(Scalar::text).toList();
            if (models.isEmpty()) problems.error(place, "the peer \"" + id + "\" lists no models");
            String apiKey = expander.text(fields.text("apiKey", ""), fields.place("apiKey"), "apiKey", false);
            peers.put(id, new Peer(id, address(url, fields.place("proxy"), "proxy"), models, apiKey, filters(fields, expander, "", false)));
            fields.done();
        });
        return peers;
    }

    // ---- reading one mapping

    private static String kind(Node node) {
        return switch (node) {
            case Scalar scalar -> scalar.value() == Json.NULL ? "empty" : "a single value";
            case Seq seq -> "a list";
            case Mapping mapping -> "a mapping";
        };
    }

    /** A mapping that is being read. Each key that is asked for is known; {@link #done} reports the others. */
    private final class Fields {
        private final Mapping mapping;
        private final String path;
        private final Set<String> known = new java.util.LinkedHashSet<>();

        Fields(Mapping mapping, String path) {
            this.mapping = mapping;
            this.path = path;
        }

        boolean has(String key) {
            return take(key) != null;
        }

        /** The node of {@code key}, or null when it is missing or null. */
        Node take(String key) {
            known.add(key);
            Yaml.Entry entry = mapping.entries().get(key);
            if (entry == null) return null;
            return entry.value() instanceof Scalar scalar && scalar.value() == Json.NULL ? null : entry.value();
        }

        Place keyPlace(String key) {
            Yaml.Entry entry = mapping.entries().get(key);
            return entry == null ? mapping.place() : entry.key().place();
        }

        Place place(String key) {
            Yaml.Entry entry = mapping.entries().get(key);
            return entry == null ? mapping.place() : entry.value().place();
        }

        private String name(String key) {
            return path.isEmpty() ? key : path + "." + key;
        }

        private <T> T read(String key, T otherwise, String wanted, Function<Scalar, T> reading) {
            Node node = take(key);
            if (node == null) return otherwise;
            T value = node instanceof Scalar scalar ? reading.apply(scalar) : null;
            if (value != null) return value;
            problems.error(node.place(), name(key) + " has to be " + wanted + ", this is "
                + (node instanceof Scalar scalar ? "\"" + scalar.text() + "\"" : kind(node)));
            return otherwise;
        }

        String text(String key, String otherwise) {
            return read(key, otherwise, "text", Scalar::text);
        }

        int whole(String key, int otherwise, int min) {
            String wanted = min == Integer.MIN_VALUE ? "a whole number" : "a whole number from " + min;
            return read(key, otherwise, wanted, scalar -> {
                if (!(scalar.value() instanceof Json.Num number)) return null;
                double value = number.value();
                return value == Math.rint(value) && value >= min && value <= Integer.MAX_VALUE ? (Integer) (int) value : null;
            });
        }

        boolean flag(String key, boolean otherwise) {
            return read(key, otherwise, "true or false", scalar -> {
                if (scalar.value() instanceof Json.Bool bool) return bool.value();
                return switch (scalar.text().toLowerCase(Locale.ROOT)) {
                    case "y", "yes", "on" -> true;
                    case "n", "no", "off" -> false;
                    default -> null;
                };
            });
        }

        /** The scalars of a list; empty when it is missing. */
        List<Scalar> scalars(String key) {
            List<Scalar> scalars = new ArrayList<>();
            for (Node item : items(key)) {
                if (item instanceof Scalar scalar) scalars.add(scalar.value() == Json.NULL ? new Scalar("", true, scalar.place()) : scalar);
                else problems.error(item.place(), name(key) + " has to be a list of texts, this is " + kind(item));
            }
            return scalars;
        }

        List<String> texts(String key) {
            return scalars(key).stream().map(Scalar::text).toList();
        }

        List<Mapping> mappings(String key) {
            List<Mapping> mappings = new ArrayList<>();
            for (Node item : items(key)) {
                if (item instanceof Mapping each) mappings.add(each);
                else problems.error(item.place(), name(key) + " has to be a list of mappings, this is " + kind(item));
            }
            return mappings;
        }

        private List<Node> items(String key) {
            Node node = take(key);
            if (node == null) return List.of();
            if (node instanceof Seq seq) return seq.items();
            problems.error(node.place(), name(key) + " has to be a list, this is " + kind(node));
            return List.of();
        }

        /** The mapping under {@code key}, or null when it is missing; anything else is an error. */
        Node takeMapping(String key) {
            Node node = take(key);
            if (node == null || node instanceof Mapping) return node;
            problems.error(node.place(), name(key) + " has to be a mapping, this is " + kind(node));
            return null;
        }

        Fields fields(String key) {
            Node node = takeMapping(key);
            return new Fields(node instanceof Mapping inner ? inner : new Mapping(Map.of(), mapping.place()), name(key));
        }

        /** Warns of every key that nobody asked for. */
        void done() {
            mapping.entries().forEach((key, entry) -> {
                if (known.contains(key)) return;
                String elsewhere = ELSEWHERE.get(key);
                problems.warn(entry.key().place(), elsewhere != null
                    ? "llama-swap's \"" + key + "\" is not supported here, ignored; " + elsewhere
                    : "unknown key \"" + key + "\", ignored" + didYouMean(key, known));
            });
        }
    }
}
