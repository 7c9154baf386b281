package llmsnap;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.locks.ReentrantLock;
import llmsnap.config.Config;
import llmsnap.config.Config.Model;
import llmsnap.config.ConfigReader;
import llmsnap.http.Server;
import llmsnap.http.Tls;
import llmsnap.observe.Insight;
import llmsnap.observe.Log;
import llmsnap.swap.SwapLoop;
import llmsnap.text.Json;

/** Reads the configuration again: on request, on SIGHUP, or when its file changes; the TLS files with it. A broken file changes nothing. */
final class Reload {
    private static final long LOOK_MS = 500;

    private final Path file;
    private final String firstLoaded;
    private final SwapLoop loop;
    private final Insight insight;
    private final Log log;
    private volatile Tls tls;
    private final ReentrantLock lock = new ReentrantLock();     // one reload at a time
    private final Map<String, Integer> ports = new HashMap<>(); // by model id, of all there ever were: they may still run

    /**
     * @param file null when there is none, as in the demo
     * @param loaded the {@link #stamp} of the file before it was first read
     */
    Reload(Path file, String loaded, SwapLoop loop, Insight insight) {
        this.file = file;
        this.firstLoaded = loaded;
        this.loop = loop;
        this.insight = insight;
        this.log = insight.log();
        keepPorts(loop.config());
    }

    /** Reads these files again, too; null for none. Before the first reload. */
    void alsoTls(Tls tls) {
        this.tls = tls;
    }

    private void keepPorts(Config config) {
        for (Model model : config.models().values()) if (model.port() > 0) ports.put(model.id(), model.port());
    }

    /** Reads the file and puts it in force if it is valid. @return what changed, or the problems */
    Server.Reloaded now() {
        lock.lock();
        try {
            if (file == null) return failed(List.of("there is no configuration file"));
            byte[] text = Files.readAllBytes(file);
            if (new String(text, java.nio.charset.StandardCharsets.UTF_8).isBlank()) return failed(List.of(file + " is empty: not written yet?"));
            ConfigReader.Result result = ConfigReader.read(text, System::getenv, ports);
            result.warnings().forEach(problem -> log.warn(problem.at(file.toString())));
            if (result.config() == null) return failed(result.errors().stream().map(problem -> problem.at(file.toString())).toList());
            if (tls != null) tls.reload();
            Json.Obj report = apply(result.config());
            List<String> warnings = result.warnings().stream().map(problem -> problem.at(file.toString())).toList();
            return new Server.Reloaded(true, warnings.isEmpty() ? report : report.with("warnings", Json.of(warnings)));
        } catch (java.nio.file.NoSuchFileException e) {
            return failed(List.of("there is no file " + file.toAbsolutePath()));
        } catch (IOException e) {
            return failed(List.of(e instanceof java.nio.file.FileSystemException ? "cannot read " + file + ": " + e : e.getMessage()));
        } finally {
            lock.unlock();
        }
    }

    private Server.Reloaded failed(List<String> problems) {
        problems.forEach(problem -> log.error("configuration not reloaded: " + problem));
        return new Server.Reloaded(false, Json.obj("error", Json.obj("message", "the configuration was not reloaded: " + String.join("; ", problems),
            "type", "invalid_request_error", "param", null, "code", "invalid_config"), "problems", problems));
    }

    private Json.Obj apply(Config to) {
        Config from = loop.config();
        List<String> added = new ArrayList<>();
        List<String> changed = new ArrayList<>();
        List<String> removed = new ArrayList<>(from.models().keySet());
        removed.removeAll(to.models().keySet());
        for (Model model : to.models().values()) {
            Model before = from.models().get(model.id());
            if (before == null) added.add(model.id());
            else if (!before.equals(model)) changed.add(model.id());
        }
        keepPorts(to);
        log.configure(to.logging());
        log.forgetAllBut(to.models().keySet());
        insight.activity().configure(to);
        loop.reconfigure(to);
        log.info("configuration reloaded: added " + added + ", changed " + changed + ", removed " + removed);
        return Json.obj("added", added, "changed", changed, "removed", removed);
    }

    /** Looks at the file from now on; a change counts when two looks agree, so that a burst of writes counts once. */
    void watch() {
        Thread.ofPlatform().daemon().name("watch-config").start(() -> {
            String loaded = firstLoaded + tlsStamp();
            String before = loaded;
            try {
                while (true) {
                    Thread.sleep(LOOK_MS);
                    String now = stamp(file) + tlsStamp();
                    boolean settled = now.equals(before);
                    before = now;
                    if (now.isEmpty() || !settled || now.equals(loaded)) continue;
                    loaded = now;
                    now();
                }
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        });
    }

    private String tlsStamp() {
        return tls == null ? "" : stamp(tls.files()[0]) + stamp(tls.files()[1]);
    }

    /** Tells one state of the file from another, also behind a symlink that was switched; "" when it is not there. */
    static String stamp(Path file) {
        try {
            BasicFileAttributes attributes = Files.readAttributes(file, BasicFileAttributes.class);
            return file.toRealPath() + " " + attributes.lastModifiedTime() + " " + attributes.size() + " " + attributes.fileKey();
        } catch (IOException e) {
            return "";
        }
    }
}
