package llmsnap.platform;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.util.concurrent.TimeUnit.MILLISECONDS;

import java.io.IOException;
import java.io.InputStream;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Predicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The only reader of /proc: what Linux tells and Java does not. Elsewhere, and of what is gone or
 * another user's, there are empty answers, with which the callers can do.
 */
public final class Proc {
    private static final Path PROC = Path.of("/proc");
    private static final int MAX_BYTES = 1 << 20;
    private static final int START_TIME_FIELD = 20;     // behind the name (proc(5), stat: 22)
    private static final long STUCK_MS = 2_000;
    /** Processes whose environment the kernel did not show in time. */
    private static final Set<Long> STUCK = ConcurrentHashMap.newKeySet();
    private static final Pattern OPEN_FILES = Pattern.compile("Max open files +([0-9]{1,18}) ");
    private static final int KIB = 10;
    private static final Pattern PSS = Pattern.compile("(?m)^Pss: +([0-9]{1,15}) kB");
    private static final Pattern RSS = Pattern.compile("(?m)^VmRSS:\\s+([0-9]{1,15}) kB");
    private static final Pattern DRM_CARD = Pattern.compile("(?m)^drm-pdev:\\s*(\\S+)");
    private static final Pattern DRM_CLIENT = Pattern.compile("(?m)^drm-client-id:\\s*(\\S+)");
    private static final Pattern DRM_OWN =
        Pattern.compile("(?m)^drm-(?:memory-vram|total-vram0):\\s*([0-9]{1,15}) KiB");
    private static final Pattern DRM_SHARED =
        Pattern.compile("(?m)^drm-memory-gtt:\\s*([0-9]{1,15}) KiB");
    private static final String CLOSE_WAIT = "08";
    private static final String IPV4_IN_IPV6 = "0000000000000000FFFF0000";

    private Proc() {}

    private static String read(String file) {
        try (InputStream in = Files.newInputStream(PROC.resolve(file))) {
            return new String(in.readNBytes(MAX_BYTES), ISO_8859_1);
        } catch (IOException e) {
            return "";
        }
    }

    /** The ids of all processes. */
    private static List<Long> pids() {
        List<Long> pids = new ArrayList<>();
        try (DirectoryStream<Path> processes = Files.newDirectoryStream(PROC, "[0-9]*")) {
            for (Path each : processes) pids.add(Long.valueOf(each.getFileName().toString()));
        } catch (IOException | NumberFormatException e) {
            // no /proc, or it went away under us: those so far have to do
        }
        return pids;
    }

    /** The children of a process; null where the kernel does not say. */
    public static List<Long> children(long pid) {
        List<Long> children = new ArrayList<>();
        Path threads = PROC.resolve(pid + "/task");
        try (DirectoryStream<Path> all = Files.newDirectoryStream(threads)) {
            for (Path each : all) {
                String pids = Files.readString(each.resolve("children"), ISO_8859_1);
                for (String child : pids.strip().split(" ")) {
                    if (!child.isEmpty()) children.add(Long.valueOf(child));
                }
            }
        } catch (NoSuchFileException e) {
            // The process is gone, or the kernel was built without.
            return Files.exists(PROC.resolve(pid + "/stat")) ? null : children;
        } catch (IOException | DirectoryIteratorException e) {
            return null;
        }
        return children;
    }

    /** The environment with which a process was started, a NUL before and behind each entry. */
    public static String environment(long pid) {
        return "\0" + read(pid + "/environ") + "\0";
    }

