package llmsnap.models;

import java.net.URI;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import llmsnap.config.Config.Abilities;
import llmsnap.config.Config.Model;

/**
 * One run of a model's server, from start to end; the process room implements it. The first four
 * methods return at once; what came of them is reported as {@link Event}s.
 */
public interface ModelRun {
    /** Starts the process and reports Ready or Failed. */
    void start();

    /** Makes the wake calls and reports Ready or CallFailed. */
    void wake();

    /** Makes the sleep calls and reports Slept or CallFailed. */
    void sleep();

    /**
     * Ends the process and all it started and reports Gone; breaks {@link #start} off.
     *
     * @param haste what can be left out is
     */
    void stop(boolean haste);

    /** Kills the process tree without asking. Returns when the signals are sent. */
    void kill();

    /**
     * Where the server answers, a host name resolved to the address that did; no slash at its end.
     */
    URI base();

    /** Host and port for requests to it. */
    String authority();

    /** Waits until the process has ended, at most {@code millis}. @return whether it has */
    boolean hasEnded(long millis) throws InterruptedException;

    /** The process id, 0 before there is one. */
    long pid();

    /** The processes of its server; empty before there are any. */
    List<Long> pids();

    /** The last lines the process wrote, as they were, for error messages. */
    String lastLines();

    /** Makes runs. */
    interface Factory {
        /** @param report takes the run's events, from any thread */
        ModelRun create(Model model, int run, Consumer<Event> report);

        /** What became of a model's prompt cache. */
        Kept kept(String model);

        /** Deletes what is kept of a model's prompts. */
        void forget(Model model);

        /** What a model can do, as far as it is known. */
        Abilities abilities(Model model);

        /** Memory is to be measured, and reported as {@link Event.Measured}. Returns at once. */
        void look();

        /** What models take, by command line and pool, is to be kept. Returns at once. */
        void learned(Map<String, Map<String, Long>> sizes);
    }
}
