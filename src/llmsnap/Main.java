package llmsnap;


import java.io.IOException;
import java.io.InputStream;
import java.nio.file.NoSuchFileException;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import llmsnap.config.Config;
import llmsnap.config.ConfigReader.Text;
import llmsnap.config.ConfigReader;
import llmsnap.config.Machine;
import llmsnap.config.Problems;
import llmsnap.config.SchemaWriter;
import llmsnap.config.Summary;
import llmsnap.platform.JdkHttp;
import llmsnap.platform.Memories;
import llmsnap.platform.ModelFiles;

/** Reads the arguments and the configuration, has an {@link App} run, and exits. */
public final class Main {
    private static final int MAX_WARNINGS = 3;

    private Main() {}

    /**
     * Runs the server until a signal ends it. Status 1: configuration or address; 2: command line.
     */
    public static void main(String[] args) throws InterruptedException {
        int status = 0;
        try {
            start(args);
        } catch (Exit e) {
            status = e.status;
            String text = e.getMessage().strip();
            if (status == 0) System.out.println(text);
            else System.err.println("llmsnap: " + text);
        }
        System.exit(status);
    }

    private static void start(String[] args) throws Exit, InterruptedException {
        Arguments arguments = Arguments.parse(args);
        if (arguments.has("help")) throw new Exit(0, Arguments.USAGE);
        Properties version = version();
        if (arguments.has("version")) {
            throw new Exit(0, "llmsnap " + version.getProperty("version") + " ("
                + version.getProperty("commit") + ", " + version.getProperty("date") + ")");
        }
        if (arguments.has("schema")) throw new Exit(0, SchemaWriter.json().toString());
        JdkHttp.warmUp();
        ConfigFiles files = ConfigFiles.of(arguments);
        List<String> stamps = files.stamps();
        boolean check = arguments.has("check-config");
        var machine = new ThisMachine(new Memories(warning ->
            System.err.println(warning + " (warning)")), new ModelFiles());
        Config config = read(arguments, files, machine, check);
        warnOfItself(arguments, config);
        if (check) {
            throw new Exit(0, Summary.of(config) + ThisMachine.missing(config)
                + "the configuration is valid");
        }
        if (arguments.address().isUnresolved()) {
            throw new Exit(1, "--listen: there is no host " + arguments.host());
        }
        new App(arguments, files, version, machine, config).run(stamps);
    }

    /** A peer that is this server would be asked by itself for ever. */
    private static void warnOfItself(Arguments arguments, Config config) throws Exit {
        for (Config.Peer peer : config.peers().byId().values()) {
            Config.Address proxy = peer.proxy();
            boolean here = proxy.isLocal() || proxy.host().equals(arguments.host());
            if (!here || proxy.port() != arguments.port()) continue;
            System.err.println("the peer \"" + peer.id() + "\" (" + proxy
                + ") is this server itself; requests for it get 508 (warning)");
        }
    }

    private static Config read(Arguments arguments, ConfigFiles files, Machine machine,
            boolean check) throws Exit {
        try {
            return read(files.name(), files.read(), machine, check);
        } catch (NoSuchFileException e) {
            String hint = " here; name one with --config FILE, say where GGUF files are with"
                + " --models DIR, or try llmsnap without either: --demo";
            throw new Exit(1, e.getReason() + (arguments.value("config") == null ? hint : ""));
        } catch (IOException e) {
            throw new Exit(1, e.getMessage());
        }
    }

    /** Reads a configuration; its problems go to stderr, one per line. */
    private static Config read(String file, List<Text> texts, Machine machine, boolean check)
            throws Exit {
        ConfigReader.Result result = ConfigReader.read(texts, System::getenv, Map.of(), machine);
        List<String> warnings = Problems.grouped(result.warnings(), file);
        int shown = check || warnings.size() <= MAX_WARNINGS ? warnings.size() : MAX_WARNINGS - 1;
        for (String each : warnings.subList(0, shown)) System.err.println(each + " (warning)");
        if (shown < warnings.size()) {
            System.err.println(file + ": " + (warnings.size() - shown) + " more warnings;"
                + " --check-config shows all");
        }
        for (String each : Problems.grouped(result.errors(), file)) System.err.println(each);
        if (result.config() != null) return result.config();
        int count = result.errors().size();
        String errors = count == 1 ? "an error" : count + " errors";
        throw new Exit(1, file + " has " + errors + "; nothing was started");
    }

    /** version, commit and date of this program. */
    private static Properties version() {
        var properties = new Properties();
        try (InputStream in = Main.class.getResourceAsStream("version.properties")) {
            if (in != null) properties.load(in);
        } catch (IOException e) {
            // then it is not known
        }
        for (String key : List.of("version", "commit", "date")) {
            properties.putIfAbsent(key, "unknown");
        }
        return properties;
    }
}
