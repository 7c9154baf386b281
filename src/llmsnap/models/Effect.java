package llmsnap.models;

import java.util.List;
import java.util.Map;
import llmsnap.config.Config.Model;

/** What is to be done, says the {@link Scheduler}. */
public sealed interface Effect {
    record Start(Model model, int run) implements Effect {}

    record Wake(Model model, int run) implements Effect {}

    record Sleep(Model model, int run) implements Effect {}

    /** For people: {@code what} goes, {@code why}. {@code haste}: the whole server ends. */
    record Stop(Model model, int run, String what, String why, boolean haste)
            implements Effect {}

    /** Nothing was asked for a while: load these for nobody. */
    record Idle(List<String> models) implements Effect {}

    /** Measure again, strangers, too, and report it. */
    record Look() implements Effect {}

    /** More is known of what models take, by command line and pool. */
    record Learned(Map<String, Map<String, Long>> sizes) implements Effect {}

    /** The request may go now; it ends with {@link Event.Release}. */
    record Grant(long ticket, String model, int run) implements Effect {}

    record Refuse(long ticket, Refusal refusal, String message) implements Effect {}

    /** A granted request has to be broken off. */
    record BreakOff(long ticket, Refusal refusal) implements Effect {}

    /** A control call has done what it was to do. */
    record Done(long ticket) implements Effect {}

    /** Send a Tick at that time; it replaces a later one. */
    record Timer(long atMs) implements Effect {}

    /** After a shutdown: nothing runs any more. */
    record AllStopped() implements Effect {}
}
