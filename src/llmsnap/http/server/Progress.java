package llmsnap.http.server;

import static java.util.concurrent.TimeUnit.NANOSECONDS;
import static java.util.concurrent.TimeUnit.SECONDS;

import llmsnap.record.Cause;

/** How an answer gets on: written by who passes it on, looked at by {@link ClientWatch}. */
public final class Progress {
    private volatile long writingSinceNanos;    // 0 while no write to the client is under way
    private volatile long silenceLimitNanos;    // of the model's server; 0: none
    private volatile long silentSinceNanos;
    private String lastUnsent = "";             // this and the next are the watch's own
    private long lastMoveNanos = System.nanoTime();

    void writing() {
        writingSinceNanos = System.nanoTime();
    }

    /** @param byServer what was written came from the model's server, which was not silent */
    void written(boolean byServer) {
        if (byServer) silentSinceNanos = System.nanoTime();
        writingSinceNanos = 0;
    }

    /** From now on the model's server may be silent for that long, 0 = for ever. */
    public void limitSilence(int seconds) {
        silenceLimitNanos = SECONDS.toNanos(seconds);
        silentSinceNanos = System.nanoTime();
    }

    /** The failure of a model's server that has sent nothing for too long, else null. */
    Failure silence(long nowNanos) {
        long limit = silenceLimitNanos;
        boolean silent = writingSinceNanos == 0 && limit != 0
            && nowNanos - silentSinceNanos > limit;
        if (!silent) return null;
        return new Failure(502, Cause.SILENT, "the model's server sent nothing for "
            + NANOSECONDS.toSeconds(limit) + " s, its requestTimeout");
    }

    /**
     * Whether the client has taken no byte for too long. A blocked write alone does not say so: the
     * kernel wakes it only when a good part of its buffer is free again.
     *
     * @param unsent how much of what was written the client has not taken, in any spelling
     */
    boolean isStalled(long nowNanos, long limitNanos, String unsent) {
        if (writingSinceNanos == 0 || !unsent.equals(lastUnsent)) {
            lastUnsent = unsent;
            lastMoveNanos = nowNanos;
        }
        return nowNanos - lastMoveNanos > limitNanos;
    }
}