    /**
     * The environments of those processes that are wanted, by id. One that is stuck in the kernel
     * takes whoever reads it along: the look goes on without both, and later ones leave it out.
     */
    public static Map<Long, String> environments(Predicate<String> wanted) {
        Map<Long, String> found = new ConcurrentHashMap<>();
        var at = new AtomicLong();
        while (true) {
            CompletableFuture<Void> look = new CompletableFuture<>();
            Thread.ofPlatform().daemon().name("look").start(() -> {
                for (long pid : pids()) {
                    at.set(pid);
                    if (STUCK.contains(pid)) continue;
                    String environment = environment(pid);
                    STUCK.remove(pid);
                    if (wanted.test(environment)) found.put(pid, environment);
                }
                look.complete(null);
            });
            for (long before = -1; !look.isDone() && at.get() != before; ) {
                before = at.get();
                look.copy().completeOnTimeout(null, STUCK_MS, MILLISECONDS).join();
            }
            if (look.isDone()) return found;
            STUCK.add(at.get());
        }
    }

    /** What a link of /proc leads to; "" where there is none. */
    private static String link(String name) {
        try {
            return Files.readSymbolicLink(PROC.resolve(name)).toString();
        } catch (IOException e) {
            return "";
        }
    }

    /** Whether stdout is a terminal. */
    public static boolean isTerminal() {
        String out = link("self/fd/1");
        return out.startsWith("/dev/pts/") || out.startsWith("/dev/tty");
    }

    /** The number of this process's PID namespace: pids of others mean other processes; or "0". */
    public static String pidNamespace() {
        String number = link("self/ns/pid").replaceAll("[^0-9]", "");
        return number.isEmpty() ? "0" : number;
    }

    /** The name of a process, as the kernel keeps it: 15 bytes of it; "" of one that is gone. */
    public static String name(long pid) {
        return read(pid + "/comm").strip();
    }

    /**
     * When a process started, in ticks since the machine did; "" of one that is gone or a zombie.
     */
    public static String startTime(long pid) {
        String stat = read(pid + "/stat");
        String[] fields = stat.substring(stat.lastIndexOf(')') + 1).split(" ");
        boolean runs = fields.length > START_TIME_FIELD && !fields[1].equals("Z");
        return runs ? fields[START_TIME_FIELD] : "";
    }

    /** Whether a process runs; a zombie, which nobody may ever reap, does not. */
    public static boolean lives(ProcessHandle process) {
        boolean told = Files.isReadable(PROC.resolve("self/stat"));
        return process.isAlive() && (!told || !startTime(process.pid()).isEmpty());
    }

    // ---- memory

    /** The key of {@link #drmMemory} for what GPUs take of the host's memory. */
    static final String SHARED = "";

    private static long bytes(Pattern line, String text) {
        Matcher matcher = line.matcher(text);
        return matcher.find() ? Long.parseLong(matcher.group(1)) << KIB : 0;
    }

    /** A line of /proc/meminfo, in bytes; 0 where there is none. */
    static long memory(String key) {
        return bytes(Pattern.compile("(?m)^" + key + ": +([0-9]{1,15}) kB"), read("meminfo"));
    }

    /** The bytes that this process's cgroup may use, 0 when it has no limit. */
    static long memoryLimit() {
        long least = 0;
        for (String file : List.of("/sys/fs/cgroup/memory.max",
            "/sys/fs/cgroup/memory/memory.limit_in_bytes")) {
            String text = read(file).strip();
            if (text.matches("[0-9]{1,18}")) least = Long.parseLong(text);
        }
        return least;
    }

    /** What a process takes of memory, its part of what is shared; 0 of one that is gone. */
    static long proportionalBytes(long pid) {
        long pss = bytes(PSS, read(pid + "/smaps_rollup"));
        return pss > 0 ? pss : bytes(RSS, read(pid + "/status"));
    }

    /** What a process holds of graphics cards, by their place on the bus, in bytes. */
    static Map<String, Long> drmMemory(long pid) {
        Map<String, Long> held = new HashMap<>();
        Set<String> clients = new HashSet<>();      // one may have several open files
        Path open = PROC.resolve(pid + "/fdinfo");
        try (DirectoryStream<Path> files = Files.newDirectoryStream(open)) {
            for (Path file : files) {
                String text = read(file.toString());
                Matcher card = DRM_CARD.matcher(text);
                Matcher client = DRM_CLIENT.matcher(text);
                if (!card.find() || !client.find()) continue;
                if (!clients.add(card.group(1) + client.group(1))) continue;
                held.merge(card.group(1), bytes(DRM_OWN, text), Long::sum);
                held.merge(SHARED, bytes(DRM_SHARED, text), Long::sum);
            }
        } catch (IOException | DirectoryIteratorException e) {
            // another user's, or gone
        }
        return held;
    }

