package llmsnap.config;

import java.net.URI;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import llmsnap.config.Config.About;
import llmsnap.config.Config.Address;
import llmsnap.config.Config.Call;
import llmsnap.config.Config.Command;
import llmsnap.config.Config.Filters;
import llmsnap.config.Config.Launch;
import llmsnap.config.Config.Limits;
import llmsnap.config.Config.Model;
import llmsnap.config.Config.Sleep;
import llmsnap.text.Json;
import llmsnap.text.Place;
import llmsnap.text.Words;
import llmsnap.text.YamlNode.Scalar;
import llmsnap.text.YamlNode.Seq;

/** Reads one model. It is made first, to ask for its need of a port, and read when it has one. */
final class ModelReader {
    private static final int MAX_REQUESTS = 100;
    private static final Set<String> LENIENT = Set.of("useModelName", "name", "description", "env",
        "setParams", "setParamsByID");
    private static final Set<String> METHODS = Set.of("GET", "POST", "PUT", "PATCH");

    /** What holds for models that say nothing else; times in seconds. */
    record Defaults(int healthCheck, int ttl, int unload, int sleepCall, int wakeCall,
            boolean loadingState) {
        private static final int MIN_HEALTH_CHECK = 15;

        static Defaults read(Fields top) {
            return new Defaults(
                top.atLeast(MIN_HEALTH_CHECK, "healthCheckTimeout", 120),
                top.whole("globalTTL", 0, 0),
                Math.max(1, top.whole("unloadTimeout", 10, 0)),
                top.atLeast(1, "sleepRequestTimeout", 10),
                top.atLeast(1, "wakeRequestTimeout", 10),
                top.flag("sendLoadingState", false));
        }
    }

    final Place place;
    final Expander expander;
    private final String id;
    private final Fields fields;
    private final Defaults defaults;
    private final Problems problems;

    /** @param place of its id */
    ModelReader(String id, Place place, Fields fields, Map<String, Json> globalMacros,
            Defaults defaults, Problems problems) {
        this.id = id;
        this.place = place;
        this.defaults = defaults;
        this.problems = problems;
        Map<String, Json> own = Macros.read(fields, problems);
        Macros macros = Macros.of(globalMacros, own, id);
        this.fields = fields.expanded(new MacroTree(macros, problems, LENIENT)::in);
        this.fields.has("macros");
        this.expander = new Expander(problems);
    }

    /** The error of a model without that: at its {@code key} or, when it has none, its id. */
    private void missing(String key, String message) {
        problems.error(fields.has(key) ? fields.place(key)
            : place, "the model \"" + id + "\" " + message);
    }

    boolean usesPort() {
        return raw("cmd").stream().anyMatch(text -> text.contains("${PORT}"));
    }

    /** A command before its macros are replaced: one text to split, or the words of a list. */
    private List<String> raw(String key) {
        if (fields.take(key) instanceof Seq) return fields.texts(key);
        return List.of(fields.text(key, ""));
    }

    private List<String> command(String key) {
        List<String> words = new ArrayList<>();
        List<String> raw = raw(key);
        for (String text : raw) {
            String expanded = expander.text(text, fields.place(key), key);
            try {
                if (fields.take(key) instanceof Seq) words.add(expanded);
                else words.addAll(Words.split(expanded));
            } catch (IllegalArgumentException e) {
                fields.error(key, key + ": " + e.getMessage());
                words.add("?");
            }
        }
        boolean list = fields.take(key) instanceof Seq;
        CommandCheck.warnings(list ? "" : String.join("\n", raw), words)
            .forEach(warning -> fields.warn(key, key + ": " + warning));
        return List.copyOf(words);
    }

    Model read() {
        List<String> cmd = command("cmd");
        boolean empty = cmd.isEmpty() || cmd.getFirst().isEmpty();
        boolean attached = empty && !fields.has("cmd") && fields.has("proxy");
        if (empty && !attached) missing("cmd", "has no cmd; say which command starts it");
        var command = new Command(cmd, command("cmdStop"), env());
        String check = expander.field(fields, "checkEndpoint", "/health");
        String endpoint = check.equals("none") ? null
            : path(check, fields.place("checkEndpoint"), "checkEndpoint");
        var launch = new Launch(command, proxy(cmd), expander.port(), endpoint, sleep(),
            fields.positive("unloadTimeout", defaults.unload));
        String useModelName = expander.field(fields, "useModelName", "");
        Filters filters = new FilterReader(expander, problems).read(fields, useModelName);
        var model = new Model(id, launch, about(), limits(), filters,
            fields.flag("sendLoadingState", defaults.loadingState));
        fields.close();
        return model;
    }

    private About about() {
        List<String> aliases = fields.texts("aliases").stream().map(String::strip)
            .filter(alias -> !alias.isEmpty()).toList();
        return new About(
            expander.field(fields, "name", ""),
            expander.field(fields, "description", ""),
            aliases,
            fields.flag("unlisted", false),
            expander.object(fields.mapping("metadata"), "metadata"));
    }

    private Limits limits() {
        int ttl = fields.whole("ttl", -1, -1);
        return new Limits(
            ttl < 0 ? defaults.ttl : ttl,
            fields.has("healthCheckTimeout")
                ? fields.atLeast(Defaults.MIN_HEALTH_CHECK, "healthCheckTimeout", 0)
                : defaults.healthCheck,
            fields.whole("requestTimeout", 0, 0),
            fields.positive("concurrencyLimit", MAX_REQUESTS));
    }

    private Address proxy(List<String> cmd) {
        int port = expander.port();
        if (port == 0 && !fields.has("proxy")) {
            int at = cmd.indexOf("--port");
            boolean fixed = at >= 0 && at + 1 < cmd.size() && cmd.get(at + 1).matches("[0-9]+");
            missing("proxy", fixed ? "needs to know its port: write --port ${PORT}, or add proxy:"
                + " http://127.0.0.1:" + cmd.get(at + 1)
                : "needs a proxy URL, or a cmd that uses ${PORT}");
        }
        return expander.proxy(fields, "http://localhost:" + Math.max(port, 1));
    }

    private List<String> env() {
        List<String> env = new ArrayList<>();
        List<Scalar> given =
            fields.take("env") instanceof Scalar one ? List.of(one) : fields.scalars("env");
        for (Scalar scalar : given) {
            String entry = expander.text(scalar.text(), scalar.place(), "env");
            if (entry.indexOf('=') < 1) {
                problems.error(scalar.place(), "env: \"" + entry
                    + "\" is not of the form NAME=value");
            } else if (entry.indexOf('\0') >= 0) {
                problems.error(scalar.place(), "env: a NUL character");
            } else {
                env.add(entry);
            }
        }
        return List.copyOf(env);
    }

    private Sleep sleep() {
        String mode = fields.text("sleepMode", "").strip();
        List<Call> asleep = calls("sleepEndpoints", defaults.sleepCall);
        List<Call> awake = calls("wakeEndpoints", defaults.wakeCall);
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
            path = path(expander.text(path, at, key), at, key);
            String body = expander.text(call.text("body", ""), at, key);
            calls.add(new Call(method, path, body, call.positive("timeout", timeout)));
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
