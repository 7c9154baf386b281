package llmsnap.config;

import java.util.List;
import java.util.Map;
import java.util.Objects;
import llmsnap.text.Json;
import llmsnap.text.JsonEdit.Edit;

/**
 * What config.yaml says, checked and complete: defaults filled in, macros replaced, commands split. Immutable, made by
 * {@link ConfigReader} alone.
 *
 * @param models by id, in file order
 * @param groups by name, the group {@link #DEFAULT_GROUP} of all other models included when it has members
 * @param groupOf the group's name by model id, for every model
 * @param names the model id by every name a request may use: ids, aliases, keys of setParamsByID
 * @param peerOf the peer by each model name of a peer that no local name hides; the first peer in the file wins
 * @param preload ids of the models to load at start
 * @param swapGraceSeconds how long new requests may still pass one that waits for another model
 */
public record Config(Map<String, Model> models, Map<String, Group> groups, Map<String, String> groupOf,
        Map<String, String> names, Map<String, Peer> peers, Map<String, Peer> peerOf, List<String> preload,
        List<String> apiKeys, int swapGraceSeconds, Logging logging, int metricsMaxInMemory, int captureBufferMb,
        boolean includeAliasesInList) {
    /** The group of all models that are in no other: they swap, and exclude the other groups. */
    public static final String DEFAULT_GROUP = "(default)";

    /**
     * A model's server.
     *
     * @param cmd the words of its command, never empty
     * @param cmdStop the words of the command that stops it, <code>${PID}</code> still in them; empty: SIGTERM
     * @param port what <code>${PORT}</code> became, 0 when {@code cmd} does not use it
     * @param checkEndpoint the path that answers 200 when it is ready; null: an accepted connection is enough
     * @param env NAME=value, added to the inherited environment
     * @param ttlSeconds idle time after which it is unloaded, 0 = never
     * @param requestTimeoutSeconds longest silence within a request, 0 = any
     * @param name for people, "" when not given, like {@code description}
     * @param sleep how to put it to sleep, or null: it is stopped instead
     */
    public record Model(String id, List<String> cmd, List<String> cmdStop, Address proxy, int port, String checkEndpoint,
            List<String> aliases, List<String> env, int ttlSeconds, int healthCheckTimeoutSeconds,
            int unloadTimeoutSeconds, int requestTimeoutSeconds, boolean unlisted, String name, String description,
            Json.Obj metadata, Filters filters, int concurrencyLimit, boolean sendLoadingState, Sleep sleep) {}

    /** Calls that put a model to sleep and wake it, in order. */
    public record Sleep(List<Call> sleep, List<Call> wake) {}

    /** One HTTP call on a model's address; {@code body} may be empty. */
    public record Call(String method, String path, String body, int timeoutSeconds) {}

    /** {@code swap}: one member at a time; {@code exclusive}: loading one unloads other groups, but no {@code persistent} one. */
    public record Group(String name, boolean swap, boolean exclusive, boolean persistent, List<String> members) {}

    /** Another server that provides {@code models}; {@code apiKey} may be empty. */
    public record Peer(String id, Address proxy, List<String> models, String apiKey, Filters filters) {
        @Override public String toString() {
            return "Peer[" + id + " " + proxy + "]";     // never the key
        }
    }

    /** Edits of the request body: those for every name, and those for names with edits of their own. */
    public record Filters(Map<String, Edit> always, Map<String, Map<String, Edit>> byName) {
        public static final Filters NONE = new Filters(Map.of(), Map.of());

        /** The edits for a request that used {@code name}. */
        public Map<String, Edit> forName(String name) {
            return byName.getOrDefault(name, always);
        }
    }

    /** What is logged where. {@code timeFormat} is one of Go's names in lower case, or "". */
    public record Logging(Level level, String timeFormat, Stdout toStdout) {}

    public enum Level { DEBUG, INFO, WARN, ERROR }

    public enum Stdout { PROXY, UPSTREAM, BOTH, NONE }

    /**
     * Where a server answers. {@code java.net.URI} refuses host names with an underscore, which containers have, so this
     * is our own. {@code basePath} is "" or starts with a slash and does not end with one.
     */
    public record Address(String scheme, String host, int port, String basePath) {
        /** Reads {@code http(s)://host[:port][/path]}. @throws IllegalArgumentException with a sentence */
        public static Address parse(String url) {
            int end = url.indexOf("://");
            String scheme = end < 0 ? "" : url.substring(0, end).toLowerCase(java.util.Locale.ROOT);
            if (!scheme.equals("http") && !scheme.equals("https")) {
                throw new IllegalArgumentException("\"" + url + "\" is no URL; it has to start with http:// or https://");
            }
            String rest = url.substring(end + 3);
            int slash = rest.indexOf('/');
            String authority = slash < 0 ? rest : rest.substring(0, slash);
            String path = slash < 0 ? "" : rest.substring(slash).replaceAll("/+$", "");
            int colon = authority.lastIndexOf(':');
            boolean hasPort = colon > authority.lastIndexOf(']');
            String host = hasPort ? authority.substring(0, colon) : authority;
            int port = scheme.equals("http") ? 80 : 443;
            try {
                if (hasPort) port = Integer.parseInt(authority.substring(colon + 1));
            } catch (NumberFormatException e) {
                port = -1;
            }
            if (port < 1 || port > 65535) throw new IllegalArgumentException("\"" + url + "\" has no valid port");
            if (!host.matches("[A-Za-z0-9._-]+|\\[[0-9A-Fa-f:.%]+]")) {
                throw new IllegalArgumentException("\"" + url + "\" has no valid host name");
            }
            if (path.matches(".*[\\s?#\"<>\\\\^`{|}].*")) {
                throw new IllegalArgumentException("\"" + url + "\": a base path takes no query and no blanks");
            }
            return new Address(scheme, host, port, path);
        }

        /** Whether it is this machine: localhost, 127.x.x.x or ::1. */
        public boolean isLocal() {
            return host.equalsIgnoreCase("localhost") || host.startsWith("127.") || host.equals("[::1]");
        }

        public boolean isHttps() {
            return scheme.equals("https");
        }

        /** Host and port as a Host header has them. */
        public String authority() {
            return port == (isHttps() ? 443 : 80) ? host : host + ":" + port;
        }

        @Override public String toString() {
            return scheme + "://" + authority() + basePath;
        }
    }

    /** The model that {@code name} (an id or an alias) stands for, or null. */
    public Model model(String name) {
        String id = name == null ? null : names.get(name);
        return id == null ? null : models.get(id);
    }

    /** The group of a model. */
    public Group group(String modelId) {
        return Objects.requireNonNull(groups.get(groupOf.get(modelId)), modelId);
    }
}
