package llmsnap.models;

/**
 * Nobody's models for a while: the GPU is somebody else's.
 *
 * @param untilMs since 1970
 * @param reason for people, "" for none
 * @param unload models that are loaded go; else they are only not loaded
 * @param refuse requests that would wait are refused
 */
public record Pause(long untilMs, String reason, boolean unload, boolean refuse) {
    /** Why, for people. */
    String why() {
        return reason.isEmpty() ? "paused" : "paused: " + reason;
    }
}
