package llmsnap;

import static java.nio.charset.StandardCharsets.UTF_8;
import static java.nio.file.StandardCopyOption.ATOMIC_MOVE;
import static java.nio.file.StandardCopyOption.COPY_ATTRIBUTES;
import static java.nio.file.StandardCopyOption.REPLACE_EXISTING;
import static java.util.stream.Collectors.mapping;
import static java.util.stream.Collectors.partitioningBy;
import static java.util.stream.Collectors.toList;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;
import java.util.regex.Pattern;
import llmsnap.config.Config;
import llmsnap.config.Config.Group;
import llmsnap.config.Config.Model;
import llmsnap.config.ConfigReader.Text;
import llmsnap.config.ConfigReader;
import llmsnap.config.Problems.Problem;
import llmsnap.http.api.OperateRoutes;
import llmsnap.http.server.Failure;
import llmsnap.http.server.Tls;
import llmsnap.models.ModelPool;
import llmsnap.models.ModelState;
import llmsnap.models.ModelStatus;
import llmsnap.platform.Guard;
import llmsnap.record.Activity;
import llmsnap.record.History;
import llmsnap.record.Log;
import llmsnap.text.Json;
import llmsnap.text.Place;

/**
 * Reads the configuration again: on request, on SIGHUP, or when its file changes; the TLS files
 * with it. A broken file changes nothing.
 */
final class Reload implements OperateRoutes.Editor {
    private static final long LOOK_MS = 500;
    /** Two seconds. */
    private static final int LOOKS_PER_FOLDERS = 4;

    /**
     * Where things come from.
     *
     * @param tls null without HTTPS
     * @param exposed others than this machine reach the server
     * @param edits the file may be changed by who may control the server
     */
    record Sources(ConfigFiles config, Tls tls, boolean exposed, boolean edits,
            ThisMachine machine) {
        /** Tells one state of the files from another. */
        private List<String> tlsStamps() {
            return tls == null ? List.of() : tls.files().stream().map(ConfigFiles::stamp).toList();
        }
    }

    private final Sources sources;
    private final ModelPool pool;
    private final Activity activity;
    private final History history;
    private final Log log;
    private final Guard guard = new Guard();     // one reload at a time
    /** Of what was read last without a warning; guarded by the guard. */
    private List<String> read = List.of();

