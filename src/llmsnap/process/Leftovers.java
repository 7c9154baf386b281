package llmsnap.process;

import static java.util.concurrent.TimeUnit.MILLISECONDS;

import java.util.concurrent.CountDownLatch;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import llmsnap.platform.Proc;
import llmsnap.record.Log;

/**
 * Ends the models of an earlier server that was killed. Every process carries, in its environment,
 * the pid and the start time of the server it belongs to, the PID namespace in which these mean
 * something, and which configuration that server had. Only when it had ours and is gone itself it
 * is a left-over: models of other servers, of containers and strangers are never touched. On Linux
 * only: elsewhere nobody may look into other processes' environments.
 */
public final class Leftovers {
    private static final Pattern OWNER = Pattern.compile("\0" + ProcessTree.MARK
        + "=((([0-9]{1,18})-([0-9]{1,18})-[0-9]{1,18}-[0-9a-f]{1,16})\\.[0-9]{1,18})\0");
    private static final long PATIENCE_MS = 2_000;

    private final String home;
    private final String instance;
    private final CountDownLatch ended = new CountDownLatch(1);

    /** @param identity of the configuration: the same after a restart, no other server's */
    public Leftovers(String identity) {
        long pid = ProcessHandle.current().pid();
        String started = Proc.startTime(pid);
        this.home = "-" + Proc.pidNamespace() + "-" + Integer.toHexString(identity.hashCode());
        this.instance = pid + "-" + (started.isEmpty() ? "0" : started) + home;
    }

    /** What this server's processes are marked with. */
    String instance() {
        return instance;
    }

    /** Looks for left-overs and ends them; takes some milliseconds when there are none. */
    public void end(Log log) {
        try {
            Proc.environments(each -> each.contains(home))
                .forEach((pid, environment) -> end(pid, environment, log));
        } finally {
            ended.countDown();
        }
    }

    private void end(long pid, String environment, Log log) {
        Matcher owner = OWNER.matcher(environment);
        if (!owner.find() || !owner.group(2).endsWith(home)) return;
        String started = Proc.startTime(Long.parseLong(owner.group(3)));
        if (started.equals(owner.group(4))) return;
        log.warn("ending " + ProcessTree.describe(pid, environment) + ", left by llmsnap "
            + owner.group(3) + " which died without stopping it");
        ProcessHandle.of(pid).ifPresent(process -> {
            var tree = new ProcessTree(process, owner.group(1));
            tree.kill();
            tree.endSurvivors(true);
        });
    }

    /** Waits until {@link #end} is through; not for ever: a process may be stuck in the kernel. */
    void awaitEnd() throws InterruptedException {
        ended.await(PATIENCE_MS, MILLISECONDS);
    }
}
