package llmsnap.process;

import static java.nio.charset.StandardCharsets.UTF_8;
import static java.nio.file.StandardCopyOption.REPLACE_EXISTING;
import static java.util.concurrent.TimeUnit.MILLISECONDS;
import static llmsnap.text.Json.obj;

import java.io.File;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Supplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import llmsnap.config.Config.Call;
import llmsnap.config.Config.Model;
import llmsnap.config.Config.PromptCache;
import llmsnap.models.Kept;
import llmsnap.platform.Guard;
import llmsnap.platform.Memories;
import llmsnap.record.Log;
import llmsnap.text.Json;
import llmsnap.text.Size;

/**
 * llama.cpp's prompt caches, kept in files while a model is not loaded: saved before its server is
 * stopped, restored before the next one is used. A file belongs to one very server: its name holds
 * a fingerprint of all that it reads. What fails is a warning, and no request's matter.
 */
public final class PromptCaches {
    private static final Pattern NAME = Pattern.compile("([0-9a-f]{16})-([0-9]{1,4})\\.bin");
    /** An option whose file the server writes. */
    private static final Pattern WRITTEN = Pattern.compile("-[^=/ ]*(log|out|save|cache).*");
    private static final long LOOK_MS = 3_000;
    private static final int FINGERPRINT_BYTES = 8;
    private static final int MAX_FAILURES = 2;
    private static final long HASTE_MS = 3_500;
    private static final String UNTRIED = "try-";
    private static final String UNFINISHED = "new-";

    /** A server that does not do as it is asked. */
    private static final class Failed extends Exception {

        Failed(String message) {
            super(message, null, false, false);
        }
    }

    private final Supplier<PromptCache> settings;
    private final Log log;
    private final Map<String, Kept> kept = new ConcurrentHashMap<>();
    /** Failures in a row by model; and slots of its present run that were restored. */
    private final Map<String, Integer> failures = new ConcurrentHashMap<>();
    private final Map<String, Set<Integer>> restored = new ConcurrentHashMap<>();
    /** What the present run of each model was started with. */
    private final Map<String, String> marks = new ConcurrentHashMap<>();
    private final Guard guard = new Guard();        // guards the two below
    private PromptCache before;
    private FileChannel lock;                       // null: another llmsnap keeps its files there

    public PromptCaches(Supplier<PromptCache> settings, Log log) {
        this.settings = settings;
        this.log = log;
    }

    Kept kept(String model) {
        return kept.getOrDefault(model, Kept.NOTHING);
    }

    private static boolean keeps(Model model) {
        return !model.launch().life().cacheDir().isEmpty();
    }

    private static Path folder(Model model) {
        return Path.of(model.launch().life().cacheDir());
    }

    private void warn(Model model, String what) {
        log.warn("model " + model.id() + ": its prompt cache is not kept: " + what);
    }

    /** Makes the folder that its server is told of. */
    void prepare(Model model) {
        if (!keeps(model)) return;
        marks.put(model.id(), fingerprint(model));
        try {
            makeFolder(folder(model));
        } catch (IOException e) {
            log.debug(e.toString());        // what is to be done with it later says so
        }
    }

    /** Whether there is something to do for it: no other llmsnap's files, no lost cause. */
    private boolean isOn(Model model) {
        if (!keeps(model)) return false;
        PromptCache now = settings.get();
        String reason = guard.get(() -> {
            if (now != before) failures.clear();        // a reload is a new chance
            boolean same = before != null && now.dir().equals(before.dir()) && lock != null;
            before = now;
            return same ? null : lock(Path.of(now.dir()));
        });
        if (reason != null) warn(model, reason);
        return reason == null && failures.getOrDefault(model.id(), 0) < MAX_FAILURES;
    }

    /** @return why it is not ours, or null */
    private String lock(Path dir) {
        String reason = "another llmsnap keeps its own in " + dir;
        try {
            if (lock != null) lock.close();
            makeFolder(dir);
            lock = FileChannel.open(dir.resolve(".lock"), StandardOpenOption.CREATE,
                StandardOpenOption.WRITE);
            if (lock.tryLock() != null) return null;
            lock.close();
        } catch (IOException e) {
            reason = "its folder cannot be used: " + e;
        }
        lock = null;
        return reason;
    }

    private static void makeFolder(Path folder) throws IOException {
        Files.createDirectories(folder, PosixFilePermissions.asFileAttribute(
            PosixFilePermissions.fromString("rwx------")));
    }

    // ---- restoring and saving

