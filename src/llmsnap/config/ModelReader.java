package llmsnap.config;

import java.net.URI;
import java.nio.charset.Charset;
import java.nio.charset.CharsetEncoder;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.function.UnaryOperator;
import llmsnap.config.Config.Abilities;
import llmsnap.config.Config.About;
import llmsnap.config.Config.Address;
import llmsnap.config.Config.Call;
import llmsnap.config.Config.Command;
import llmsnap.config.Config.Filters;
import llmsnap.config.Config.Launch;
import llmsnap.config.Config.Life;
import llmsnap.config.Config.Limits;
import llmsnap.config.Config.Model;
import llmsnap.config.Config.PromptCache;
import llmsnap.config.Config.Sleep;
import llmsnap.config.Config.Turns;
import llmsnap.config.Schema.Kind;
import llmsnap.text.Json;
import llmsnap.text.Place;
import llmsnap.text.Words;
import llmsnap.text.YamlNode.Mapping;
import llmsnap.text.YamlNode.Scalar;
import llmsnap.text.YamlNode.Seq;

/** Reads one model. It is made first, to ask for its need of a port, and read when it has one. */
final class ModelReader {
    private static final Set<String> KINDS = Set.of("text", "image", "audio");
    private static final int MAX_REQUESTS = 100;
    private static final Set<String> LENIENT = Set.of("useModelName", "name", "description", "env",
        "setParams", "setParamsByID");
    private static final Set<String> METHODS = Set.of("GET", "POST", "PUT", "PATCH");

    /**
     * What holds for models that say nothing else; times in seconds.
     *
     * @param calls to sleep and to wake
     */
    record Defaults(int healthCheck, int ttl, int unload, Calls calls, boolean loadingState,
            Queueing queueing) {
        private static final int MIN_HEALTH_CHECK = 15;

        static Defaults read(Fields top) {
            return new Defaults(
                top.atLeast(MIN_HEALTH_CHECK, "healthCheckTimeout", 120),
                top.whole("globalTTL", 0, 0),
                Math.max(1, top.whole("unloadTimeout", 10, 0)),
                new Calls(top.atLeast(1, "sleepRequestTimeout", 10),
                top.atLeast(1, "wakeRequestTimeout", 10)),
                top.flag("sendLoadingState", false),
                new Queueing(top.whole("queueTimeout", 0, 0), priorities(top)));
        }

        /** As llama-swap has them: routing.scheduler.settings.fifo.priority. */
        private static Map<String, Integer> priorities(Fields top) {
            Map<String, Integer> priorities = new HashMap<>();
            try (Fields scheduler = top.fields("routing").fields("scheduler");
                Fields settings = scheduler.fields("settings");
                Fields fifo = settings.fields("fifo")) {
                scheduler.text("use", "fifo");
                Fields given = fifo.fields("priority");
                for (String id : given.mapping().entries().keySet()) {
                    priorities.put(id, given.whole(id, 0, Integer.MIN_VALUE));
                }
            }
            return priorities;
        }
    }

    private record Calls(int sleep, int wake) {}

    /** @param priorities by model */
    private record Queueing(int timeout, Map<String, Integer> priorities) {}

    final Place place;
    private final String id;
    private Fields fields;
    private int port;       // 0 when its command needs none
    private final Defaults defaults;
    private final String cacheDir;
    private final MemoryReader memory;
    private final Problems problems;
    private final Discovery.Found found;        // null: it is written

    /** What the whole file says that holds for models, too. */
    record Given(Map<String, Json> macros, Defaults defaults, PromptCache prompts) {}

    ModelReader(Fields.Named named, Given given, MemoryReader memory, Problems problems) {
        this(named, null, given, memory, problems);
    }

    ModelReader(Discovery.Found found, Given given, MemoryReader memory, Problems problems) {
        this(found.named(), found, given, memory, problems);
    }

    private ModelReader(Fields.Named named, Discovery.Found found, Given given,
            MemoryReader memory, Problems problems) {
        this.found = found;
        this.id = named.name();
        this.place = named.place();
        this.defaults = given.defaults;
        this.cacheDir = given.prompts.folder(id);
        this.memory = memory;
        this.problems = problems;
        Map<String, Json> own = Macros.read(named.fields(), problems);
        Macros macros = Macros.of(given.macros, own,
            Map.of("MODEL_ID", id, "CACHE_DIR", cacheDir),
            found == null ? Macros.LATER : found.macros());
        Mapping all = named.fields().mapping();
        this.fields = named.fields().of(new MacroTree(macros, problems, LENIENT).in(all));
    }

    /** The error of a model without that: at its {@code key} or, when it has none, its id. */
    private void missing(String key, String message) {
        problems.error(fields.has(key) ? fields.place(key)
            : place, "the model \"" + id + "\" " + message);
    }

