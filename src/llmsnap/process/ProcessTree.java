package llmsnap.process;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.locks.LockSupport;

/**
 * A process and all it started. Children are followed by parenthood, which a double fork or a dead wrapper script cuts,
 * and, on Linux, by a variable in the environment that every process of the tree inherits.
 */
final class ProcessTree {
    /** The variable that marks the processes of one run: its value is unique. */
    static final String MARK = "LLMSNAP_RUN";
    private static final Path PROC = Path.of("/proc");
    private static final boolean LINUX = Files.isReadable(PROC.resolve("self/environ"));
    private static final long POLITE_MS = 250;
    private static final int MAX_ENVIRON_BYTES = 1 << 20;

    private final ProcessHandle root;
    private final byte[] mark;
    private final Set<ProcessHandle> seen = new LinkedHashSet<>();      // others of the tree; a handle knows its start time

    ProcessTree(ProcessHandle root, String mark) {
        this.root = root;
        this.mark = ("\0" + MARK + "=" + mark + "\0").getBytes(StandardCharsets.UTF_8);
    }

    /** Notes the descendants; before the root ends, since its end cuts parenthood. */
    void noteDescendants() {
        root.descendants().forEach(seen::add);
    }

    /** Notes the processes that carry the mark. Takes some milliseconds. */
    void noteMarked() {
        seen.addAll(marked());
    }

    /** Whether no process but the root was ever seen. */
    boolean isSingle() {
        return seen.isEmpty();
    }

    /** Signals every process of the tree with SIGKILL. */
    void kill() {
        noteDescendants();
        noteMarked();
        root.destroyForcibly();
        seen.forEach(ProcessHandle::destroyForcibly);
    }

    /**
     * Ends what is left when the root has ended: SIGTERM and a moment, unless {@code atOnce}, then SIGKILL, until a look
     * finds nobody.
     */
    void endSurvivors(boolean atOnce) {
        boolean polite = !atOnce;
        for (int round = 0; round < 20; round++) {
            noteMarked();
            List<ProcessHandle> left = left();
            if (left.isEmpty()) return;
            if (polite) {
                left.forEach(ProcessHandle::destroy);
                awaitEnd(POLITE_MS);
                polite = false;
            }
            left().forEach(ProcessHandle::destroyForcibly);
            awaitEnd(500);
        }
    }

    private void awaitEnd(long millis) {
        long end = System.nanoTime() + millis * 1_000_000;
        while (!left().isEmpty() && System.nanoTime() < end) LockSupport.parkNanos(2_000_000);
    }

    private List<ProcessHandle> left() {
        return seen.stream().filter(ProcessTree::lives).toList();
    }

    /** Whether a process runs; a zombie, which nobody may ever reap, does not. */
    private static boolean lives(ProcessHandle process) {
        if (!process.isAlive()) return false;
        if (!LINUX) return true;
        try {
            String stat = Files.readString(PROC.resolve(process.pid() + "/stat"), StandardCharsets.ISO_8859_1);
            return stat.charAt(stat.lastIndexOf(')') + 2) != 'Z';
        } catch (IOException | IndexOutOfBoundsException e) {
            return false;
        }
    }

    private List<ProcessHandle> marked() {
        List<ProcessHandle> found = new ArrayList<>();
        if (!LINUX) return found;
        try (DirectoryStream<Path> processes = Files.newDirectoryStream(PROC, "[0-9]*")) {
            for (Path process : processes) {
                long pid = Long.parseLong(process.getFileName().toString());
                if (pid != root.pid() && carriesMark(process)) ProcessHandle.of(pid).ifPresent(found::add);
            }
        } catch (IOException | NumberFormatException e) {
            // /proc went away under us: parenthood has to do
        }
        return found;
    }

    private boolean carriesMark(Path process) {
        byte[] environ;
        try (InputStream in = Files.newInputStream(process.resolve("environ"))) {
            environ = in.readNBytes(MAX_ENVIRON_BYTES);
        } catch (IOException e) {
            return false;       // gone meanwhile, or another user's
        }
        return contains(environ, mark);
    }

    /** Whether {@code mark}, which starts and ends with NUL, stands in {@code environ}, whose first entry has none before it. */
    private static boolean contains(byte[] environ, byte[] mark) {
        for (int i = -1; i <= environ.length - mark.length; i++) {
            int k = i < 0 ? 1 : 0;
            while (k < mark.length && environ[i + k] == mark[k]) k++;
            if (k == mark.length) return true;
        }
        return false;
    }
}
