package llmsnap;

import com.sun.management.HotSpotDiagnosticMXBean;
import java.io.IOException;
import java.io.InputStream;
import java.lang.management.ManagementFactory;
import java.lang.reflect.Proxy;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;
import llmsnap.config.Config;
import llmsnap.config.ConfigReader;
import llmsnap.http.Server;
import llmsnap.http.Tls;
import llmsnap.observe.Activity;
import llmsnap.observe.Insight;
import llmsnap.observe.Log;
import llmsnap.observe.Prometheus;
import llmsnap.process.Leftovers;
import llmsnap.process.ModelServer;
import llmsnap.swap.SwapLoop;

/** Reads the arguments and the configuration, puts the parts together, and ends them on a signal. Only main exits. */
public final class Main {
    private static final String DEFAULT_CONFIG = "config.yaml";
    private static final int SHUTDOWN_SECONDS = 5;
    private static final long QUIET_HEAP_BYTES = 32L << 20;

    private Main() {}

    /** A reason to stop at once: the sentence for stderr and the exit status. */
    private static final class Stop extends Exception {
        private static final long serialVersionUID = 1;
        final int status;

        Stop(int status, String message) {
            super(message, null, false, false);
            this.status = status;
        }
    }

    /** Runs the server until a signal ends it. Exit status 1: configuration or address; 2: command line. */
    public static void main(String[] args) throws InterruptedException {
        int status = 0;
        try {
            run(args);
        } catch (Stop e) {
            (e.status == 0 ? System.out : System.err).println("llmsnap: ".repeat(e.status == 0 ? 0 : 1) + e.getMessage().strip());
            status = e.status;
        }
        System.exit(status);
    }

    private static void run(String[] args) throws Stop, InterruptedException {
        Arguments arguments;
        InetSocketAddress address;
        try {
            arguments = Arguments.parse(args);
            int port = arguments.port();
            address = arguments.host().isEmpty() ? new InetSocketAddress(port) : new InetSocketAddress(arguments.host(), port);
        } catch (IllegalArgumentException e) {
            throw new Stop(2, e.getMessage());
        }
        if (arguments.help()) throw new Stop(0, Arguments.USAGE);
        Properties version = version();
        if (arguments.version()) throw new Stop(0, "llmsnap " + version.getProperty("version") + " (" + version.getProperty("commit") + ", " + version.getProperty("date") + ")");
        String stamp = Reload.stamp(Path.of(configFile(arguments)));
        Config config = arguments.demo() ? read("the demo", demo()) : read(arguments.config());
        if (arguments.checkConfig()) throw new Stop(0, CheckConfig.describe(config) + "the configuration is valid");
        if (address.isUnresolved()) throw new Stop(1, "--listen: there is no host " + arguments.host());
        serve(arguments, address, config, stamp, version);
    }

    // ---- configuration

    private static Config read(String given) throws Stop {
        String file = given == null ? DEFAULT_CONFIG : given;
        try {
            return read(file, Files.readAllBytes(Path.of(file)));
        } catch (NoSuchFileException e) {
            throw new Stop(1, "there is no file " + file + (given == null ? " here; name one with --config FILE, or try llmsnap without one: --demo" : ""));
        } catch (IOException e) {
            throw new Stop(1, "cannot read " + file + ": " + e.getMessage());
        }
    }

    private static String configFile(Arguments arguments) {
        return arguments.config() == null ? DEFAULT_CONFIG : arguments.config();
    }

    /** Reads a configuration; its problems go to stderr, one per line. */
    private static Config read(String file, byte[] text) throws Stop {
        ConfigReader.Result result = ConfigReader.read(text, System::getenv, Map.of());
        result.warnings().forEach(problem -> System.err.println(problem.at(file) + " (warning)"));
        result.errors().forEach(problem -> System.err.println(problem.at(file)));
        if (result.config() == null) {
            int count = result.errors().size();
            throw new Stop(1, file + " has " + (count == 1 ? "an error" : count + " errors") + "; nothing was started");
        }
        return result.config();
    }

