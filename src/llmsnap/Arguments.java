package llmsnap;

import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import llmsnap.text.Nearest;
import llmsnap.text.Size;

/**
 * The command line. One dash works like two, {@code --x=y} like {@code --x y}.
 *
 * @param values by flag, without dashes
 */
record Arguments(Map<String, String> values) {
    static final String USAGE = """
        usage: java -jar llmsnap.jar [flags]
          --config FILE          the configuration, config.yaml when not given
          --config-dir DIR       all *.yaml in it, put together; repeatable, also beside --config
          --models DIR           each GGUF in it is a model, no configuration is needed; repeatable
          --llama-server FILE    the program for them; llama-server on the PATH when not given
          --listen [HOST]:PORT   where to listen, 127.0.0.1:8080 when not given; :8080 is every interface
          --watch-config         read the configuration again when its file changes (so do SIGHUP and POST /api/reload)
          --tls-cert-file FILE   serve HTTPS with this PEM certificate (and its chain),
          --tls-key-file FILE    and this PEM key
          --max-body SIZE        largest request body, like 500MB or 2GB; 1GB when not given
          --edit-config          the configuration may be edited in the web UI
          --schema               print a JSON Schema of the configuration, for editors
          --check-config         only check the configuration, print what was understood, exit 1 on errors
          --demo                 no configuration: three simulated models, to try llmsnap without
          --version              print the version
          --help                 print this
        """;

    private static final Set<String> WITH_VALUE =
        Set.of("config", "listen", "tls-cert-file", "tls-key-file", "max-body", "llama-server");
    private static final Set<String> REPEATABLE = Set.of("config-dir", "models");
    private static final String SEPARATOR = "\0";
    private static final Set<String> ALONE =
        Set.of("watch-config", "check-config", "schema", "edit-config", "demo", "version", "help");
    private static final int MAX_PORT = 65_535;

    /** Reads the arguments. @throws Exit with a sentence */
    static Arguments parse(String[] args) throws Exit {
        Map<String, String> given = new HashMap<>();
        List<String> left = new ArrayList<>(List.of(args));
        while (!left.isEmpty()) take(left, given);
        var arguments = new Arguments(given);
        if (given.containsKey("tls-cert-file") != given.containsKey("tls-key-file")) {
            throw new Exit(2, "--tls-cert-file and --tls-key-file go together");
        }
        for (String flag : List.of("config", "config-dir", "models")) {
            if (arguments.has("demo") && given.containsKey(flag)) {
                throw new Exit(2, "--demo takes no --" + flag);
            }
        }
        arguments.port();
        arguments.maxBody();
        return arguments;
    }

    private static void take(List<String> left, Map<String, String> given) throws Exit {
        String arg = left.removeFirst();
        if (!arg.startsWith("-")) {
            throw new Exit(2,
                "\"" + arg + "\" is no flag; a configuration file is given with --config " + arg);
        }
        String[] parts = arg.replaceFirst("^--?", "").split("=", 2);
        String flag = parts[0].equals("h") ? "help" : parts[0];
        String value = parts.length == 2 ? parts[1] : null;
        boolean several = REPEATABLE.contains(flag);
        if (several || WITH_VALUE.contains(flag)) {
            if (value == null && left.isEmpty()) {
                throw new Exit(2, "--" + flag + " needs a value");
            }
            if (value == null) value = left.removeFirst();
            if (several) given.merge(flag, value, (first, next) -> first + SEPARATOR + next);
            else given.put(flag, value);
        } else if (ALONE.contains(flag)) {
            if (value == null) value = "true";
            if (!Set.of("true", "false").contains(value)) {
                throw new Exit(2, "--" + flag + " takes no value");
            }
            given.put(flag, value);
        } else {
            throw new Exit(2, "there is no flag " + arg + hint(flag));
        }
    }

    private static String hint(String flag) {
        List<String> known = Stream.of(WITH_VALUE, REPEATABLE, ALONE).flatMap(Set::stream)
            .sorted().toList();
        String nearest = Nearest.of(flag, known);
        return nearest == null ? "; see --help" : "; did you mean --" + nearest + "?";
    }

    /** Whether a flag that takes no value is given. */
    boolean has(String flag) {
        return "true".equals(values.get(flag));
    }

    /** The value of a flag, or null. */
    String value(String flag) {
        return values.get(flag);
    }

    /** The values of a flag that may be given several times. */
    List<String> values(String flag) {
        String all = values.get(flag);
        return all == null ? List.of() : List.of(all.split(SEPARATOR));
    }

    /** Host and port; a colon without a host means every interface, a port alone this machine. */
    String listen() {
        return values.getOrDefault("listen", "127.0.0.1:8080");
    }

    /** The largest request body, in bytes. */
    long maxBody() throws Exit {
        String size = values.getOrDefault("max-body", "1GB").strip();
        long bytes = Size.parse(size);
        if (bytes < 0) {
            throw new Exit(2, "--max-body " + size + " is no size; write " + Size.FORMS);
        }
        if (bytes == Long.MAX_VALUE) {
            throw new Exit(2, "--max-body " + size + " is more than any machine has");
        }
        return bytes;
    }

    /** The host to listen on, without brackets; "" for every interface. */
    String host() {
        int colon = listen().lastIndexOf(':');
        return colon < 0 ? "127.0.0.1" : listen().substring(0, colon).replaceAll("^\\[|]$", "");
    }

    /** The port to listen on; 0 lets the system choose. */
    int port() throws Exit {
        String text = listen().substring(listen().lastIndexOf(':') + 1);
        boolean valid = text.matches("[0-9]{1,5}") && Integer.parseInt(text) <= MAX_PORT;
        if (valid) return Integer.parseInt(text);
        throw new Exit(2, "--listen " + listen()
            + " has no port up to 65535; write HOST:PORT, or :PORT for every interface");
    }

    /** Where to listen; unresolved when there is no such host. */
    InetSocketAddress address() throws Exit {
        boolean any = host().isEmpty();
        return any ? new InetSocketAddress(port()) : new InetSocketAddress(host(), port());
    }
}
