package llmsnap.models;

/** Why a request is not served. */
public enum Refusal {
    LIMIT, START_FAILED, UNLOADED, SHUTTING_DOWN, NO_SLEEP_MODE, NOT_LOADED, REMOVED, NO_MEMORY,
    QUEUE_TIMEOUT, PAUSED
}
