package llmsnap.process;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import llmsnap.observe.Log;

/**
 * Ends the models of an earlier server that was killed. Every process carries, in its environment, the pid and the start
 * time of the server it belongs to; only when that very process is gone it is a left-over. Other servers' models and
 * strangers are never touched. On Linux only: elsewhere nobody may look into other processes' environments.
 */
public final class Leftovers {
    private static final Pattern OWNER = Pattern.compile("(?:^|\0)" + ProcessTree.MARK + "=(([0-9]+)-([0-9]+)\\.[0-9]+)\0");

    private final String instance;
    private final CompletableFuture<Void> ended = new CompletableFuture<>();

    public Leftovers() {
        long pid = ProcessHandle.current().pid();
        this.instance = pid + "-" + startTime(pid);
    }

    /** This server's pid and start time, with which its processes are marked. */
    String instance() {
        return instance;
    }

    /** Looks for left-overs and ends them; takes some milliseconds when there are none. */
    public void end(Log log) {
        try {
            for (ProcessHandle process : ProcessHandle.allProcesses().toList()) {
                Matcher owner = OWNER.matcher(environment(process.pid()));
                if (!owner.find() || startTime(Long.parseLong(owner.group(2))).equals(owner.group(3))) continue;
                log.warn("ending process " + process.pid() + ", left behind by an llmsnap that is gone");
                new ProcessTree(process, owner.group(1)).kill();
                new ProcessTree(process, owner.group(1)).endSurvivors(true);
            }
        } finally {
            ended.complete(null);
        }
    }

    /** Waits until {@link #end} is through. */
    void awaitEnd() throws InterruptedException {
        try {
            ended.get();
        } catch (ExecutionException e) {
            throw new IllegalStateException(e);
        }
    }

    private static String environment(long pid) {
        try {
            return new String(Files.readAllBytes(Path.of("/proc", String.valueOf(pid), "environ")), StandardCharsets.ISO_8859_1) + "\0";
        } catch (IOException e) {
            return "";      // gone meanwhile, or another user's
        }
    }

    /** When a process started, in ticks since the machine did; "0" when it is gone or a zombie, or where nobody tells. */
    private static String startTime(long pid) {
        try {
            String stat = Files.readString(Path.of("/proc", String.valueOf(pid), "stat"), StandardCharsets.ISO_8859_1);
            List<String> fields = new ArrayList<>(List.of(stat.substring(stat.lastIndexOf(')') + 2).split(" ")));
            return fields.getFirst().equals("Z") ? "0" : fields.get(19);
        } catch (IOException | IndexOutOfBoundsException e) {
            return "0";
        }
    }
}
