package llmsnap.record;

import static java.nio.charset.StandardCharsets.UTF_8;
import static java.nio.file.StandardOpenOption.APPEND;
import static java.nio.file.StandardOpenOption.CREATE;

import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.RandomAccessFile;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.DateTimeException;
import java.time.Instant;
import java.time.LocalDate;
import java.time.ZoneId;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import llmsnap.config.Config;
import llmsnap.platform.Guard;
import llmsnap.text.Json;

/**
 * What has ended, kept over restarts: a line of JSON for each request, and for what became of
 * models, in a file for each day of local time. A thread of its own writes; nobody waits for it:
 * what it cannot keep up with is lost, counted and said.
 */
public final class History {
    private static final int MAX_WAITING = 10_000;
    private static final int MAX_BATCH = 1_000;
    /** Lines that come one after the other are written together. */
    private static final long GATHER_MS = 100;
    private static final long TELL_NANOS = TimeUnit.MINUTES.toNanos(1);
    private static final int MAX_TAIL_BYTES = 16 << 20;
    private static final int MAX_LINE_BYTES = 64 * 1024;
    private static final int PIECE_BYTES = 64 * 1024;
    private static final Pattern NAME =
        Pattern.compile("(requests|models)-([0-9]{4}-[0-9]{2}-[0-9]{2})\\.jsonl");
    /** How files of a kind of line are called, with the day behind it. */
    private static final String REQUESTS = "requests";
    private static final String MODELS = "models";

    /** @param what a {@link Row}, or JSON */
    private record Line(String kind, Object what) {
        String text() {
            return (what instanceof Row row ? RowJson.of(row) : what) + "\n";
        }
    }

    private final Log log;
    private final BlockingQueue<Line> waiting = new ArrayBlockingQueue<>(MAX_WAITING);
    private volatile Thread writer;     // null until it starts
    private final AtomicLong lost = new AtomicLong();
    private volatile Config.History settings = new Config.History("", 0);
    private final Guard guard = new Guard();        // guards the files, and the three below
    private LocalDate sweptOn;
    private long toldNanos;
    private String healed = "";

    public History(Log log) {
        this.log = log;
    }

    /** Where lines go from now on. */
    public void configure(Config.History to) {
        settings = to;
    }

    /** Whether anything is kept. */
    public boolean isOn() {
        return !settings.dir().isEmpty();
    }

    /** Begins to write. */
    public void start() {
        writer = Thread.ofPlatform().daemon().name("history").start(() -> {
            try {
                while (true) {
                    // What waits stays there: who flushes meanwhile finds all of it.
                    while (waiting.isEmpty()) LockSupport.park(this);
                    TimeUnit.MILLISECONDS.sleep(GATHER_MS);
                    flush();
                }
            } catch (InterruptedException e) {
                // it is the end of this thread
            }
        });
    }

    // ---- writing

    /** A request has ended. Returns at once. */
    public void ended(Row row) {
        add(new Line(REQUESTS, row));
    }

    /** Something became of a model. Returns at once. */
    public void model(Json.Obj what) {
        add(new Line(MODELS, what));
    }

    private void add(Line line) {
        if (!isOn()) return;
        if (waiting.offer(line)) LockSupport.unpark(writer);
        else lost.incrementAndGet();
    }

    /** Writes what waits. */
    public void flush() {
        guard.run(this::write);
    }

    private void write() {
        List<Line> lines = new ArrayList<>();
        while (waiting.drainTo(lines, MAX_BATCH) > 0) {
            for (String kind : List.of(REQUESTS, MODELS)) {
                var text = new StringBuilder();
                List<Line> its = lines.stream().filter(each -> each.kind.equals(kind)).toList();
                its.forEach(each -> text.append(each.text()));
                if (!its.isEmpty()) append(kind, text.toString(), its.size());
            }
            lines.clear();
        }
    }

    private void append(String kind, String text, int lines) {
        if (!isOn()) return;
        LocalDate today = LocalDate.now();
        String name = kind + "-" + today + ".jsonl";
        Path file = Path.of(settings.dir(), name);
        try {
            if (!today.equals(sweptOn)) sweep(today);
            create(file);
            Files.writeString(file, healing(file) + text, UTF_8, CREATE, APPEND);
        } catch (IOException e) {
            lost.addAndGet(lines);
            healed = "";
        }
        if (lost.get() > 0) tellLoss(file);
    }

    /** Who said what to which model is nobody else's business. */
    private static void create(Path file) throws IOException {
        if (Files.exists(file)) return;
        Path dir = file.getParent();
        boolean posix = FileSystems.getDefault().supportedFileAttributeViews().contains("posix");
        if (posix) Files.createDirectories(dir, only("rwx------"));
        else Files.createDirectories(dir);
        if (posix) Files.createFile(file, only("rw-------"));
    }

