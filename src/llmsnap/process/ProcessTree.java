package llmsnap.process;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.LockSupport;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import llmsnap.platform.Proc;

/**
 * A process and all it started. Children are followed by parenthood, which a double fork or a dead
 * wrapper script cuts, and, on Linux, by a variable in the environment that every process of the
 * tree inherits.
 *
 * @param seen others of the tree; a handle knows its process's start time
 */
record ProcessTree(ProcessHandle root, String mark, Set<ProcessHandle> seen) {
    /** The variable that marks the processes of one run: its value is unique. */
    static final String MARK = "LLMSNAP_RUN";
    /** The variable with the model's id. */
    static final String MODEL = "LLMSNAP_MODEL";
    private static final Pattern ITS_MODEL = Pattern.compile("\0" + MODEL + "=([^\0]*)\0");
    private static final long POLITE_MS = 250;
    private static final long KILLED_MS = 500;
    private static final int ROUNDS = 20;

    ProcessTree(ProcessHandle root, String mark) {
        this(root, "\0" + MARK + "=" + mark + "\0", ConcurrentHashMap.newKeySet());
    }

    /** Notes the descendants; before the root ends, since its end cuts parenthood. */
    void noteDescendants() {
        Deque<Long> open = new ArrayDeque<>(List.of(root.pid()));
        while (!open.isEmpty()) {
            List<Long> children = Proc.children(open.pop());
            if (children == null) {
                root.descendants().forEach(seen::add);      // by a look at all processes
                return;
            }
            for (long pid : children) ProcessHandle.of(pid).ifPresent(seen::add);
            open.addAll(children);
        }
    }

    /** Notes the processes that carry the mark. Takes some milliseconds. */
    void noteMarked() {
        for (long pid : Proc.environments(each -> each.contains(mark)).keySet()) {
            if (pid != root.pid()) ProcessHandle.of(pid).ifPresent(seen::add);
        }
    }

    /** All of them so far. */
    List<Long> pids() {
        noteDescendants();
        List<Long> pids = new ArrayList<>(List.of(root.pid()));
        for (ProcessHandle each : seen) pids.add(each.pid());
        return pids;
    }

    /** A process for people: its name and id, and the model that it serves when it is a model's. */
    static String describe(long pid, String environment) {
        Matcher model = ITS_MODEL.matcher(environment);
        return Proc.name(pid) + " " + pid
            + (model.find() ? " (model " + model.group(1) + ")" : "");
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

    /** Ends what is left of the tree, politely unless {@code atOnce}, until a look finds nobody. */
    void endSurvivors(boolean atOnce) {
        for (int round = 0; round < ROUNDS; round++) {
            noteMarked();
            if (left().isEmpty()) return;
            if (!atOnce && round == 0) {
                left().forEach(ProcessHandle::destroy);
                awaitEnd(POLITE_MS);
            }
            left().forEach(ProcessHandle::destroyForcibly);
            awaitEnd(KILLED_MS);
        }
    }

    private void awaitEnd(long millis) {
        long end = System.nanoTime() + millis * 1_000_000;
        while (!left().isEmpty() && System.nanoTime() < end) LockSupport.parkNanos(2_000_000);
    }

    private List<ProcessHandle> left() {
        return seen.stream().filter(Proc::lives).toList();
    }
}