    /** How many files this process may open, 0 when that is not known. */
    public static long maxOpenFiles() {
        Matcher limit = OPEN_FILES.matcher(read("self/limits"));
        return limit.find() ? Long.parseLong(limit.group(1)) : 0;
    }

    /** The process that listens on a port; 0 when that is not known. */
    public static long listener(int port) {
        Pattern line = Pattern.compile(
            String.format(":%04X [0-9A-F]+:0000 0A (?:\\S+ +){5}([0-9]+)", port));
        Matcher socket = line.matcher(read("self/net/tcp") + read("self/net/tcp6"));
        if (!socket.find()) return 0;
        String wanted = "socket:[" + socket.group(1) + "]";
        for (long pid : pids()) {
            Path open = PROC.resolve(pid + "/fd");
            try (DirectoryStream<Path> files = Files.newDirectoryStream(open)) {
                for (Path file : files) if (link(file.toString()).equals(wanted)) return pid;
            } catch (IOException | DirectoryIteratorException e) {
                // another user's, or gone
            }
        }
        return 0;
    }

    /**
     * The connections to {@code localPort} that their far end has not closed: what the kernel has
     * still to send on each (in any spelling), by {@link #address}.
     *
     * @param wanted the ones asked for: a table that is not needed for them is not read
     * @return null where there are no such tables
     */
    public static Map<String, String> connections(int localPort, Collection<String> wanted) {
        Map<String, String> open = new HashMap<>();
        boolean any = false;
        for (String table : List.of("self/net/tcp6", "self/net/tcp")) {
            if (open.keySet().containsAll(wanted)) break;
            try {
                byte[] text = Files.readAllBytes(PROC.resolve(table));
                readConnections(new String(text, ISO_8859_1), String.format(":%04X", localPort),
                    open);
                any = true;
            } catch (IOException e) {
                // a machine without IPv6, or no Linux
            }
        }
        return any ? open : null;
    }

    /** Lines like "0: LOCAL:PORT REMOTE:PORT STATE SENDQUEUE:RECEIVEQUEUE ...", all in hex. */
    private static void readConnections(String table, String port, Map<String, String> open) {
        int line = table.indexOf('\n') + 1;
        while (line > 0 && line < table.length()) {
            int local = table.indexOf(": ", line) + 2;
            int localEnd = table.indexOf(' ', local);
            int remoteEnd = table.indexOf(' ', localEnd + 1);
            boolean closed = table.startsWith(CLOSE_WAIT, remoteEnd + 1);
            if (table.startsWith(port, localEnd - port.length()) && !closed) {
                String remote = table.substring(localEnd + 1, remoteEnd);
                boolean mapped = remote.startsWith(IPV4_IN_IPV6);
                open.put(mapped ? remote.substring(IPV4_IN_IPV6.length()) : remote,
                    table.substring(remoteEnd + 4, table.indexOf(':', remoteEnd)));
            }
            line = table.indexOf('\n', line) + 1;
        }
    }

    /** An address as {@link #connections} spells it: each four bytes in the machine's order. */
    public static String address(InetSocketAddress remote) {
        ByteBuffer bytes = ByteBuffer.wrap(remote.getAddress().getAddress());
        bytes.order(ByteOrder.nativeOrder());
        var hex = new StringBuilder();
        while (bytes.hasRemaining()) hex.append(String.format("%08X", bytes.getInt()));
        return hex.append(String.format(":%04X", remote.getPort())).toString();
    }
}
