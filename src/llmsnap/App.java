package llmsnap;


import java.io.IOException;
import java.net.BindException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Path;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;
import llmsnap.config.Config;
import llmsnap.config.Config.Address;
import llmsnap.http.RouteTable;
import llmsnap.http.api.ActivityRoutes;
import llmsnap.http.api.Events;
import llmsnap.http.api.LogRoutes;
import llmsnap.http.api.ModelRoutes;
import llmsnap.http.api.OperateRoutes;
import llmsnap.http.proxy.BodyReader;
import llmsnap.http.proxy.Dispatcher;
import llmsnap.http.proxy.Inference;
import llmsnap.http.proxy.Names;
import llmsnap.http.proxy.PeerModels;
import llmsnap.http.proxy.ReverseProxy;
import llmsnap.http.proxy.ReverseProxy.Clients;
import llmsnap.http.server.Internals;
import llmsnap.http.server.Server;
import llmsnap.http.server.Tls;
import llmsnap.models.Event;
import llmsnap.models.ModelPool;
import llmsnap.platform.IdleHeap;
import llmsnap.platform.Proc;
import llmsnap.platform.Signals;
import llmsnap.process.Leftovers;
import llmsnap.process.Meter;
import llmsnap.process.ModelServer;
import llmsnap.process.PromptCaches;
import llmsnap.record.Activity;
import llmsnap.record.History;
import llmsnap.record.Log;
import llmsnap.record.Metrics;

/** Puts the parts together, starts them, and ends them on a signal. */
final class App {
    private static final int SHUTDOWN_SECONDS = 5;
    private static final int KILLED_STATUS = 130;

    private final Arguments arguments;
    private final ConfigFiles files;
    private final Properties version;
    private final ThisMachine machine;
    private final Log log;
    private final Metrics metrics;
    private final Activity activity;
    private final History history;
    private final ModelPool pool;
    private final AtomicInteger signals = new AtomicInteger();
    private final Leftovers leftovers;
    private final Meter meter;
    private final CompletableFuture<Clients> clients = new CompletableFuture<>();

    /**
     * What it is started with.
     *
     * @param files the configuration's
     * @param version of this program, see {@link Main}
     */
    App(Arguments arguments, ConfigFiles files, Properties version, ThisMachine machine,
            Config config) {
        this.arguments = arguments;
        this.files = files;
        this.machine = machine;
        this.leftovers = new Leftovers(files.identity() + " " + arguments.listen());
        this.version = version;
        this.log = new Log(config.settings().logging(), Proc.isTerminal());
        this.metrics = new Metrics(version.getProperty("version"), Inference.MODEL_PATHS);
        this.history = new History(log);
        this.activity = new Activity(config.settings().kept(), row -> {
            metrics.count(row);
            history.ended(row);
        });
        this.meter = new Meter(machine.memory(), log);
        var servers = new ModelServer.Factory(leftovers, log,
            this::config, https -> clients.join().local(https), meter,
            new PromptCaches(() -> prompts(), log));
        this.pool = new ModelPool(config, servers, log::info, log::warn, metrics::loaded);
    }

    /** Serves until a signal ends it. @param stamps of the files before they were read */
    void run(List<String> stamps) throws Exit, InterruptedException {
        Tls tls = tls();
        var sources = new Reload.Sources(files, tls, isExposed(), edits(), machine);
        var reload = new Reload(sources, pool, activity, history, log);
        Server server = server(tls, reload);
        CompletableFuture<String> signal = onSignals(reload);
        var vitals = new Vitals(new InetSocketAddress(address(), server.port()), tls != null,
            pool::killAll);
        vitals.begin();
        history.configure(config().settings().kept().history());
        pool.onChange(new Chronicle(pool, history));
        activity.restore(history.last(config().settings().kept().rows()));
        history.start();
        server.start();
        announce(server);
        log.startStdout();
        meter.start(pool);
        // One after the other: the first request wants a core, too.
        inBackground(() -> clients.completeAsync(Clients::new, Runnable::run),
            () -> leftovers.end(log), ModelServer::warmUp, () -> warmUp(server), Internals::areOpen,
            BodyReader::sweep, () -> IdleHeap.watch(server::isQuietFor));
        vitals.watch(clients);
        pool.config().settings().hooks().preload().forEach(this::preload);
        pool.send(new Event.Tick());        // the clocks begin
        if (arguments.has("watch-config")) reload.watch(stamps);
        log.info("got " + signal.join() + ", stopping");
        Thread models = Thread.ofVirtual().start(this::stopModels);
        server.stop(SHUTDOWN_SECONDS);
        models.join();
        if (signals.get() > 1) halt();      // they ended because they were killed
        history.flush();
        log.info("stopped");
        log.flush();
    }

