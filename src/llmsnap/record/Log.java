package llmsnap.record;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import llmsnap.config.Config.Level;
import llmsnap.config.Config.Logging;
import llmsnap.config.Config.Stdout;
import llmsnap.config.TimeFormat;

/**
 * The server's logs: its own lines, each model's output, and the mix that goes to stdout. Writing
 * to a log never waits for a reader; stdout is one more reader, so a terminal that is paused or
 * gone holds nobody up.
 */
public final class Log {
    private static final int MAX_REMOVED_MODELS = 50;
    private static final int KEPT_BYTES = 100 * 1024;
    private static final int STDOUT_BYTES = 4 << 20;
    private static final int STDOUT_PIECE_BYTES = 64 * 1024;
    private static final long STDOUT_PATIENCE_MS = 60_000;
    private static final long STDOUT_PAUSE_NANOS = 10_000_000;
    private static final int FLUSH_LOOKS = 50;
    private static final long FLUSH_PAUSE_MS = 4;
    private static final Pattern LINE_BEGINS_AGAIN = Pattern.compile("\r(?!\n)");
    /** Control characters, in UTF-8 also those above 0x7f; of escapes all but colours. */
    private static final Pattern COMMANDS = Pattern.compile(
        "\u001b(?!\\[[0-9;]*m)|[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1a\\x1c-\\x1f\\x7f]"
        + "|\u00c2[\\x80-\\x9f]");
    private static final Pattern TELLING =
        Pattern.compile("(?i)\\b(error|failed|invalid|abort|out of memory)");
    private static final int MAX_TELLING = 200;
    private static final int MAX_LINE = 500;
    private static final String CLOCK = "timeonly";
    private static final Pattern CONTROL = Pattern.compile("[\\p{Cc}\\p{Cf}&&[^\t]]");

    /** The server's own lines. */
    public final LogBuffer proxy = new LogBuffer(KEPT_BYTES);
    /** What all models wrote. */
    public final LogBuffer upstream = new LogBuffer(KEPT_BYTES);
    /** What stdout shows, by logToStdout. */
    public final LogBuffer shown = new LogBuffer(KEPT_BYTES);
    /** The same as {@link #shown}, with room for a slow terminal. */
    private final LogBuffer stdout = new LogBuffer(STDOUT_BYTES);
    private final Map<String, LogBuffer> models = new ConcurrentHashMap<>();
    private final Set<String> open = ConcurrentHashMap.newKeySet();     // models amid a line
    private final boolean terminal;
    private volatile Logging logging;
    private final AtomicLong toStdout = new AtomicLong();

    /** @param terminal whether a person reads stdout: then lines have their time */
    public Log(Logging logging, boolean terminal) {
        this.logging = logging;
        this.terminal = terminal;
    }

    /** What is logged where, from now on. */
    public void configure(Logging logging) {
        this.logging = logging;
    }

    /**
     * Forgets logs of models that are not {@code configured} any more, when there are many: some
     * stay, since what went wrong is often looked for after the configuration was changed.
     */
    public void forgetAllBut(Set<String> configured) {
        int removed = 0;
        for (String id : models.keySet()) {
            if (!configured.contains(id) && ++removed > MAX_REMOVED_MODELS) models.remove(id);
        }
    }

    /** Whether lines of that level are wanted: some take work to make. */
    public boolean isDebug() {
        return logging.level() == Level.DEBUG;
    }

    public void debug(String line) {
        write(Level.DEBUG, line);
    }

    public void info(String line) {
        write(Level.INFO, line);
    }

    public void warn(String line) {
        write(Level.WARN, line);
    }

    public void error(String line) {
        write(Level.ERROR, line);
    }

    private void write(Level level, String line) {
        if (level.compareTo(logging.level()) < 0) return;
        String text = "[" + level + "] " + lines(line) + "\n";
        String time = logging.timeFormat().isEmpty() && terminal ? CLOCK : logging.timeFormat();
        byte[] bytes = (TimeFormat.stamp(time) + text).getBytes(UTF_8);
        proxy.append(bytes, bytes.length);
        show(Stdout.PROXY, bytes, bytes.length);
    }

    /** The beginning of a text, with dots behind it when there is more. */
    public static String cut(String text, int max) {
        return text.length() <= max ? text : text.substring(0, max) + "...";
    }

    /** Whether a line that a server has printed tells what went wrong. */
    public static boolean isTelling(String line) {
        return TELLING.matcher(line).find();
    }