    /** After a server is ready: gives it what an earlier one has left. */
    void restore(Model model, Endpoint endpoint, Runnable changed) throws InterruptedException {
        restored.remove(model.id());
        if (!isOn(model)) return;
        List<Path> files = filesOf(model, marks.get(model.id()));
        if (files.isEmpty()) return;
        begin(model, "restoring its prompt cache", changed);
        var work = new Work(model, endpoint, settings.get().timeoutSeconds() * 1000L);
        for (Path file : files) {
            // A file that makes its server crash is not tried again.
            Path trying = file.resolveSibling(UNTRIED + file.getFileName());
            Matcher name = NAME.matcher(file.getFileName().toString());
            int slot = name.matches() ? Integer.parseInt(name.group(2)) : 0;
            try {
                Files.move(file, trying, REPLACE_EXISTING);
                work.count(work.ask(slot, "restore", trying, "n_restored"), Files.size(trying));
                Files.setLastModifiedTime(trying, FileTime.fromMillis(System.currentTimeMillis()));
                Files.move(trying, file, REPLACE_EXISTING);
                restored.computeIfAbsent(model.id(), id -> new HashSet<>()).add(slot);
            } catch (Failed | IOException e) {
                failures.merge(model.id(), 1, Integer::sum);
                delete(trying);
                warn(model, e.getMessage());
            } catch (InterruptedException e) {
                // It is stopped meanwhile, and did not crash: the next one may try.
                if (!trying.toFile().renameTo(file.toFile())) delete(trying);
                kept.put(model.id(), kept(model.id()).doing(""));
                throw e;
            }
        }
        Kept was = kept(model.id());
        if (work.tokens > 0) {
            failures.remove(model.id());
            log.info("model " + model.id() + ": restored " + work);
        }
        kept.put(model.id(), new Kept("", was.saved(),
            was.restored().plus(work.tokens, work.bytes, work.ms())));
        changed.run();
    }

    /** Before a server is stopped. @param haste there is little time */
    void save(Model model, Endpoint endpoint, boolean haste, Runnable changed)
            throws InterruptedException {
        if (!isOn(model)) return;
        long maxMs = settings.get().timeoutSeconds() * 1000L;
        var work = new Work(model, endpoint, haste ? Math.min(maxMs, HASTE_MS) : maxMs);
        try {
            String mark = marks.get(model.id());
            // A file that was replaced meanwhile: what it has is nobody's any more.
            if (!fingerprint(model).equals(mark)) return;
            List<Integer> slots = work.slots(settings.get().minTokens(),
                restored.getOrDefault(model.id(), Set.of()));
            for (int slot : slots) {
                if (work.count == 0) begin(model, "keeping its prompt cache", changed);
                Path file = folder(model).resolve(mark + "-" + slot + ".bin");
                Path fresh = file.resolveSibling(UNFINISHED + file.getFileName());
                try {
                    long tokens = work.ask(slot, "save", fresh, "n_saved");
                    if (tokens < settings.get().minTokens()) continue;
                    work.count(tokens, Files.size(fresh));
                    Files.move(fresh, file, REPLACE_EXISTING);
                } finally {
                    delete(fresh);
                }
            }
        } catch (Failed | IOException e) {
            failures.merge(model.id(), 1, Integer::sum);
            warn(model, e.getMessage());
        }
        Kept was = kept(model.id());
        if (work.count > 0) {
            log.info("model " + model.id() + ": kept " + work);
            makeRoom();
            long left = files(folder(model)).stream().mapToLong(file -> file.toFile().length())
                .sum();
            kept.put(model.id(), new Kept("",
                was.saved().plus(work.tokens, left, work.ms()), was.restored()));
        } else if (!was.doing().isEmpty()) {
            kept.put(model.id(), was.doing(""));
        }
    }

    private void begin(Model model, String what, Runnable changed) {
        kept.put(model.id(), kept(model.id()).doing(what));
        changed.run();
    }

    /** Saving or restoring all slots of one server, within a time. */
    private static final class Work {
        private final Model model;
        private final Endpoint endpoint;
        private final long startNanos = System.nanoTime();
        private final long maxMs;
        private int count;
        private long tokens;
        private long bytes;

        Work(Model model, Endpoint endpoint, long maxMs) {
            this.model = model;
            this.endpoint = endpoint;
            this.maxMs = maxMs;
        }

        long ms() {
            return (System.nanoTime() - startNanos) / MILLISECONDS.toNanos(1);
        }

        void count(long more, long itsBytes) {
            count++;
            tokens += more;
            bytes += itsBytes;
        }

        @Override public String toString() {
            return String.format(Locale.ROOT, "%,d tokens in %d slots, %s, %.1f s", tokens, count,
                Size.shown(bytes), ms() / 1000.0);
        }

        /** Slots with a prompt, and those that show none since they were only restored. */
        List<Integer> slots(int min, Set<Integer> restored)
                throws Failed, InterruptedException {
            List<Integer> slots = new ArrayList<>();
            // One that is idle answers at once; one that does not will not save either.
            if (!(call("GET", "/slots", "", LOOK_MS) instanceof Json.Arr all)) {
                throw new Failed("GET /slots answered something else");
            }
            for (Json each : all.items()) {
                if (!(each instanceof Json.Obj slot)) continue;
                int id = (int) number(slot, "id");
                boolean busy = slot.at("is_processing") == Json.TRUE;
                boolean full = number(slot, "n_prompt_tokens") >= min || restored.contains(id);
                if (full && !busy) slots.add(id);
            }
            return slots;
        }

