package llmsnap;

/** A reason to exit at once, with that status: a sentence. */
final class Exit extends Exception {
    final int status;

    Exit(int status, String message) {
        super(message, null, false, false);
        this.status = status;
    }
}
