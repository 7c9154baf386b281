package llmsnap;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import llmsnap.config.Config;
import llmsnap.config.Config.Group;
import llmsnap.config.Config.Model;
import llmsnap.config.ConfigReader;
import llmsnap.config.Machine;
import llmsnap.config.Problems.Problem;
import llmsnap.http.server.Failure;
import llmsnap.http.server.Tls;
import llmsnap.models.ModelPool;
import llmsnap.models.ModelState;
import llmsnap.models.ModelStatus;
import llmsnap.platform.Guard;
import llmsnap.record.Activity;
import llmsnap.record.Log;
import llmsnap.text.Json;

/**
 * Reads the configuration again: on request, on SIGHUP, or when its file changes; the TLS files
 * with it. A broken file changes nothing.
 */
final class Reload {
    private static final long LOOK_MS = 500;

    /**
     * Where things come from.
     *
     * @param config null in the demo
     * @param tls null without HTTPS
     * @param exposed others than this machine reach the server
     */
    record Sources(Path config, Tls tls, boolean exposed, Machine machine) {
        /** Tells one state of the files from another, the configuration's first. */
        private List<String> stamps() {
            List<Path> files = new ArrayList<>(List.of(config));
            if (tls != null) files.addAll(tls.files());
            return new ArrayList<>(files.stream().map(Reload::stamp).toList());
        }
    }

    private final Sources sources;
    private final ModelPool pool;
    private final Activity activity;
    private final Log log;
    private final Guard guard = new Guard();     // one reload at a time

    Reload(Sources sources, ModelPool pool, Activity activity, Log log) {
        this.sources = sources;
        this.pool = pool;
        this.activity = activity;
        this.log = log;
    }

    /** The ports of models that are loaded, by id: these keep theirs. */
    private Map<String, Integer> ports() {
        Map<String, Integer> ports = new HashMap<>();
        for (ModelStatus status : pool.statuses()) {
            int port = status.model().launch().port();
            if (port > 0 && status.state() != ModelState.STOPPED) ports.put(status.id(), port);
        }
        return ports;
    }

    /**
     * Reads the file and puts it in force.
     *
     * @return what changed
     * @throws Failure with the problems
     */
    Json.Obj now() throws Failure {
        guard.lock();
        try {
            if (sources.tls != null) reloadTls();
            return read();
        } catch (NoSuchFileException e) {
            throw failed(List.of("there is no file " + sources.config.toAbsolutePath()));
        } catch (FileSystemException e) {
            throw failed(List.of("cannot read " + sources.config + ": " + e));
        } catch (IOException e) {
            throw failed(List.of(e.getMessage()));
        } finally {
            guard.unlock();
        }
    }

    /** A broken certificate keeps no configuration from being taken, nor the other way round. */
    private void reloadTls() {
        try {
            sources.tls.reload();
        } catch (IOException e) {
            log.error("the certificate in force stays: " + e.getMessage());
        }
    }

    /** For those who wait for no answer: the log says what came of it. */
    void unasked() {
        try {
            now();
        } catch (Failure e) {
            log.debug("the configuration in force stays");
        } catch (RuntimeException | Error e) {
            log.error("configuration not reloaded: " + e);
        }
    }

    private Json.Obj read() throws Failure, IOException {
        Path file = sources.config;
        if (file == null) throw failed(List.of("there is no configuration file"));
        byte[] text = Files.readAllBytes(file);
        boolean empty = new String(text, UTF_8).isBlank();
        if (empty) throw failed(List.of(file + " is empty: not written yet?"));
        ConfigReader.Result result = ConfigReader.read(text, System::getenv, ports(),
            sources.machine);
        List<String> warnings = printed(result.warnings());
        warnings.forEach(log::warn);
        if (result.config() == null) throw failed(printed(result.errors()));
        if (losesAll(result.config())) {
            throw failed(List.of(file + " has no model any more, or only groups without one;"
                + " models that are loaded would all go: restart llmsnap if that is meant"));
        }
        if (losesKeys(result.config())) {
            throw failed(List.of(file + " has no apiKeys any more, and others than this machine"
                + " reach this server: restart llmsnap if everybody is meant to control it"));
        }
        Json.Obj report = apply(result.config());
        return warnings.isEmpty() ? report : report.with("warnings", warnings);
    }

    private boolean losesKeys(Config to) {
        boolean had = !pool.config().settings().entry().apiKeys().isEmpty();
        return sources.exposed && had && to.settings().entry().apiKeys().isEmpty();
    }

    /** Whether it looks like half a file: there were models, and now there are none. */
    private boolean losesAll(Config to) {
        List<Group> groups = to.groups().byName().values().stream()
            .filter(group -> !group.name().equals(Config.DEFAULT_GROUP)).toList();
        boolean emptyGroups = !groups.isEmpty()
            && groups.stream().allMatch(group -> group.members().isEmpty());
        return !pool.config().models().isEmpty() && (to.models().isEmpty() || emptyGroups);
    }

    private List<String> printed(List<Problem> problems) {
        return problems.stream().map(problem -> problem.at(sources.config.toString())).toList();
    }

    private Failure failed(List<String> problems) {
        problems.forEach(problem -> log.error("configuration not reloaded: " + problem));
        String message = "the configuration was not reloaded: " + String.join("; ", problems);
        return new Failure(400, message).as("invalid_config", null).with("problems", problems);
    }

    private Json.Obj apply(Config to) {
        Map<String, Model> before = pool.config().models();
        Map<String, Model> after = to.models();
        List<String> added = new ArrayList<>(after.keySet());
        added.removeAll(before.keySet());
        List<String> removed = new ArrayList<>(before.keySet());
        removed.removeAll(after.keySet());
        List<String> changed = after.values().stream()
            .filter(model -> before.containsKey(model.id())
            && !model.equals(before.get(model.id())))
            .map(Model::id).toList();
        log.configure(to.settings().logging());
        log.forgetAllBut(after.keySet());
        activity.configure(to.settings().kept());
        pool.reconfigure(to);
        log.info("configuration reloaded: added " + added + ", changed " + changed + ", removed "
            + removed);
        return Json.obj("added", added, "changed", changed, "removed", removed);
    }

    /**
     * Looks at the files from now on; a change counts when two looks agree: a burst counts once.
     *
     * @param read the {@link #stamp} of the configuration before it was first read
     */
    void watch(String read) {
        if (sources.config == null) return;     // the demo has no file
        Thread.ofPlatform().daemon().name("watch-config").start(() -> {
            List<String> loaded = sources.stamps();
            loaded.set(0, read);
            List<String> before = loaded;
            try {
                while (true) {
                    TimeUnit.MILLISECONDS.sleep(LOOK_MS);
                    List<String> now = sources.stamps();
                    boolean settled = now.equals(before) && !now.equals(loaded)
                        && !now.contains("");
                    if (now.getFirst().isEmpty() && !before.getFirst().isEmpty()) {
                        log.warn("the configuration file is gone; what it said stays in force");
                    }
                    before = now;
                    if (!settled) continue;
                    loaded = now;
                    unasked();
                }
            } catch (InterruptedException e) {
                // it is the end of this thread
            }
        });
    }

    /**
     * Tells one state of a file from another, also behind a switched symlink; "" when it is not
     * there.
     */
    static String stamp(Path file) {
        try {
            BasicFileAttributes attributes = Files.readAttributes(file, BasicFileAttributes.class);
            return file.toRealPath() + " " + attributes.lastModifiedTime() + " " + attributes.size()
                + " " + attributes.fileKey();
        } catch (IOException e) {
            return "";
        }
    }
}