    boolean usesPort() {
        boolean list = fields.take("cmd", Kind.SCALAR, Kind.LIST) instanceof Seq;
        String cmd = list ? String.join(" ", fields.texts("cmd")) : fields.text("cmd", "");
        return cmd.contains("${PORT}");
    }

    private List<String> command(String key) {
        boolean list = fields.take(key, Kind.SCALAR, Kind.LIST) instanceof Seq;
        String text = list ? "" : fields.text(key, "");
        try {
            List<String> words = list ? fields.texts(key) : Words.split(text);
            List<String> bare = list ? words : Words.split(Words.bare(text));
            for (String warning : CommandCheck.warnings(text, words, bare)) {
                fields.warn(key, key + ": " + warning);
            }
            if (found != null) {
                words = key.equals("cmd") ? found.command(words) : found.words(words);
            }
            checkEncoding(key, words);
            return List.copyOf(words);
        } catch (IllegalArgumentException e) {
            fields.error(key, key + ": " + e.getMessage());
            return List.of("?");
        }
    }

    /**
     * @param itsPort what <code>${PORT}</code> is; 0 when its command needs none
     * @param hidden hides what is secret in a text
     */
    Model read(int itsPort, UnaryOperator<String> hidden) {
        port = itsPort;
        Mapping known = MacroTree.known(fields.mapping(), port, problems);
        fields = fields.of(found == null ? known : ofItsFile(known));
        fields.has("macros");
        List<String> cmd = command("cmd");
        boolean empty = cmd.isEmpty() || cmd.getFirst().isEmpty();
        boolean attached = empty && !fields.has("cmd") && fields.has("proxy");
        if (empty && !attached) missing("cmd", "has no cmd; say which command starts it");
        List<String> shown = new ArrayList<>();
        for (String word : cmd) shown.add(hidden.apply(word));
        var command = new Command(cmd, command("cmdStop"), env(), shown);
        String check = fields.text("checkEndpoint", "/health").strip();
        String endpoint = check.equals("none") ? null
            : path(check, fields.place("checkEndpoint"), "checkEndpoint");
        var launch = new Launch(command, proxy(cmd), port, endpoint, sleep(), life(cmd));
        String useModelName = fields.text("useModelName", "").strip();
        Filters filters = FilterReader.read(fields, useModelName, problems);
        var model = new Model(id, launch, about(), limits(command), filters,
            fields.flag("sendLoadingState", defaults.loadingState));
        fields.close();
        return model;
    }

    private Mapping ofItsFile(Mapping mapping) {
        return new ScalarTree(problems, (scalar, path) -> {
            boolean words = !path.isEmpty() && MacroTree.COMMANDS.contains(path.getFirst());
            return words ? scalar
                : new Scalar(found.put(scalar.text()), scalar.plain(), scalar.place());
        }).in(mapping);
    }

    /** Java hands words over in the locale's encoding, in which "?" stands for what it lacks. */
    private void checkEncoding(String key, List<String> words) {
        String encoding = System.getProperty("sun.jnu.encoding", "UTF-8");
        CharsetEncoder encoder = Charset.forName(encoding).newEncoder();
        if (words.stream().allMatch(encoder::canEncode)) return;
        fields.error(key, key + " has characters that this locale (" + encoding
            + ") cannot pass on: set LANG=C.UTF-8 in the environment of llmsnap");
    }

    private Life life(List<String> cmd) {
        boolean keeps = fields.flag("keepPromptCache", false);
        int option = cmd.indexOf("--slot-save-path");
        boolean apart = option >= 0 && option + 1 < cmd.size()
            && cmd.get(option + 1).replaceFirst("/$", "").equals(cacheDir);
        // Also inside a script that a shell is given.
        boolean saves = apart || cmd.stream().anyMatch(word ->
            word.contains("--slot-save-path=" + cacheDir)
            || word.contains("--slot-save-path " + cacheDir));
        if (keeps && !saves) {
            fields.error("keepPromptCache", "keepPromptCache needs a server that writes there: add"
                + " --slot-save-path ${CACHE_DIR} to cmd");
        }
        return new Life(calls("afterStart", defaults.calls.wake),
            calls("beforeStop", defaults.calls.sleep), keeps ? cacheDir : "",
            fields.positive("unloadTimeout", defaults.unload),
            fields.header("apiKey"));
    }

    /** The key that its server wants, not checked so far; "" for none. */
    String apiKey() {
        return fields.take("apiKey", Kind.SCALAR) instanceof Scalar text ? text.text() : "";
    }

    /** Its other names. */
    List<String> aliases() {
        List<String> aliases = new ArrayList<>();
        for (String alias : fields.texts("aliases")) {
            if (!alias.isBlank()) aliases.add(alias.strip());
        }
        return aliases;
    }

    private About about() {
        return new About(
            fields.text("name", "").strip(),
            fields.text("description", found == null ? "" : found.description()).strip(),
            aliases(),
            fields.flag("unlisted", false),
            fields.json(fields.mapping("metadata"), "metadata"), abilities());
    }