    Reload(Sources sources, ModelPool pool, Activity activity, History history, Log log) {
        this.history = history;
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
    @Override public Json.Obj now() throws Failure {
        guard.lock();
        try {
            if (sources.tls != null) reloadTls();
            return read();
        } catch (NoSuchFileException e) {
            throw failed(List.of(e.getReason()));
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
        ConfigFiles files = sources.config;
        if (!files.mayChange()) throw failed(List.of("there is no configuration file"));
        List<Text> texts = files.read();
        for (Text each : texts) {
            // One of many may be empty for good.
            boolean one = texts.size() == 1 || each.name().equals(String.valueOf(files.file()));
            if (!one || !new String(each.utf8(), UTF_8).isBlank()) continue;
            String name = each.name().isEmpty() ? files.name() : each.name();
            throw failed(List.of(name + " is empty: not written yet?"));
        }
        List<String> state = new ArrayList<>(folders());
        boolean found = !state.isEmpty();
        for (Text each : texts) state.add(each.name() + new String(each.utf8(), UTF_8));
        // With thousands of models that are found, to read the same again takes its time.
        if (found && state.equals(read) && !hasMoved()) return apply(pool.config().again());
        ConfigReader.Result result = ConfigReader.read(texts, System::getenv, ports(),
            sources.machine);
        List<String> warnings = printed(result.warnings());
        warnings.forEach(log::warn);
        Config config = taken(result);
        read = warnings.isEmpty() ? state : List.of();
        Json.Obj report = apply(config);
        return warnings.isEmpty() ? report : report.with("warnings", warnings);
    }

    /** What can be put in force. @throws Failure with what forbids it */
    private Config taken(ConfigReader.Result result) throws Failure {
        String name = sources.config.name();
        if (result.config() == null) throw failed(printed(result.errors()));
        if (losesAll(result.config())) {
            throw failed(List.of(name + " has no model any more, or only groups without one;"
                + " models that are loaded would all go: restart llmsnap if that is meant"));
        }
        if (losesKeys(result.config())) {
            throw failed(List.of(name + " has no apiKeys any more, and others than this machine"
                + " reach this server: restart llmsnap if everybody is meant to control it"));
        }
        return result.config();
    }

    /** Whether a model is at another port than the configuration says. */
    private boolean hasMoved() {
        Map<String, Model> models = pool.config().models();
        return ports().entrySet().stream().anyMatch(each -> models.containsKey(each.getKey())
            && models.get(each.getKey()).launch().port() != each.getValue());
    }

    // ---- for an editor

    @Override public Json.Obj shown() throws Failure {
        Path file = sources.config.file();
        if (file == null) throw failed(List.of("there is no configuration file"));
        boolean edits = sources.edits;
        try {
            String stamp = ConfigFiles.stamp(file);
            String text = Files.readString(file, UTF_8);
            return Json.obj(
                "name", file.toString(),
                "editable", edits,
                "text", edits ? text : masked(text),
                "stamp", stamp,
                "problems", problems(text, edits ? UnaryOperator.identity() : this::masked));
        } catch (IOException e) {
            throw new Failure(500, "cannot read " + file + ": " + e.getMessage());
        }
    }

    /** The text without its keys: whoever may look need not know them. */
    private String masked(String text) {
        Config config = pool.config();
        List<String> secrets = new ArrayList<>();
        config.settings().entry().apiKeys().forEach(each -> secrets.add(each.key()));
        config.peers().byId().values().forEach(each -> secrets.add(each.apiKey()));
        config.models().values().forEach(each -> secrets.add(each.launch().life().apiKey()));
        String masked = text;
        for (String each : secrets) {
            if (each.isEmpty()) continue;
            String whole = "(?<![\\w-])" + Pattern.quote(each) + "(?![\\w-])";
            masked = masked.replaceAll(whole, "***");
        }
        return masked;
    }

    private Path editedFile() throws Failure {
        Path file = sources.config.file();
        if (sources.edits && file != null) return file;
        throw new Failure(403, "the configuration is not edited here: start llmsnap with"
            + " --edit-config, and with apiKeys or on 127.0.0.1");
    }

    private ConfigReader.Result read(String text) throws Failure {
        try {
            List<Text> texts = new ArrayList<>(sources.config.read());
            texts.set(0, new Text(texts.getFirst().name(), text.getBytes(UTF_8)));
            return ConfigReader.read(texts, System::getenv, ports(), sources.machine);
        } catch (IOException e) {
            throw new Failure(500, String.valueOf(e.getMessage()));
        }
    }

    private List<Json.Obj> problems(String text, UnaryOperator<String> shown) {
        try {
            return problems(read(text), shown);
        } catch (Failure e) {
            // It is about other files: this one can be seen all the same.
            return List.of(json(new Problem(new Place("", 1, 1), e.getMessage()), true, shown));
        }
    }

    private static List<Json.Obj> problems(ConfigReader.Result result,
            UnaryOperator<String> shown) {
        List<Json.Obj> problems = new ArrayList<>();
        for (Problem each : result.errors()) problems.add(json(each, true, shown));
        for (Problem each : result.warnings()) problems.add(json(each, false, shown));
        return problems;
    }

    @Override public Json.Obj check(String text) throws Failure {
        editedFile();
        ConfigReader.Result result = read(text);
        Json.Obj answer = Json.obj("problems", problems(result, UnaryOperator.identity()));
        if (result.config() == null) return answer;
        for (Map.Entry<String, Json> each : changes(result.config()).entries().entrySet()) {
            answer = answer.with(each.getKey(), each.getValue());
        }
        Map<String, Model> after = result.config().models();
        var stays = pool.statuses().stream()
            .filter(each -> each.state() != ModelState.STOPPED && after.containsKey(each.id()))
            .collect(partitioningBy(each ->
                after.get(each.id()).launch().equals(each.model().launch()),
                mapping(ModelStatus::id, toList())));
        return answer.with("restarted", stays.get(false)).with("kept", stays.get(true));
    }

    private static Json.Obj json(Problem problem, boolean error, UnaryOperator<String> shown) {
        return Json.obj(
            "file", problem.place().file(),
            "line", problem.place().line(),
            "column", problem.place().column(),
            "message", shown.apply(problem.message()),
            "error", error);
    }

    @Override public Json.Obj save(String text, String stamp) throws Failure {
        Path file = editedFile();
        guard.lock();
        try {
            if (stamp != null && !stamp.equals(ConfigFiles.stamp(file))) {
                throw new Failure(409, file + " has changed on the disk since it was opened here:"
                    + " copy what you wrote, and load the page again");
            }
            taken(read(text));
            replace(file, text);
            return now();
        } finally {
            guard.unlock();
        }
    }

    private static void replace(Path named, String text) throws Failure {
        try {
            Path file = named.toRealPath();
            Path fresh = Files.createTempFile(file.getParent(), ".llmsnap", ".yaml.new");
            try {
                Files.copy(file, file.resolveSibling(file.getFileName() + ".bak"),
                    REPLACE_EXISTING, COPY_ATTRIBUTES);
                Files.copy(file, fresh, REPLACE_EXISTING, COPY_ATTRIBUTES);     // for its mode
                Files.writeString(fresh, text, UTF_8);
                Files.move(fresh, file, ATOMIC_MOVE);
            } finally {
                Files.deleteIfExists(fresh);
            }
        } catch (IOException e) {
            throw new Failure(500, "the file cannot be written: " + e);
        }
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
        return problems.stream().map(problem -> problem.at(sources.config.name())).toList();
    }

    private Failure failed(List<String> problems) {
        problems.forEach(problem -> log.error("configuration not reloaded: " + problem));
        String message = "the configuration was not reloaded: " + String.join("; ", problems);
        return new Failure(400, message).as("invalid_config", null).with("problems", problems);
    }

    /** What differs in a configuration from the one in force. */
    private Json.Obj changes(Config to) {
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
        return Json.obj("added", added, "changed", changed, "removed", removed);
    }

    private Json.Obj apply(Config to) {
        Json.Obj changes = changes(to);
        Map<String, Model> after = to.models();
        log.configure(to.settings().logging());
        log.forgetAllBut(after.keySet());
        activity.configure(to.settings().kept());
        history.configure(to.settings().kept().history());
        pool.reconfigure(to);
        log.info("configuration reloaded: added " + changes.at("added") + ", changed "
            + changes.at("changed") + ", removed " + changes.at("removed"));
        return changes;
    }

    /**
     * Looks at the files from now on; a change counts when two looks agree: a burst counts once.
     *
     * @param read the stamps of the configuration before it was first read
     */
    void watch(List<String> read) {
        if (!sources.config.mayChange()) return;
        Thread.ofPlatform().daemon().name("watch-config").start(() -> {
            var files = new Watched(read, () -> sources.config.stamps());
            var tls = new Watched(sources.tlsStamps(), sources::tlsStamps);
            var models = new Watched(folders(), this::folders);
            try {
                for (long look = 1; ; look++) {
                    TimeUnit.MILLISECONDS.sleep(LOOK_MS);
                    boolean changed = files.hasChanged() | tls.hasChanged();
                    if (files.isGone()) {
                        log.warn("a configuration file is gone; what it said stays in force");
                    }
                    // One that is being copied grows from look to look.
                    if (look % LOOKS_PER_FOLDERS == 0) changed |= models.hasChanged();
                    if (changed) unasked();
                }
            } catch (InterruptedException e) {
                // it is the end of this thread
            }
        });
    }

    /** The state of the folders of models. */
    private List<String> folders() {
        return pool.config().settings().lists().folders().stream()
            .map(each -> sources.machine.files().stamp(Path.of(each))).toList();
    }

    /** Files that are looked at now and then. */
    private static final class Watched {
        private final Supplier<List<String>> looking;
        private List<String> known;
        private List<String> before;
        private boolean whole = true;
        private boolean gone;

        Watched(List<String> known, Supplier<List<String>> looking) {
            this.known = known;
            this.before = known;
            this.looking = looking;
        }

        /**
         * Whether they are others than were known, and have come to rest. What is not there is
         * taken to be as it was: a disk that is away for a moment takes no models with it.
         */
        boolean hasChanged() {
            List<String> now = new ArrayList<>(looking.get());
            boolean all = !now.contains("");
            gone = whole && !all;
            whole = all;
            for (int i = 0; i < now.size() && i < before.size(); i++) {
                if (now.get(i).isEmpty()) now.set(i, before.get(i));
            }
            boolean settled = now.equals(before) && !now.equals(known);
            before = now;
            if (settled) known = now;
            return settled;
        }

        /** Whether one has gone since the look before. */
        boolean isGone() {
            return gone;
        }
    }
}
