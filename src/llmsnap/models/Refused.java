package llmsnap.models;

/** A request that will not be served. */
public final class Refused extends Exception {
    public final Refusal refusal;

    public Refused(Refusal refusal, String message) {
        super(message, null, false, false);
        this.refusal = refusal;
    }
}
