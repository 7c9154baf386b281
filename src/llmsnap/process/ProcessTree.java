package llmsnap.process;

import static java.util.concurrent.TimeUnit.MILLISECONDS;

import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.LockSupport;
import llmsnap.platform.Proc;

/**
 * A process and all it started. Children are followed by parenthood, which a double fork or a dead
 * wrapper script cuts, and, on Linux, by a variable in the environment that every process of the
 * tree inherits.
 */
final class ProcessTree {
    /** The variable that marks the processes of one run: its value is unique. */
    static final String MARK = "LLMSNAP_RUN";
    /** The variable with the model's id. */
    static final String MODEL = "LLMSNAP_MODEL";
    private static final long POLITE_MS = 250;
    private static final long KILLED_MS = 500;
    private static final long LOOK_MS = 2_000;
    private static final int ROUNDS = 20;

    private final ProcessHandle root;
    private final String mark;
    /** Others of the tree; a handle knows its process's start time. */
    private final Set<ProcessHandle> seen = ConcurrentHashMap.newKeySet();

    ProcessTree(ProcessHandle root, String mark) {
        this.root = root;
        this.mark = "\0" + MARK + "=" + mark + "\0";
    }

    /** Notes the descendants; before the root ends, since its end cuts parenthood. */
    void noteDescendants() {
        root.descendants().forEach(seen::add);
    }

    /**
     * Notes the processes that carry the mark. Takes some milliseconds; when one is stuck in the
     * kernel its environment cannot be read, and the look goes on without us.
     */
    void noteMarked() {
        CompletableFuture<Void> look = new CompletableFuture<>();
        Thread.ofPlatform().daemon().name("look " + root.pid()).start(() -> {
            for (long pid : Proc.pids()) {
                boolean marked = pid != root.pid() && Proc.environment(pid).contains(mark);
                if (marked) ProcessHandle.of(pid).ifPresent(seen::add);
            }
            look.complete(null);
        });
        look.completeOnTimeout(null, LOOK_MS, MILLISECONDS).join();
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