    private static FileAttribute<?> only(String owner) {
        return PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString(owner));
    }

    /** Ends a line that an earlier end has cut. */
    private String healing(Path file) throws IOException {
        String name = file.toString();
        if (name.equals(healed)) return "";
        if (!Files.exists(file) || Files.size(file) == 0) return "";
        healed = name;
        try (var last = new RandomAccessFile(file.toFile(), "r")) {
            last.seek(last.length() - 1);
            return last.read() == '\n' ? "" : "\n";
        }
    }

    private void tellLoss(Path file) {
        if (toldNanos != 0 && System.nanoTime() - toldNanos < TELL_NANOS) return;
        toldNanos = System.nanoTime();
        log.warn("history: " + lost.getAndSet(0) + " lines were lost: " + file
            + " cannot be written, or not fast enough");
    }

    private void sweep(LocalDate today) {
        sweptOn = today;
        LocalDate oldest = today.minusDays(settings.keepDays());
        List<Path> old = files(REQUESTS, LocalDate.MIN, oldest);
        old.addAll(files(MODELS, LocalDate.MIN, oldest));
        for (Path each : old) {
            try {
                Files.deleteIfExists(each);
            } catch (IOException e) {
                log.warn("history: " + each + " cannot be deleted: " + e);
            }
        }
    }

    // ---- reading

    /** The files of those days, both included, oldest first. */
    private List<Path> files(String kind, LocalDate from, LocalDate to) {
        List<Path> files = new ArrayList<>();
        Path dir = Path.of(settings.dir());
        if (!isOn() || !Files.isDirectory(dir)) return files;
        try (DirectoryStream<Path> all = Files.newDirectoryStream(dir, "*.jsonl")) {
            for (Path each : all) {
                Matcher name = NAME.matcher(each.getFileName().toString());
                if (!name.matches() || !name.group(1).equals(kind)) continue;
                LocalDate day = day(name.group(2));
                if (day != null && !day.isBefore(from) && !day.isAfter(to)) files.add(each);
            }
        } catch (IOException | DirectoryIteratorException e) {
            log.warn("history: " + dir + " cannot be read: " + e);
        }
        files.sort(null);
        return files;
    }

    private static LocalDate day(String text) {
        try {
            return LocalDate.parse(text);
        } catch (DateTimeException e) {
            return null;
        }
    }

    /** The last rows, oldest first, at most so many. */
    public List<Row> last(int most) {
        Deque<Row> rows = new ArrayDeque<>();
        for (Path file : files(REQUESTS, LocalDate.MIN, LocalDate.MAX).reversed()) {
            try {
                for (String line : lastLines(file, most - rows.size()).reversed()) {
                    Row row = row(line);
                    if (row != null) rows.addFirst(row);
                }
            } catch (IOException e) {
                unreadable(file, e);
            }
            if (rows.size() >= most) break;
        }
        return List.copyOf(rows);
    }

    /** What is in the others is told all the same. */
    private void unreadable(Path file, IOException e) {
        log.warn("history: " + file + " cannot be read: " + e);
    }

    /** Null for a line that was cut, or is no row. */
    private static Row row(String line) {
        try {
            return Json.parse(line) instanceof Json.Obj json ? RowJson.row(json) : null;
        } catch (RuntimeException e) {
            return null;
        }
    }

    /** The last lines, of the last megabytes: what has no line ends is no file of ours. */
    private static List<String> lastLines(Path file, int most) throws IOException {
        try (var bytes = new RandomAccessFile(file.toFile(), "r")) {
            long from = Math.max(0, bytes.length() - MAX_TAIL_BYTES);
            var text = new byte[(int) (bytes.length() - from)];
            bytes.seek(from);
            bytes.readFully(text);
            int lines = 0;
            int begin = text.length;
            while (begin > 0 && lines <= most) if (text[--begin] == '\n') lines++;
            List<String> all = new String(text, begin, text.length - begin, UTF_8).lines().toList();
            return all.subList(Math.max(0, all.size() - most), all.size());
        }
    }

    /** Takes one after the other, and may give up. */
    public interface Taker<T, E extends Exception> {
        void take(T each) throws E;
    }

    /** Hands on the rows that ended then, oldest first, as they are in the files. */
    public <E extends Exception> void read(Instant from, Instant to, Taker<Json.Obj, E> each)
            throws E {
        flush();
        ZoneId here = ZoneId.systemDefault();
        for (Path file : files(REQUESTS, LocalDate.ofInstant(from, here).minusDays(1),
                LocalDate.ofInstant(to, here).plusDays(1))) {
            try {
                forEachLine(file, line -> {
                    Row row = row(line);
                    if (row == null) return;
                    Instant ended = Instant.ofEpochMilli(row.times().endedMs());
                    if (!ended.isBefore(from) && !ended.isAfter(to)) each.take(RowJson.of(row));
                });
            } catch (IOException e) {
                unreadable(file, e);
            }
        }
    }

    /** Longer lines are none of ours, and are cut. */
    private static <E extends Exception> void forEachLine(Path file, Taker<String, E> each)
            throws IOException, E {
        var line = new ByteArrayOutputStream();
        try (InputStream in = new BufferedInputStream(Files.newInputStream(file), PIECE_BYTES)) {
            for (int c; (c = in.read()) >= 0; ) {
                if (c == '\n') {
                    each.take(line.toString(UTF_8));
                    line.reset();
                } else if (line.size() < MAX_LINE_BYTES) {
                    line.write(c);
                }
            }
        }
        each.take(line.toString(UTF_8));
    }
}