        /** @return how many tokens it was, from {@code field} of the answer */
        long ask(int slot, String action, Path file, String field)
                throws Failed, InterruptedException {
            Json.Obj body = obj("filename", file.getFileName().toString());
            String path = "/slots/" + slot + "?action=" + action;
            long tokens = number(call("POST", path, body.toString(), maxMs), field);
            if (tokens < 0) throw new Failed("POST " + path + " did not say how many tokens");
            boolean none = tokens == 0 && action.equals("restore");
            if (none) throw new Failed("POST " + path + " restored nothing");
            return tokens;
        }

        private static long number(Json from, String field) {
            boolean has = from instanceof Json.Obj;
            return has && ((Json.Obj) from).at(field) instanceof Json.Num number
                ? (long) number.value() : -1;
        }

        private Json call(String method, String path, String body, long mostMs)
                throws Failed, InterruptedException {
            long leftMs = Math.min(mostMs, maxMs - ms());
            if (leftMs <= 0) throw new Failed("it took longer than " + maxMs / 1000.0 + " s");
            try {
                Endpoint.Answer answer = endpoint.answer(new Call(method, path, body, 0), leftMs);
                if (answer.status() != 200) {
                    throw new Failed(method + " " + path + " answered " + answer);
                }
                return Json.parse(answer.text());
            } catch (IOException | RuntimeException e) {
                throw new Failed(method + " " + path + " of " + model.id() + " failed: "
                    + e.getMessage());
            }
        }
    }

    // ---- files

    /** The files of this very server; others' are deleted. */
    private List<Path> filesOf(Model model, String mark) {
        List<Path> its = new ArrayList<>();
        for (Path file : files(folder(model))) {
            Matcher name = NAME.matcher(file.getFileName().toString());
            if (name.matches() && name.group(1).equals(mark)) its.add(file);
            else delete(file);
        }
        return its;
    }

    private static List<Path> files(Path folder) {
        List<Path> files = new ArrayList<>();
        try (DirectoryStream<Path> all = Files.newDirectoryStream(folder, "*.bin")) {
            all.forEach(files::add);
        } catch (IOException e) {
            // nothing was kept
        }
        files.sort(Comparator.naturalOrder());
        return files;
    }

    private void delete(Path file) {
        try {
            Files.deleteIfExists(file);
        } catch (IOException e) {
            log.warn("prompt caches: " + e);
        }
    }

    /** Deletes all that is kept of a model; what its present run has is not saved either. */
    void forget(Model model) {
        if (!keeps(model)) return;
        marks.remove(model.id());
        files(folder(model)).forEach(this::delete);
        kept.remove(model.id());
    }

    /** Those used longest ago go until all are within the limit. */
    private void makeRoom() {
        List<Path> all = new ArrayList<>();
        try (DirectoryStream<Path> folders =
                Files.newDirectoryStream(Path.of(settings.get().dir()), Files::isDirectory)) {
            for (Path each : folders) all.addAll(files(each));
        } catch (IOException e) {
            log.warn("prompt caches: " + e);
        }
        // What is being written or read just now is no file yet.
        all.removeIf(file -> !NAME.matcher(file.getFileName().toString()).matches());
        all.sort(Comparator.comparing((Path file) -> file.toFile().lastModified()));
        long bytes = all.stream().mapToLong(file -> file.toFile().length()).sum();
        for (Path file : all) {
            if (bytes <= settings.get().limitBytes()) return;
            bytes -= file.toFile().length();
            log.info("prompt caches: " + file + " is deleted, for promptCache.limit");
            delete(file);
        }
    }

    /** Of the command line, port and folder aside, and of size and time of the files it reads. */
    private static String fingerprint(Model model) {
        var text = new StringBuilder(String.valueOf(model.launch().command().env()));
        text.append(model.line().replace(model.launch().life().cacheDir(), ""));
        String option = "";
        for (String word : model.cmd()) {
            boolean first = option.isEmpty();
            String name = word.substring(word.indexOf('=') + 1);
            boolean written = WRITTEN.matcher(option).matches()
                || WRITTEN.matcher(word).matches();
            if (!written) text.append(stamp(first ? program(name) : new File(name)));
            option = word;
        }
        try {
            byte[] hash = MessageDigest.getInstance("SHA-256")
                .digest(text.toString().getBytes(UTF_8));
            return HexFormat.of().formatHex(hash, 0, FINGERPRINT_BYTES);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);     // every Java has it
        }
    }

    private static String stamp(File file) {
        if (!file.isFile()) return "";
        var stamp = new StringBuilder();
        for (Path each : Memories.shards(file.toPath())) {
            File part = each.toFile();
            stamp.append("\0" + part.length() + " " + part.lastModified());
        }
        return stamp.toString();
    }

    private static File program(String name) {
        if (name.contains("/")) return new File(name);
        for (String folder : String.valueOf(System.getenv("PATH")).split(File.pathSeparator)) {
            File file = new File(folder, name);
            if (file.isFile()) return file;
        }
        return new File(name);
    }
}
