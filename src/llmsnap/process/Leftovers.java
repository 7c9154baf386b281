package llmsnap.process;

import java.util.concurrent.CountDownLatch;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import llmsnap.platform.Proc;
import llmsnap.record.Log;

/**
 * Ends the models of an earlier server that was killed. Every process carries, in its environment,
 * the pid and the start time of the server it belongs to; only when that very process is gone it is
 * a left-over. Other servers' models and strangers are never touched. On Linux only: elsewhere
 * nobody may look into other processes' environments.
 */
public final class Leftovers {
    private static final Pattern OWNER =
        Pattern.compile("\0" + ProcessTree.MARK + "=(([0-9]+)-([0-9]+)\\.[0-9]+)\0");

    private final String instance;
    private final CountDownLatch ended = new CountDownLatch(1);

    public Leftovers() {
        long pid = ProcessHandle.current().pid();
        String started = Proc.startTime(pid);
        this.instance = pid + "-" + (started.isEmpty() ? "0" : started);
    }

    /** This server's pid and start time, with which its processes are marked. */
    String instance() {
        return instance;
    }

    /** Looks for left-overs and ends them; takes some milliseconds when there are none. */
    public void end(Log log) {
        try {
            for (long pid : Proc.pids()) {
                Matcher owner = OWNER.matcher(Proc.environment(pid));
                if (!owner.find()) continue;
                String started = Proc.startTime(Long.parseLong(owner.group(2)));
                if (started.equals(owner.group(3))) continue;
                log.warn("ending process " + pid + ", left behind by an llmsnap that is gone");
                ProcessHandle.of(pid).ifPresent(process -> {
                    var tree = new ProcessTree(process, owner.group(1));
                    tree.kill();
                    tree.endSurvivors(true);
                });
            }
        } finally {
            ended.countDown();
        }
    }

    /** Waits until {@link #end} is through. */
    void awaitEnd() throws InterruptedException {
        ended.await();
    }
}
