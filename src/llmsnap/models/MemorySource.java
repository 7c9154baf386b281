package llmsnap.models;

/** How it is known what a model takes. */
public enum MemorySource {
    DECLARED, MEASURED, ESTIMATED, UNKNOWN,
    /** It ran out of memory with less. */
    GUESSED
}
