package llmsnap;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import llmsnap.text.Words;

/**
 * The command line. One dash works like two, {@code --x=y} like {@code --x y}.
 *
 * @param listen host and port; a missing host means every interface
 * @param tlsCert PEM file for HTTPS, null for HTTP; {@code tlsKey} likewise
 * @param maxBody of a request, in bytes
 */
record Arguments(String config, String listen, String tlsCert, String tlsKey, long maxBody, boolean watchConfig, boolean checkConfig, boolean demo, boolean version, boolean help) {
    static final String USAGE = """
        usage: java -jar llmsnap.jar [flags]
          --config FILE          the configuration, config.yaml when not given
          --listen [HOST]:PORT   where to listen, 127.0.0.1:8080 when not given; :8080 is every interface
          --watch-config         read the configuration again when its file changes (so do SIGHUP and POST /api/reload)
          --tls-cert-file FILE   serve HTTPS with this PEM certificate (and its chain),
          --tls-key-file FILE    and this PEM key
          --max-body SIZE        largest request body, like 500MB or 2GB; 1GB when not given
          --check-config         only check the configuration, print what was understood, exit 1 on errors
          --demo                 no configuration: two simulated models, to try llmsnap without any
          --version              print the version
          --help                 print this
        """;

    private static final Map<String, Boolean> TAKES_VALUE = new LinkedHashMap<>();

    static {
        for (String flag : List.of("config", "listen", "tls-cert-file", "tls-key-file", "max-body")) TAKES_VALUE.put(flag, true);
        for (String flag : List.of("watch-config", "check-config", "demo", "version", "help")) TAKES_VALUE.put(flag, false);
    }

    /** Reads the arguments. @throws IllegalArgumentException with a sentence */
    static Arguments parse(String[] args) {
        Map<String, String> given = new LinkedHashMap<>();
        List<String> left = new ArrayList<>(List.of(args));
        while (!left.isEmpty()) {
            String arg = left.removeFirst();
            if (!arg.startsWith("-")) throw new IllegalArgumentException("\"" + arg + "\" is no flag; a configuration file is given with --config " + arg);
            String flag = arg.replaceFirst("^--?", "");
            String value = null;
            int equals = flag.indexOf('=');
            if (equals >= 0) {
                value = flag.substring(equals + 1);
                flag = flag.substring(0, equals);
            }
            if (flag.equals("h")) flag = "help";
            Boolean takesValue = TAKES_VALUE.get(flag);
            if (takesValue == null) {
                String nearest = Words.nearest(flag, TAKES_VALUE.keySet());
                throw new IllegalArgumentException("there is no flag " + arg + (nearest == null ? "; see --help" : "; did you mean --" + nearest + "?"));
            }
            if (takesValue && value == null) {
                if (left.isEmpty()) throw new IllegalArgumentException("--" + flag + " needs a value");
                value = left.removeFirst();
            }
            if (!takesValue && value != null && !value.equals("true") && !value.equals("false")) {
                throw new IllegalArgumentException("--" + flag + " takes no value");
            }
            given.put(flag, value == null ? "true" : value);
        }
        if (given.containsKey("tls-cert-file") != given.containsKey("tls-key-file")) {
            throw new IllegalArgumentException("--tls-cert-file and --tls-key-file go together");
        }
        return new Arguments(given.get("config"), given.getOrDefault("listen", "127.0.0.1:8080"), given.get("tls-cert-file"), given.get("tls-key-file"),
            bytes(given.getOrDefault("max-body", "1GB")), given.getOrDefault("watch-config", "false").equals("true"), given.getOrDefault("check-config", "false").equals("true"),
            given.getOrDefault("demo", "false").equals("true"), given.getOrDefault("version", "false").equals("true"), given.getOrDefault("help", "false").equals("true"));
    }

    private static long bytes(String size) {
        var matcher = java.util.regex.Pattern.compile("([0-9]{1,15})\\s*([KMGT]?)i?B?", java.util.regex.Pattern.CASE_INSENSITIVE).matcher(size.strip());
        if (!matcher.matches()) throw new IllegalArgumentException("--max-body " + size + " is no size; write bytes, or a number with KB, MB or GB");
        return Long.parseLong(matcher.group(1)) << 10 * " KMGT".indexOf(matcher.group(2).isEmpty() ? " " : matcher.group(2).toUpperCase(java.util.Locale.ROOT));
    }

    /** The host of {@link #listen}, "" for every interface. @throws IllegalArgumentException with a sentence */
    String host() {
        int colon = listen.lastIndexOf(':');
        return colon < 0 ? "" : listen.substring(0, colon).replaceAll("^\\[|]$", "");
    }

    /** The port of {@link #listen}; 0 lets the system choose. @throws IllegalArgumentException with a sentence */
    int port() {
        String text = listen.substring(listen.lastIndexOf(':') + 1);
        if (!text.matches("[0-9]{1,5}") || Integer.parseInt(text) > 65535) {
            throw new IllegalArgumentException("--listen " + listen + " has no port; write HOST:PORT, or :PORT for every interface");
        }
        return Integer.parseInt(text);
    }
}