    /** Two simulated models, run from this jar. */
    private static byte[] demo() {
        String program = Path.of(System.getProperty("java.home"), "bin", "java").toString();
        StringBuilder yaml = new StringBuilder("models:\n");
        for (String name : new String[] {"small", "large"}) {
            yaml.append("  ").append(name).append(":\n    name: \"simulated ").append(name).append(" model\"\n    cmd:\n");
            for (String word : new String[] {program, "-Xrs", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx64m", "-cp", System.getProperty("java.class.path"),
                    "llmsnap.demo.SimulatedModel", "--port", "${PORT}", "--name", name, "--ready-ms", name.equals("small") ? "500" : "1500", "--token-ms", "30"}) {
                yaml.append("      - '").append(word.replace("'", "''")).append("'\n");
            }
        }
        return yaml.toString().getBytes(StandardCharsets.UTF_8);
    }

    private static Properties version() {
        Properties properties = new Properties();
        try (InputStream in = Main.class.getResourceAsStream("version.properties")) {
            if (in != null) properties.load(in);
        } catch (IOException e) {
            // then it is not known
        }
        for (String key : new String[] {"version", "commit", "date"}) properties.putIfAbsent(key, "unknown");
        return properties;
    }

    // ---- serving

    private static void serve(Arguments arguments, InetSocketAddress address, Config config, String stamp, Properties version) throws Stop, InterruptedException {
        Log log = new Log(config.logging());
        Prometheus prometheus = new Prometheus(version.getProperty("version"));
        Insight insight = new Insight(log, new Activity(config, prometheus::count), prometheus);
        CompletableFuture<HttpClient> client = new CompletableFuture<>();
        Leftovers leftovers = new Leftovers();
        SwapLoop loop = new SwapLoop(config, new ModelServer.Factory(leftovers, log, client::join), observer(insight));
        Reload reload = new Reload(arguments.demo() ? null : Path.of(configFile(arguments)), stamp, loop, insight);
        Server server;
        try {
            Tls tls = arguments.tlsCert() == null ? null : new Tls(Path.of(arguments.tlsCert()), Path.of(arguments.tlsKey()));
            reload.alsoTls(tls);
            server = new Server(address, tls, arguments.maxBody(), loop, insight, client::join, reload::now, version);
        } catch (IOException e) {
            throw new Stop(1, e instanceof java.net.BindException ? "cannot listen on " + arguments.listen() + ": " + e.getMessage()
                + "; choose another address with --listen HOST:PORT" : e.getMessage());
        }
        CompletableFuture<String> signal = onSignals(loop, reload);
        server.start();
        loop.started();
        String url = announce(arguments, address, server, config, version);
        log.startStdout();
        Thread.ofPlatform().daemon().name("warm-up").start(() -> {
            leftovers.end(log);
            preload(loop, log);
            warmUp(client, server, url);
        });
        if (arguments.watchConfig()) reload.watch();
        String name = signal.join();
        log.info("got " + name + ", stopping");
        CompletableFuture<Void> models = CompletableFuture.runAsync(() -> shutdown(loop), task -> Thread.ofVirtual().start(task));
        server.stop(SHUTDOWN_SECONDS);
        models.join();
        log.info("stopped");
        log.flush();
    }