    private Abilities abilities() {
        Abilities known = found == null ? Abilities.NONE : found.abilities();
        if (!fields.has("capabilities")) return known;
        try (Fields given = fields.fields("capabilities")) {
            return new Abilities(kinds(given, "in"), kinds(given, "out"),
                given.flag("tools", false), given.flag("reranker", false),
                given.whole("context", 0, 0)).or(known);
        }
    }

    private List<String> kinds(Fields given, String key) {
        for (Scalar each : given.scalars(key)) {
            if (KINDS.contains(each.text())) continue;
            problems.error(each.place(), "capabilities." + key + ": \"" + each.text()
                + "\"; there are text, image and audio");
        }
        return given.texts(key);
    }

    private Limits limits(Command command) {
        int ttl = fields.whole("ttl", -1, -1);
        return new Limits(
            ttl < 0 ? defaults.ttl : ttl,
            fields.atLeast(Defaults.MIN_HEALTH_CHECK, "healthCheckTimeout", defaults.healthCheck),
            fields.whole("requestTimeout", 0, 0),
            turns(),
            memory.needs(fields, command.env(), command.start()), fields.reach(0));
    }

    private Turns turns() {
        return new Turns(fields.positive("concurrencyLimit", MAX_REQUESTS),
            fields.whole("priority", defaults.queueing.priorities.getOrDefault(id, 0),
                Integer.MIN_VALUE),
            fields.whole("queueTimeout", defaults.queueing.timeout, 0));
    }

    private Address proxy(List<String> cmd) {
        if (port == 0 && !fields.has("proxy")) {
            int at = cmd.indexOf("--port");
            boolean fixed = at >= 0 && at + 1 < cmd.size() && cmd.get(at + 1).matches("[0-9]+");
            missing("proxy", fixed ? "needs to know its port: write --port ${PORT}, or add proxy:"
                + " http://127.0.0.1:" + cmd.get(at + 1)
                : "needs a proxy URL, or a cmd that uses ${PORT}");
        }
        return fields.address("proxy", "http://localhost:" + Math.max(port, 1));
    }

    private List<String> env() {
        List<String> env = new ArrayList<>();
        boolean single = fields.take("env", Kind.SCALAR, Kind.LIST) instanceof Scalar;
        List<Scalar> given = single ? List.of((Scalar) fields.take("env", Kind.SCALAR))
            : fields.scalars("env");
        for (Scalar scalar : given) {
            String entry = scalar.text();
            if (entry.indexOf('=') < 1) {
                problems.error(scalar.place(), "env: \"" + entry
                    + "\" is not of the form NAME=value");
            } else if (entry.indexOf('\0') >= 0) {
                problems.error(scalar.place(), "env: a NUL character");
            } else {
                env.add(found == null ? entry : found.put(entry));
            }
        }
        checkEncoding("env", env);
        return List.copyOf(env);
    }

    private Sleep sleep() {
        String mode = fields.text("sleepMode", "").strip();
        List<Call> asleep = calls("sleepEndpoints", defaults.calls.sleep);
        List<Call> awake = calls("wakeEndpoints", defaults.calls.wake);
        if (mode.isEmpty() || mode.equals("disable")) return null;
        if (!mode.equals("enable")) {
            fields.error("sleepMode", "sleepMode is \"" + mode + "\"; it can be enable or disable");
        } else if (asleep.isEmpty() || awake.isEmpty()) {
            fields.error("sleepMode",
                "sleepMode: enable needs both sleepEndpoints and wakeEndpoints");
        }
        return new Sleep(asleep, awake);
    }

    private List<Call> calls(String key, int timeout) {
        List<Call> calls = new ArrayList<>();
        for (Fields call : fields.list(key)) {
            Place at = call.place();
            String path = call.text("endpoint", "").strip();
            if (path.isEmpty()) {
                problems.error(at, key + ": endpoint, the path to call, is missing");
            }
            String method = call.text("method", "POST").strip().toUpperCase(Locale.ROOT);
            if (!METHODS.contains(method)) {
                call.error("method", key + ": the method is \"" + method
                    + "\"; it can be GET, POST, PUT or PATCH");
            }
            calls.add(new Call(method, path(path, at, key), call.text("body", ""),
                call.positive("timeout", timeout)));
            call.close();
        }
        return List.copyOf(calls);
    }

    /** A path to call, with a slash at its start. */
    private String path(String text, Place at, String key) {
        String path = text.startsWith("/") ? text : "/" + text;
        try {
            URI.create("http://localhost" + path);
        } catch (IllegalArgumentException e) {
            problems.error(at, key + ": \"" + text + "\" is no path of a URL; blanks and other odd"
                + " characters are written like %20");
        }
        return path;
    }
}
