package llmsnap.config;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import llmsnap.text.Json;
import llmsnap.text.JsonEdit.Edit;
import llmsnap.text.Size;

/**
 * What config.yaml says, checked and complete: defaults filled in, macros replaced, commands split.
 * Immutable, made by {@link ConfigReader} alone.
 *
 * @param models by id, in file order
 */
public record Config(Map<String, Model> models, Names names, Memory memory,
        Groups groups, Peers peers, Settings settings) {
    /** The group of all models that are in no other: they swap, and exclude the other groups. */
    public static final String DEFAULT_GROUP = "(default)";

    /**
     * What requests may call a model.
     *
     * @param ids the model's id by every name of its own: id, aliases, keys of setParamsByID
     */
    public record Names(Map<String, String> ids, Map<String, Selector> selectors,
            Map<String, Profile> profiles) {}

    /** How a selector chooses among its targets. */
    public enum Strategy {
        WARM, PIN, SPILLOVER, FALLBACK;

        static Strategy of(String name) {
            for (Strategy each : values()) if (each.label().equals(name)) return each;
            return null;
        }

        public String label() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    /**
     * A name that stands for one of several models.
     *
     * @param targets ids, aliases, or PEER/MODEL
     * @param spillover requests for a target before the next is taken
     */
    public record Selector(String id, Strategy strategy, List<String> targets, About about,
            int spillover) {}

    /** Names that stand for others while it is active; "" for those that stand for nothing. */
    public record Profile(String id, String description, Map<String, String> pins) {}

    /** A model's server; {@code sendLoadingState} tells chat clients what is going on meanwhile. */
    public record Model(String id, Launch launch, About about, Limits limits, Filters filters,
            boolean sendLoadingState) {
        public List<String> cmd() {
            return launch.words(launch.command.start);
        }

        /** The command for people, secrets hidden. */
        public String shownCmd() {
            return String.join(" ", launch.words(launch.command.shown));
        }

        /** Somebody else starts it and stops it. */
        public boolean isAttached() {
            return launch.command.start.isEmpty();
        }

        public Address proxy() {
            return launch.proxy;
        }

        /** The command line without its port: runs of the same one are alike. */
        public String line() {
            return String.join(" ", launch.command.start);
        }

        /** The same, started at another port. */
        public Model at(int port) {
            return new Model(id, launch.at(port), about, limits, filters, sendLoadingState);
        }
    }

    /**
     * How it is started, watched and put away: what a running server cannot change.
     *
     * @param port what <code>${PORT}</code> became, 0 when the command does not use it
     * @param checkEndpoint answers 200 when it is ready; null: an accepted connection is enough
     * @param sleep how to put it to sleep, or null: it is stopped instead
     */
    public record Launch(Command command, Address proxy, int port, String checkEndpoint,
            Sleep sleep, Life life) {
        static final String PORT = "${PORT}";

        /** Words of the command with the port in them. */
        public List<String> words(List<String> some) {
            String number = String.valueOf(port);
            return some.stream().map(word -> word.replace(PORT, number)).toList();
        }

        Launch at(int other) {
            boolean its = proxy.port == port;
            var there = its ? new Address(proxy.scheme, proxy.host, other, proxy.basePath) : proxy;
            return new Launch(command, there, other, checkEndpoint, sleep, life);
        }
    }

    /**
     * What else is done around a run.
     *
     * @param afterStart calls once it is ready, before any request
     * @param beforeStop calls before it is stopped
     * @param cacheDir where its prompt caches are kept meanwhile; "": they are not
     * @param unloadTimeoutSeconds how long it may take to exit
     * @param apiKey that its server wants, or ""
     */
    public record Life(List<Call> afterStart, List<Call> beforeStop, String cacheDir,
            int unloadTimeoutSeconds, String apiKey) {
        @Override public String toString() {
            return "Life[" + afterStart + " " + beforeStop + " " + cacheDir + "]";  // never the key
        }
    }

    /**
     * The words of its commands, <code>${PORT}</code> still in them.
     *
     * @param start never empty
     * @param stop <code>${PID}</code> still in it; empty: SIGTERM
     * @param env NAME=value, added to the inherited environment
     * @param shown the first for people, secrets hidden
     */
    public record Command(List<String> start, List<String> stop, List<String> env,
            List<String> shown) {}

    /**
     * What it is called; {@code name} and {@code description} are for people, "" when not given.
     */
    public record About(String name, String description, List<String> aliases, boolean unlisted,
            Json.Obj metadata, Abilities abilities) {}

    /**
     * What it can do, as its clients are told; what is not said is empty, false or 0.
     *
     * @param in kinds of input: text, image, audio; {@code out} likewise
     * @param context in tokens
     */
    public record Abilities(List<String> in, List<String> out, boolean tools, boolean reranker,
            int context) {
        public static final Abilities NONE =
            new Abilities(List.of(), List.of(), false, false, 0);

        /** The same, and what others say where this says nothing. */
        public Abilities or(Abilities other) {
            return new Abilities(
                in.isEmpty() ? other.in : in,
                out.isEmpty() ? other.out : out,
                tools || other.tools, reranker || other.reranker,
                context == 0 ? other.context : context);
        }
    }

    /**
     * @param ttlSeconds idle time after which it is unloaded, 0 = never
     * @param healthCheckSeconds how long it may take to get ready
     * @param requestSeconds longest silence within a request, 0 = any
     */
    public record Limits(int ttlSeconds, int healthCheckSeconds, int requestSeconds,
        Turns turns, Needs needs, Reach reach) {}

    /**
     * How requests wait for it.
     *
     * @param requests at once, waiting ones included
     * @param priority over other models' requests
     * @param timeoutSeconds how long one may wait, 0 = for ever
     */
    public record Turns(int requests, int priority, int timeoutSeconds) {}

    /**
     * What a model is said to take once it is loaded, in bytes by pool.
     *
     * @param estimated by the size of its weights; empty when they are not known
     * @param pools those that it may use and that can be measured
     * @param pinned it does not go to make room
     */
    public record Needs(Map<String, Long> declared, Map<String, Long> estimated,
            List<String> pools, boolean pinned) {}

    /**
     * The memory that models share.
     *
     * @param pools by name; empty: memory does not decide who is loaded
     * @param stateFile where what was learned is kept; "": nowhere
     */
    public record Memory(Map<String, Pool> pools, String stateFile) {
        /**
         * Why a model can never be loaded, for people; null when it can.
         *
         * @param needed bytes by pool
         * @param pinned what stays loaded takes, by model
         */
        public String lack(Map<String, Long> needed, Map<String, Map<String, Long>> pinned) {
            for (Map.Entry<String, Long> need : needed.entrySet()) {
                Pool pool = pools.get(need.getKey());
                if (pool == null) continue;
                long left = pool.room();
                String others = "";
                for (Map.Entry<String, Map<String, Long>> each : pinned.entrySet()) {
                    long its = each.getValue().getOrDefault(pool.name, 0L);
                    if (its == 0) continue;
                    left -= its;
                    others += " and " + Size.shown(its) + " that " + each.getKey()
                        + ", which is pinned, takes";
                }
                if (need.getValue() <= left) continue;
                return "needs " + shown(pool.name, need.getValue()) + ", which has "
                    + pool.shown() + others;
            }
            return null;
        }

        private static String shown(String pool, long bytes) {
            return Size.shown(bytes) + " of " + pool;
        }

        /** Bytes by pool for people: "9.1 GB of gpu0 and 2 GB of host". */
        public String shown(Map<String, Long> bytes) {
            return bytes.entrySet().stream().filter(each -> each.getValue() > 0)
                .map(each -> shown(each.getKey(), each.getValue()))
                .collect(Collectors.joining(" and "));
        }

        /** What those pools have, for people. */
        public String left(Map<String, Long> bytes) {
            return bytes.keySet().stream().map(pools::get).filter(Objects::nonNull)
                .map(pool -> pool.name + " has " + pool.shown()).collect(Collectors.joining(", "));
        }
    }

    /**
     * Part of the memory.
     *
     * @param bytes of all of it
     * @param reserve bytes of it that are left free
     * @param devices what is measured for it; empty when models only declare what they take
     */
    public record Pool(String name, long bytes, long reserve, List<String> devices) {
        /** For people: "24 GB less 1.2 GB kept free". */
        public String shown() {
            return Size.shown(bytes) + " less " + Size.shown(reserve) + " kept free";
        }

        /** What models and strangers may take. */
        public long room() {
            return bytes - reserve;
        }
    }

    /** Calls that put a model to sleep and wake it, in order. */
    public record Sleep(List<Call> sleep, List<Call> wake) {}

    /** One HTTP call on a model's address; {@code body} may be empty. */
    public record Call(String method, String path, String body, int timeoutSeconds) {}

    /**
     * By name, that of all other models included when it has members; and each model's name of it.
     *
     * @param matrix says instead who may be loaded together; null when there is none
     */
    public record Groups(Map<String, Group> byName, Map<String, String> ofModel, Matrix matrix) {}

    /** {@code swap}: one member at a time; {@code exclusive}: others go, but no persistent one. */
    public record Group(String name, boolean swap, boolean exclusive, boolean persistent,
            List<String> members) {}

    /** By id, and by each model name that no local name hides; the first one in the file wins. */
    public record Peers(Map<String, Peer> byId, Map<String, Peer> byModel) {}

    /**
     * How another server is asked.
     *
     * @param connectSeconds how long it may take to take the connection
     * @param headSeconds how long the head of its answer may take, 0 = for ever
     * @param upstreamPath what it has instead of a leading /v1; null: the same
     * @param refreshSeconds how often it is asked what models it has; 0: never, they are listed
     */
    public record Reach(int connectSeconds, int headSeconds, String upstreamPath,
            int refreshSeconds) {
        public static final int CONNECT_SECONDS = 10;
        public static final Reach USUAL = new Reach(CONNECT_SECONDS, 0, null, 0);
    }

    /** Another server that provides {@code models}; {@code apiKey} may be empty. */
    public record Peer(String id, Address proxy, Set<String> models, String apiKey,
            Filters filters, Reach reach) {
        @Override public String toString() {
            return "Peer[" + id + " " + proxy + "]";     // never the key
        }
    }

    /**
     * Edits of request bodies: those for every name, and those for names with edits of their own.
     */
    public record Filters(Map<String, Edit> always, Map<String, Map<String, Edit>> byName) {
        /** The edits for a request that used {@code name}. */
        public Map<String, Edit> forName(String name) {
            return byName.getOrDefault(name, always);
        }
    }

    /**
     * What holds for the whole server.
     *
     * @param swapGraceSeconds how long requests may still pass one that waits for another model
     */
    public record Settings(Hooks hooks, Entry entry, int swapGraceSeconds, Logging logging,
            Kept kept, Lists lists) {}

    /**
     * What is loaded for nobody.
     *
     * @param preload ids of models, at start
     * @param onIdle those that are loaded when nothing is, and nothing was asked for
     *     {@code idleSeconds}; 0: never
     */
    public record Hooks(List<String> preload, List<String> onIdle, int idleSeconds) {}

    /**
     * What /v1/models lists beside ids: aliases, and peers' models without their peer.
     *
     * @param folders where models are found
     */
    public record Lists(boolean aliases, boolean bareNames, List<String> folders) {}

    /**
     * Who may use the server.
     *
     * @param name for rows, logs and counts; "" for one without
     * @param models what it may use, by id; empty: everything
     * @param control whether it may look at the server and control it, too
     * @param priority of its requests over others that wait
     */
    public record Key(String key, String name, List<Pattern> models, boolean control,
            int priority) {
        /** For those who need none. */
        public static final Key NONE = new Key("", "", List.of(), true, 0);

        /** Whether it may use what is served under that id. */
        public boolean allows(String id) {
            return models.isEmpty()
                || models.stream().anyMatch(each -> each.matcher(id).matches());
        }

        @Override public String toString() {
            return "Key[" + name + "]";     // never itself
        }
    }

    /**
     * Who may come in.
     *
     * @param allowedHosts names by which browsers may call this server, in lower case; one that
     *     begins with a dot stands for all below it
     * @param secrets names of the environment variables that keys come from
     * @param trustsPages web pages of models' servers may do what pages of ours may
     * @param looks paths behind /upstream/ID that load no model; null for the usual ones
     */
    public record Entry(List<Key> apiKeys, List<String> allowedHosts, Set<String> secrets,
            boolean trustsPages, List<Pattern> looks) {}

    /** How many ended requests are kept, how much of what was said, and what on the disk. */
    public record Kept(int rows, int captureMb, PromptCache prompts, History history) {}

    /** Files of what has ended, a day each; {@code dir} is "" for none. */
    public record History(String dir, int keepDays) {}

    /**
     * Prompt caches of models that are not loaded.
     *
     * @param dir a folder for each model is in it
     * @param limitBytes of all of them
     * @param minTokens fewer are not worth a file
     * @param timeoutSeconds for saving or restoring all of a model
     */
    public record PromptCache(String dir, long limitBytes, int minTokens, int timeoutSeconds) {
        private static final Pattern ODD = Pattern.compile("[^A-Za-z0-9._-]|^\\.");

        /** The folder of one model; those whose ids differ only in odd characters share none. */
        public String folder(String model) {
            String plain = ODD.matcher(model).replaceAll("_");
            String mark = plain.equals(model) ? "" : "-" + Integer.toHexString(model.hashCode());
            return dir + "/" + plain + mark;
        }
    }

    /** What is logged where. {@code timeFormat} is one of Go's names in lower case, or "". */
    public record Logging(Level level, String timeFormat, Stdout toStdout) {}

    public enum Level { DEBUG, INFO, WARN, ERROR }

    public enum Stdout { PROXY, UPSTREAM, BOTH, NONE }

    /**
     * Where a server answers. {@code java.net.URI} refuses host names with an underscore, which
     * containers have. {@code basePath} is "" or starts with a slash and does not end with one.
     */
    public record Address(String scheme, String host, int port, String basePath) {
        public static final int MAX_PORT = 65_535;
        private static final Pattern URL =
            Pattern.compile("(?i)(https?)://(\\[[^]/]*]|[^:/]*)(?::([^/]*))?(.*)");
        private static final Pattern HOST =
            Pattern.compile("[A-Za-z0-9._-]+|\\[[0-9A-Fa-f:.%]+]");

        /**
         * Reads {@code http(s)://host[:port][/path]}.
         *
         * @throws IllegalArgumentException with a sentence
         */
        public static Address parse(String url) {
            Matcher parts = URL.matcher(url);
            if (!parts.matches()) {
                throw refused(url, " is no URL; it has to start with http:// or https://");
            }
            String scheme = parts.group(1).toLowerCase(Locale.ROOT);
            String given = parts.group(3);
            int port = given == null ? defaultPort(scheme) : number(given);
            if (port < 1 || port > MAX_PORT) throw refused(url, " has no valid port");
            String host = parts.group(2);
            if (!HOST.matcher(host).matches()) throw refused(url, " has no valid host name");
            if (host.contains("_") && scheme.equals("https")) {
                throw refused(url, ": no certificate is for a host name with an underscore");
            }
            String path = parts.group(4).replaceAll("/+$", "");
            if (path.matches(".*[\\s?#\"<>\\\\^`{|}].*")) {
                throw refused(url, ": a base path takes no query and no blanks");
            }
            return new Address(scheme, host, port, path);
        }

        private static IllegalArgumentException refused(String url, String why) {
            return new IllegalArgumentException("\"" + url + "\"" + why);
        }

        private static int number(String text) {
            return text.matches("[0-9]{1,9}") ? Integer.parseInt(text) : -1;
        }

        private static int defaultPort(String scheme) {
            return scheme.equals("http") ? 80 : 443;
        }

        /** Whether it is this machine: localhost, 127.x.x.x or ::1. */
        public boolean isLocal() {
            return host.equalsIgnoreCase("localhost") || host.startsWith("127.")
                || host.equals("[::1]");
        }

        public boolean isHttps() {
            return scheme.equals("https");
        }

        /** Host and port as a Host header has them. */
        public String authority() {
            return port == defaultPort(scheme) ? host : host + ":" + port;
        }

        /** The same server under a numeric address. */
        public String at(String numeric) {
            String plain = numeric.replaceFirst("%.*", "");
            String name = plain.contains(":") ? "[" + plain + "]" : plain;
            return scheme + "://" + name + ":" + port + basePath;
        }

        @Override public String toString() {
            return scheme + "://" + authority() + basePath;
        }
    }

    /** The model that {@code name} (an id or an alias) stands for, or null. */
    public Model model(String name) {
        return models.get(names.ids.get(name));
    }

    /** The same, as if it had just been read. */
    public Config again() {
        return new Config(models, names, memory, groups, peers, settings);
    }

    /** What others that are pinned say that they take, by model. */
    Map<String, Map<String, Long>> pinnedBeside(String id) {
        Map<String, Map<String, Long>> pinned = new LinkedHashMap<>();
        for (Model model : models.values()) {
            Needs needs = model.limits.needs;
            if (needs.pinned && !model.id.equals(id)) pinned.put(model.id, needs.declared);
        }
        return pinned;
    }

    /**
     * Whether loading {@code model} makes {@code other} go, by their groups: within one when it
     * swaps, across groups when the model's is exclusive and the other's is not persistent.
     */
    public boolean evicts(String model, String other) {
        if (model.equals(other)) return false;
        // One that the configuration has lost, and that is still on its way out, is in everybody's
        // way.
        if (!models.containsKey(model) || !models.containsKey(other)) return true;
        Group its = group(model);
        Group others = group(other);
        if (its.name().equals(others.name())) return its.swap();
        return its.exclusive() && !others.persistent();
    }

    /** The group of a model. */
    public Group group(String modelId) {
        return Objects.requireNonNull(groups.byName.get(groups.ofModel.get(modelId)), modelId);
    }
}
