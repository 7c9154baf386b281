package llmsnap.swap;

import java.net.URI;
import llmsnap.config.Config.Model;

/**
 * One run of a model's server, from start to end; the process room implements it. The first four methods return at once;
 * what came of them is reported as events of the {@link Scheduler}.
 */
public interface ModelRun {
    /** Starts the process and reports Ready or Failed. */
    void start();

    /** Makes the wake calls and reports Ready or CallFailed. */
    void wake();

    /** Makes the sleep calls and reports Slept or CallFailed. */
    void sleep();

    /** Ends the process and everything it started and reports Gone. Also breaks off what {@link #start} is at. */
    void stop();

    /** Kills the process tree without asking; for a second signal. Returns when the signals are sent. */
    void kill();

    /** Where the server answers, with a host name resolved to the address that did; without a trailing slash. */
    URI base();

    /** Waits until the process has ended, at most {@code millis}. @return whether it has */
    boolean hasEnded(long millis) throws InterruptedException;

    /** The process id, 0 before there is one. */
    long pid();

    /** The last lines the process wrote, as they were, for error messages. */
    String lastLines();

    /** Makes runs. */
    interface Factory {
        /** @param report takes the run's events, from any thread */
        ModelRun create(Model model, int run, java.util.function.Consumer<Scheduler.Event> report);
    }
}
