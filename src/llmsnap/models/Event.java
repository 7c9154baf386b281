package llmsnap.models;

import java.util.List;
import java.util.Map;
import llmsnap.config.Config.Model;
import llmsnap.config.Config;

/**
 * What happened, for the {@link Scheduler}. Tickets are numbers that the caller makes up, one for
 * each request or control call. {@code run} counts a model's starts: reports of an older one mean
 * nothing.
 */
public sealed interface Event {
    /**
     * Somebody wants to use a model.
     *
     * @param priority of the request, beside the model's
     * @param patient no time-out ends its wait
     */
    record Request(String model, long ticket, int priority, boolean patient) implements Event {
        public Request(String model, long ticket) {
            this(model, ticket, 0, false);
        }
    }

    /** Somebody who waits has left. */
    record Cancel(String model, long ticket) implements Event {}

    /** A granted request has ended. */
    record Release(String model, long ticket) implements Event {}

    /** The model's server answers: after Start, or after Wake. */
    record Ready(String model, int run) implements Event {}

    record Slept(String model, int run) implements Event {}

    /** A sleep or wake call failed while the process lives. */
    record CallFailed(String model, int run, String why) implements Event {}

    /** The process has died or did not get ready; {@link Gone} follows when it is cleaned up. */
    record Failed(String model, int run, String why, int exitCode) implements Event {
        public Failed(String model, int run, String why) {
            this(model, run, why, -1);
        }
    }

    /** The same while it started, for want of memory, as its log says. */
    record RanOut(String model, int run, String why) implements Event {}

    /** What one model was seen to hold, in bytes by pool. */
    record Held(String model, int run, Map<String, Long> bytes) {}

    /** A look at memory. {@code strangers} is what others hold by pool; null when not known. */
    record Measured(List<Held> models, Map<String, Long> strangers) implements Event {}

    /** What models take, as an earlier llmsnap had learned it, by command line and pool. */
    record Learned(Map<String, Map<String, Long>> sizes) implements Event {}

    /** Something is to be seen of it that the scheduler does not know. */
    record Noted(String model) implements Event {}

    /** Its port is taken: it starts at another. */
    record Moved(Model to, int run) implements Event {}

    /** Nothing is left of that run. */
    record Gone(String model, int run) implements Event {}

    record UnloadAll(long ticket) implements Event {}

    record Unload(List<String> models, long ticket) implements Event {}

    record PutToSleep(String model, long ticket) implements Event {}

    /** Unchanged models stay as they are, changed and removed ones end their requests and go. */
    record Reconfigure(Config config) implements Event {}

    record Shutdown() implements Event {}

    /** From now on nothing is loaded for so long. */
    record Paused(Pause pause, long forMs) implements Event {}

    record Resumed() implements Event {}

    /** The time asked for by {@link Effect.Timer} has come. */
    record Tick() implements Event {}
}