    private Tls tls() throws Exit {
        String certificate = arguments.value("tls-cert-file");
        if (certificate == null) return null;
        try {
            return new Tls(Path.of(certificate), Path.of(arguments.value("tls-key-file")));
        } catch (IOException e) {
            throw new Exit(1, e.getMessage());
        }
    }

    private Server server(Tls tls, Reload reload) throws Exit {
        var dispatcher = new Dispatcher(pool, new ReverseProxy(clients::join), activity,
            log);
        var bodies = new BodyReader(arguments.maxBody());
        var peers = new PeerModels(pool, log);
        var names = new Names(pool, peers);
        var logs = new LogRoutes(pool, names, log);
        var table = new RouteTable(new Inference(pool, names, bodies, dispatcher),
            new ModelRoutes(pool, names, bodies, version),
            new OperateRoutes(pool, bodies, history, reload),
            new Events(pool, names, activity, logs),
            new ActivityRoutes(pool, activity, metrics), logs);
        peers.start(clients::join);
        try {
            return new Server(arguments.address(), tls, table, this::entry, log);
        } catch (BindException e) {
            throw new Exit(1, "cannot listen on " + arguments.listen() + ": " + e.getMessage()
                + "; choose another address with --listen HOST:PORT");
        } catch (IOException e) {
            throw new Exit(1, e.getMessage());
        }
    }

    private Config config() {
        return pool.config();
    }

    private Config.PromptCache prompts() {
        return config().settings().kept().prompts();
    }

    private Config.Entry entry() {
        return config().settings().entry();
    }

    private InetAddress address() throws Exit {
        return arguments.address().getAddress();
    }

    /** Whether others than this machine reach it. */
    private boolean isExposed() throws Exit {
        return !address().isLoopbackAddress();
    }

    /** Whether the configuration may be edited by who may control the server. */
    private boolean edits() throws Exit {
        if (!arguments.has("edit-config")) return false;
        if (!isExposed() || !entry().apiKeys().isEmpty()) return true;
        throw new Exit(1, "--edit-config needs apiKeys in the configuration, or --listen 127.0.0.1:"
            + "PORT: everybody could have any program started");
    }

    private static String url(String scheme, String host, Server server) {
        return new Address(scheme, "", server.port(), "").at(host);
    }

    /** Prints the first lines. */
    private void announce(Server server) throws Exit {
        boolean any = address().isAnyLocalAddress();
        String scheme = arguments.value("tls-cert-file") == null ? "http" : "https";
        String url = url(scheme, any ? "localhost" : arguments.host(), server);
        int models = pool.config().models().size();
        System.out.println("llmsnap " + version.getProperty("version") + "\nlistening on " + url
            + "\nUI at " + url + "/ui\n" + models + (models == 1 ? " model" : " models"));
        if (entry().apiKeys().isEmpty() && isExposed()) {
            System.out.println("WARNING: anybody who can reach port " + server.port()
                + " of this machine"
                + " may use and control the models: set apiKeys in the configuration, or listen on"
                + " 127.0.0.1");
        }
        System.out.flush();
    }

    /** Loads a model in the background; those that may live together load side by side. */
    private void preload(String id) {
        pool.load(id, why -> log.warn("preload of " + id + ": " + why));
    }

    private interface Job {
        void run() throws Exit, IOException, InterruptedException;
    }

    /** What fails in one is no matter to the next. */
    private void inBackground(Job... jobs) {
        Thread.ofPlatform().daemon().name("background").start(() -> {
            for (Job job : jobs) {
                try {
                    job.run();
                } catch (Exception | Error e) {
                    log.debug("warm-up: " + e);
                }
            }
        });
    }

    /** What would make the first request slow. */
    private void warmUp(Server server) throws Exit, IOException, InterruptedException {
        // Our own certificate need not be one that we trust.
        if (arguments.value("tls-cert-file") != null) return;
        URI health = URI.create(url("http", address().getHostAddress(), server) + "/health");
        clients.join().local(false).send(HttpRequest.newBuilder(health).build(),
            BodyHandlers.discarding());
    }

    /**
     * Completed with the first ending signal's name; a second one kills at once; SIGHUP reloads.
     */
    private CompletableFuture<String> onSignals(Reload reload) {
        CompletableFuture<String> first = new CompletableFuture<>();
        Signals.handle(name -> {
            if (name.equals("SIGHUP")) {
                Thread.ofVirtual().start(reload::unasked);
            } else if (signals.incrementAndGet() == 1) {
                first.complete(name);
            } else {
                pool.killAll();
                halt();
            }
        });
        return first;
    }

    private static void halt() {
        Runtime.getRuntime().halt(KILLED_STATUS);
    }

    private void stopModels() {
        try {
            pool.shutdown();
        } catch (InterruptedException e) {
            // their end is not waited for
        }
    }
}
