package llmsnap.record;

import java.util.Locale;

/** How a request ended; {@link #word} is its name in rows. */
public enum Cause {
    /** With the answer of the model's server. */
    ANSWERED,
    CLIENT_LEFT, CANCELLED, UNLOADED, SHUTTING_DOWN,
    /** The model's server sent nothing for longer than it may. */
    SILENT,
    /** The model's server broke the connection off before the first byte of its answer. */
    NO_ANSWER,
    BROKE_OFF,
    /** The model's server answered, or ended its stream, with an error. */
    MODEL_ERROR,
    /** There is no model of that name. */
    NO_MODEL,
    /** With an answer of our own that says what is wrong. */
    REFUSED;

    public String word() {
        return name().toLowerCase(Locale.ROOT);
    }
}