    private static void shutdown(SwapLoop loop) {
        try {
            loop.shutdown();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private static SwapLoop.Observer observer(Insight insight) {
        return new SwapLoop.Observer() {
            @Override public void info(String line) {
                insight.log().info(line);
            }

            @Override public void warn(String line) {
                insight.log().warn(line);
            }

            @Override public void loaded(String model, long millis) {
                insight.prometheus().loaded(model, millis);
            }
        };
    }

    /** Prints the first lines. @return the address as a URL */
    private static String announce(Arguments arguments, InetSocketAddress address, Server server, Config config, Properties version) {
        String host = address.getAddress().isAnyLocalAddress() ? "localhost" : arguments.host().contains(":") ? "[" + arguments.host() + "]" : arguments.host();
        String url = (arguments.tlsCert() == null ? "http://" : "https://") + host + ":" + server.address().getPort();
        System.out.println("llmsnap " + version.getProperty("version") + "\nlistening on " + url + "\nUI at " + url + "/ui\n"
            + config.models().size() + (config.models().size() == 1 ? " model" : " models"));
        if (!address.getAddress().isLoopbackAddress() && config.apiKeys().isEmpty()) {
            System.out.println("WARNING: anybody who can reach port " + server.address().getPort() + " of this machine may use and control the models:"
                + " set apiKeys in the configuration, or listen on 127.0.0.1");
        }
        System.out.flush();
        return url;
    }

    /** Loads the models of hooks.on_startup.preload, those that may live together side by side. */
    private static void preload(SwapLoop loop, Log log) {
        for (String id : loop.config().preload()) {
            SwapLoop.Ticket ticket = loop.request(id, why -> { });
            Thread.ofVirtual().name("preload " + id).start(() -> {
                try {
                    ticket.await().close();
                } catch (SwapLoop.Refused e) {
                    log.warn("preload of " + id + ": " + e.getMessage());
                } catch (InterruptedException e) {
                    ticket.cancel();
                }
            });
        }
    }

    /** What would make the first request slow, done in the background once the port is open. */
    private static void warmUp(CompletableFuture<HttpClient> client, Server server, String url) {
        try {
            client.complete(Server.newClient());
        } catch (RuntimeException | Error e) {
            client.completeExceptionally(e);
            return;
        }
        try {
            client.join().send(HttpRequest.newBuilder(URI.create(url + "/health")).build(), HttpResponse.BodyHandlers.discarding());
            ModelServer.warmUp();
            giveHeapBackWhenQuiet(server);
        } catch (IOException | InterruptedException e) {
            // then the first request pays for it
        }
    }

    /**
     * Without flags the JVM takes a 64th of the machine's memory at start, and keeps what its heap once grew to. So a
     * collection that gives memory back is asked for when nobody has asked for anything for a second; it takes some ms.
     */
    private static void giveHeapBackWhenQuiet(Server server) throws InterruptedException {
        try {
            var options = ManagementFactory.getPlatformMXBean(HotSpotDiagnosticMXBean.class);
            options.setVMOption("MinHeapFreeRatio", "10");
            options.setVMOption("MaxHeapFreeRatio", "30");
        } catch (RuntimeException e) {
            return;     // another collector, or another JVM
        }
        long kept = 0;
        while (true) {
            Thread.sleep(1_000);
            if (Runtime.getRuntime().totalMemory() <= Math.max(kept, QUIET_HEAP_BYTES) || !server.isQuietFor(1_000)) continue;
            System.gc();
            kept = Runtime.getRuntime().totalMemory();
        }
    }

    /**
     * Completed with the first SIGTERM's or SIGINT's name; a second one kills at once. SIGHUP reads the configuration again. By reflection, since javac warns of
     * sun.misc in a way that cannot be turned off; without it the JVM's own handling holds, which ends with status 143.
     */
    private static CompletableFuture<String> onSignals(SwapLoop loop, Reload reload) {
        CompletableFuture<String> first = new CompletableFuture<>();
        AtomicInteger count = new AtomicInteger();
        try {
            Class<?> signal = Class.forName("sun.misc.Signal");
            Class<?> handler = Class.forName("sun.misc.SignalHandler");
            Object proxy = Proxy.newProxyInstance(Main.class.getClassLoader(), new Class<?>[] {handler}, (self, method, arguments) -> {
                if (!method.getName().equals("handle")) return null;
                if (arguments[0].toString().equals("SIGHUP")) {
                    Thread.ofVirtual().start(reload::now);
                } else if (count.incrementAndGet() == 1) {
                    first.complete(arguments[0].toString());
                } else {
                    loop.killAll();
                    Runtime.getRuntime().halt(130);
                }
                return null;
            });
            for (String name : new String[] {"TERM", "INT", "HUP"}) {
                signal.getMethod("handle", signal, handler).invoke(null, signal.getConstructor(String.class).newInstance(name), proxy);
            }
        } catch (ReflectiveOperationException | IllegalArgumentException e) {
            Runtime.getRuntime().addShutdownHook(new Thread(() -> first.complete("end of the process")));
        }
        return first;
    }
}