    /** A reason in one line: of log lines that it ends with only what tells most. */
    public static String inBrief(String why) {
        List<String> lines = why.lines().toList();
        if (lines.size() < 2) return why;
        List<String> printed = lines.subList(1, lines.size());
        String telling = printed.stream().filter(Log::isTelling).findFirst()
            .orElse(printed.getLast());
        return lines.getFirst().replaceFirst("; its last lines:$", "") + ": "
            + cut(telling.strip(), MAX_TELLING);
    }

    /** A path may hold anything; several lines stay several, none of them endless. */
    private static String lines(String text) {
        if (text.length() <= MAX_LINE && text.chars().allMatch(c -> c >= ' ' && c < 0x7f)) {
            return text;
        }
        return text.lines().map(line -> CONTROL.matcher(line).replaceAll(" "))
            .map(line -> cut(line, MAX_LINE))
            .collect(Collectors.joining("\n    "));
    }

    /** Adds what a model's server wrote. */
    public void upstream(String model, byte[] bytes, int length) {
        if (length == 0) return;
        model(model).append(bytes, length);
        upstream.append(bytes, length);
        boolean begun = open.contains(model);
        if (bytes[length - 1] == '\n') open.remove(model);
        else open.add(model);
        if (logging.toStdout() == Stdout.BOTH) {
            String text = new String(bytes, 0, length, UTF_8);
            byte[] prefixed = prefixed(model + ": ", begun, text).getBytes(UTF_8);
            show(Stdout.UPSTREAM, prefixed, prefixed.length);
        } else {
            show(Stdout.UPSTREAM, bytes, length);
        }
    }

    /** Its output has ended, perhaps in the middle of a line. */
    public void ended(String model) {
        if (open.contains(model)) upstream(model, new byte[] {'\n'}, 1);
    }

    /** The same with that before each line, as far as it begins in this piece. */
    private static String prefixed(String prefix, boolean begun, String text) {
        boolean ends = text.endsWith("\n");
        String lines = ends ? text.substring(0, text.length() - 1) : text;
        String all = (begun ? "" : prefix) + lines.replace("\n", "\n" + prefix);
        return ends ? all + "\n" : all;
    }

    private void show(Stdout kind, byte[] bytes, int length) {
        Stdout wanted = logging.toStdout();
        if (wanted != kind && wanted != Stdout.BOTH) return;
        shown.append(bytes, length);
        toStdout.addAndGet(length);
        stdout.append(bytes, length);
    }

    /** Whether that model has ever written something that is still kept. */
    public boolean hasModel(String id) {
        return models.containsKey(id);
    }

    /** What one model wrote, over all its runs: a failed start can be looked into afterwards. */
    public LogBuffer model(String id) {
        return models.computeIfAbsent(id, each -> new LogBuffer(KEPT_BYTES));
    }

    /**
     * Starts the thread that writes to stdout, some lines at a time: wake-ups cost more than they.
     */
    public void startStdout() {
        LogBuffer.Reader reader = stdout.reader(true);
        Thread.ofPlatform().daemon().name("stdout").start(() -> {
            try {
                // Never closed: by now that descriptor may be a file of the JVM's own.
                var out = new FileOutputStream(FileDescriptor.out);
                while (true) {
                    byte[] bytes = reader.read(STDOUT_PIECE_BYTES, STDOUT_PATIENCE_MS);
                    if (bytes == null) continue;
                    out.write(terminal ? harmless(bytes) : bytes);
                    toStdout.addAndGet(-bytes.length);
                    LockSupport.parkNanos(STDOUT_PAUSE_NANOS);
                }
            } catch (IOException | InterruptedException e) {
                // nobody reads it any more; /logs shows everything
                toStdout.set(Long.MIN_VALUE / 2);
            }
        });
    }

    /** A terminal is to show colours, and do nothing else that a model's server may say to it. */
    private static byte[] harmless(byte[] bytes) {
        String text = LINE_BEGINS_AGAIN.matcher(new String(bytes, ISO_8859_1)).replaceAll("\n");
        return COMMANDS.matcher(text).replaceAll("").getBytes(ISO_8859_1);
    }

    /** Waits a moment for stdout to take what was logged; before exit. */
    public void flush() throws InterruptedException {
        for (int i = 0; i < FLUSH_LOOKS && toStdout.get() > 0; i++) Thread.sleep(FLUSH_PAUSE_MS);
    }
}
