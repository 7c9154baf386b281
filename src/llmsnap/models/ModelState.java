package llmsnap.models;

/** A model's state; {@link #label} is its name in the API. */
public enum ModelState {
    STOPPED("stopped"), STARTING("starting"), READY("ready"), SLEEP_PENDING("sleepPending"),
    ASLEEP("asleep"), WAKING("waking"), STOPPING("stopping");

    public final String label;

    ModelState(String label) {
        this.label = label;
    }

    /** Whether the model holds what others may need: memory, the GPU. */
    boolean holdsMemory() {
        return this != STOPPED && this != ASLEEP;
    }

    /** Whether it gets ready: from a stop or from sleep. */
    public boolean isLoading() {
        return this == STARTING || this == WAKING;
    }

    /** Whether a request for it needs no load of its own. */
    public boolean isServing() {
        return this == READY || isLoading();
    }

    /** Whether it is on its way out, to a stop or to sleep. */
    public boolean isLeaving() {
        return this == STOPPING || this == SLEEP_PENDING;
    }
}
