package llmsnap;

/** A reason to exit at once, with that status: a sentence. */
final class Exit extends Exception {
    private static final long serialVersionUID = 1;
    final int status;

    Exit(int status, String message) {
        super(message, null, false, false);
        this.status = status;
    }
}
