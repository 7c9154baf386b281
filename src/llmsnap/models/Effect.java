package llmsnap.models;

import llmsnap.config.Config.Model;

/** What is to be done, says the {@link Scheduler}. */
public sealed interface Effect {
    record Start(Model model, int run) implements Effect {}

    record Wake(Model model, int run) implements Effect {}

    record Sleep(Model model, int run) implements Effect {}

    /** {@code why} is for people. */
    record Stop(Model model, int run, String why) implements Effect {}

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
