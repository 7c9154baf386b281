package llmsnap.text;

/**
 * A text that is not what it should be: the message says what is wrong. Unchecked, since it passes
 * through a parser's every method; whoever calls one has to expect it.
 */
public final class Malformed extends RuntimeException {
    /** Where it is wrong; null for JSON, whose messages name the byte. */
    public final transient Place place;

    Malformed(String message, Place place) {
        super(message, null, false, false);
        this.place = place;
    }
}
