package llmsnap.observe;

import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import llmsnap.config.Config.Level;
import llmsnap.config.Config.Logging;
import llmsnap.config.Config.Stdout;

/**
 * The server's logs: its own lines, each model's output, and the mix that goes to stdout. Writing to a log never waits
 * for a reader; stdout is one more reader, so a terminal that is paused or gone holds nobody up.
 */
public final class Log {
    private static final int MAX_REMOVED_MODELS = 50;
    private static final int KEPT_BYTES = 100 * 1024;
    private static final int STDOUT_BYTES = 4 << 20;
    private static final long STDOUT_PAUSE_NANOS = 10_000_000;

    private static final Map<String, DateTimeFormatter> TIME_FORMATS = Map.ofEntries(
        format("ansic", "EEE MMM ppd HH:mm:ss yyyy"), format("unixdate", "EEE MMM ppd HH:mm:ss zzz yyyy"),
        format("rubydate", "EEE MMM dd HH:mm:ss xx yyyy"), format("rfc822", "dd MMM yy HH:mm zzz"),
        format("rfc822z", "dd MMM yy HH:mm xx"), format("rfc850", "EEEE, dd-MMM-yy HH:mm:ss zzz"),
        format("rfc1123", "EEE, dd MMM yyyy HH:mm:ss zzz"), format("rfc1123z", "EEE, dd MMM yyyy HH:mm:ss xx"),
        format("rfc3339", "yyyy-MM-dd'T'HH:mm:ssXXX"), format("rfc3339nano", "yyyy-MM-dd'T'HH:mm:ss.nXXX"),
        format("kitchen", "h:mma"), format("stamp", "MMM ppd HH:mm:ss"), format("stampmilli", "MMM ppd HH:mm:ss.SSS"),
        format("stampmicro", "MMM ppd HH:mm:ss.SSSSSS"), format("stampnano", "MMM ppd HH:mm:ss.SSSSSSSSS"));

    private static Map.Entry<String, DateTimeFormatter> format(String name, String pattern) {
        DateTimeFormatter formatter = name.equals("rfc3339nano")
            ? new java.time.format.DateTimeFormatterBuilder().appendPattern("yyyy-MM-dd'T'HH:mm:ss")
                .appendFraction(java.time.temporal.ChronoField.NANO_OF_SECOND, 0, 9, true).appendPattern("XXX").toFormatter(Locale.ENGLISH)
            : DateTimeFormatter.ofPattern(pattern, Locale.ENGLISH);
        return Map.entry(name, formatter);
    }

    private final LogBuffer proxy = new LogBuffer(KEPT_BYTES);
    private final LogBuffer upstream = new LogBuffer(KEPT_BYTES);
    private final LogBuffer shown = new LogBuffer(KEPT_BYTES);          // what logToStdout chooses: /logs
    private final LogBuffer stdout = new LogBuffer(STDOUT_BYTES);       // the same, with room for a slow terminal
    private final Map<String, LogBuffer> models = new ConcurrentHashMap<>();
    private volatile Logging logging;
    private final AtomicLong shownBytes = new AtomicLong();
    private final AtomicLong written = new AtomicLong();                // to stdout

    public Log(Logging logging) {
        this.logging = logging;
    }

    /** What is logged where, from now on. */
    public void configure(Logging logging) {
        this.logging = logging;
    }

    /**
     * Forgets logs of models that are not {@code configured} any more, when there are many: some stay, since what went
     * wrong is often looked for after the configuration was changed.
     */
    public void forgetAllBut(Set<String> configured) {
        int removed = 0;
        for (String id : models.keySet()) if (!configured.contains(id) && ++removed > MAX_REMOVED_MODELS) models.remove(id);
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
        DateTimeFormatter time = TIME_FORMATS.get(logging.timeFormat());
        String stamp = time == null ? "" : time.format(ZonedDateTime.now()) + " ";
        StringBuilder text = new StringBuilder(stamp.length() + line.length() + 10);
        text.append(stamp).append('[').append(level).append("] ");
        for (int i = 0; i < line.length(); i++) {       // a request's path may hold anything; a line stays one line
            char c = line.charAt(i);
            text.append(c < ' ' && c != '\t' || c == 0x7f ? ' ' : c);
        }
        byte[] bytes = text.append('\n').toString().getBytes(java.nio.charset.StandardCharsets.UTF_8);
        proxy.append(bytes, 0, bytes.length);
        if (logging.toStdout() == Stdout.PROXY || logging.toStdout() == Stdout.BOTH) show(bytes, bytes.length);
    }

    /** Adds what a model's server wrote. */
    public void upstream(String model, byte[] bytes, int length) {
        model(model).append(bytes, 0, length);
        upstream.append(bytes, 0, length);
        if (logging.toStdout() == Stdout.UPSTREAM || logging.toStdout() == Stdout.BOTH) show(bytes, length);
    }

    private void show(byte[] bytes, int length) {
        shown.append(bytes, 0, length);
        shownBytes.addAndGet(length);
        stdout.append(bytes, 0, length);
    }

    /** The server's own lines. */
    public LogBuffer proxy() {
        return proxy;
    }

    /** What all models wrote. */
    public LogBuffer upstream() {
        return upstream;
    }

    /** What stdout shows. */
    public LogBuffer shown() {
        return shown;
    }

    /** Whether that model has ever written something that is still kept. */
    public boolean hasModel(String id) {
        return models.containsKey(id);
    }

    /** What one model wrote, over all its runs: it outlives them, so that a failed start can be looked into. */
    public LogBuffer model(String id) {
        return models.computeIfAbsent(id, each -> new LogBuffer(KEPT_BYTES));
    }

    /** Starts the thread that writes to stdout, some lines at a time: a wake-up per line would cost more than the line. */
    public void startStdout() {
        LogBuffer.Reader reader = stdout.reader(true);
        Thread.ofPlatform().daemon().name("stdout").start(() -> {
            try (FileOutputStream out = new FileOutputStream(FileDescriptor.out)) {
                while (true) {
                    byte[] bytes = reader.read(64 * 1024, 60_000);
                    if (bytes == null) continue;
                    out.write(bytes);
                    written.addAndGet(bytes.length);
                    LockSupport.parkNanos(STDOUT_PAUSE_NANOS);
                }
            } catch (IOException | InterruptedException e) {
                written.set(Long.MAX_VALUE / 2);    // nobody reads stdout any more; /logs still shows everything
            }
        });
    }

    /** Waits a moment for stdout to take what was logged; before exit. */
    public void flush() throws InterruptedException {
        for (int i = 0; i < 50 && written.get() < shownBytes.get(); i++) Thread.sleep(4);
    }
}
