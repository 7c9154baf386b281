package llmsnap.models;

import java.util.Map;
import llmsnap.config.Config.Model;

/** One model at one moment, for all who look. */
public record ModelStatus(Model model, ModelState state, Server server, Requests requests,
        History history, Clock clock) {
    /**
     * Its server.
     *
     * @param pid 0 when there is none
     * @param needs the memory that it takes once loaded, in bytes by pool; empty when memory does
     *     not decide who is loaded
     * @param holds what it holds of that now
     * @param prompts what became of its prompt cache
     */
    public record Server(long pid, Map<String, Long> needs, MemorySource source,
            Map<String, Long> holds, Kept prompts) {}

    /** {@code position} is its place in the queue from 1, 0 when nothing waits for it. */
    public record Requests(int inFlight, int waiting, int position) {}

    /**
     * What became of it so far.
     *
     * @param starts how often it was started
     * @param swaps how often others had to go for it
     * @param loadMs how long its last start took, -1 before the first
     * @param lastStop why it last went or fell asleep, "" when it never did
     * @param trouble that it has now
     */
    public record History(int starts, int swaps, long loadMs, String lastStop, long lastStopMs,
            Trouble trouble) {}

    /**
     * Why it failed, "" when it has not since it was last loaded; then it may have to wait.
     *
     * @param exitCode of its process, -1 when that did not end by itself
     */
    public record Trouble(String why, long sinceMs, long backOffUntilMs, int exitCode) {}

    /** Times in ms, of one clock that never goes back. */
    public record Clock(long nowMs, long stateSinceMs, long idleSinceMs) {}

    public String id() {
        return model.id();
    }

    /** The same model with what the scheduler does not know. */
    ModelStatus at(long pid, Kept prompts, long nowMs) {
        var now = new Clock(nowMs, clock.stateSinceMs, clock.idleSinceMs);
        return new ModelStatus(model, state, serverAt(pid, prompts), requests, history, now);
    }

    private Server serverAt(long pid, Kept prompts) {
        return new Server(pid, server.needs, server.source, server.holds, prompts);
    }

    public long pid() {
        return server.pid;
    }

    /** The same model in another state. */
    public ModelStatus in(ModelState other) {
        long itsPid = other == ModelState.STOPPED ? 0 : pid();
        Server its = serverAt(itsPid, server.prompts);
        return new ModelStatus(model, other, its, requests, history, clock);
    }
}
