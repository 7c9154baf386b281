package llmsnap.http.server;

import static java.util.concurrent.TimeUnit.NANOSECONDS;
import static java.util.concurrent.TimeUnit.SECONDS;

import llmsnap.record.Cause;

/** How an answer gets on: written by who passes it on, looked at by {@link ClientWatch}. */
public final class Progress {
    private static final int UPLOAD_SECONDS = 30;
    private static final int LENT_SECONDS = 60;
    private static final int DRAIN_SECONDS = 5;
    /** Who is slower than that is as good as gone: bytes a second, over the time it is given. */
    private static final int SLOWEST = 1024;

    private volatile long writingSinceNanos;    // 0 while no write to the client is under way
    private volatile long silenceLimitNanos;    // of the model's server; 0: none
    private volatile long silentSinceNanos;
    private volatile long readingSinceNanos;    // 0 while nothing of the request is waited for
    private volatile boolean drains;
    private volatile boolean lent;              // the request's body holds a model up
    private volatile long uploaded;             // bytes of the request's body
    private volatile long uploadNanos = System.nanoTime();      // when those that follow were fewer
    // These are the watch's own.
    private long uploadedBefore;
    private long unsentBefore;
    private long moved;                         // bytes, since the next
    private long movedNanos = System.nanoTime();

    void writing() {
        writingSinceNanos = System.nanoTime();
    }

    /** Whether a write to the client has not ended for so long. */
    boolean isWritingFor(long nowNanos, long nanos) {
        long since = writingSinceNanos;
        return since != 0 && nowNanos - since >= nanos;
    }

    /** @param byServer what was written came from the model's server, which was not silent */
    void written(boolean byServer) {
        if (byServer) silentSinceNanos = System.nanoTime();
        writingSinceNanos = 0;
    }

    void reading() {
        readingSinceNanos = System.nanoTime();
    }

    /** @param bytes of the body that have come; -1 for its end */
    void read(int bytes) {
        uploaded += Math.max(0, bytes);
        readingSinceNanos = 0;
    }

    /** The rest of the body, which nobody wants, is read so that the connection can go on. */
    void draining() {
        drains = true;
        uploadNanos = System.nanoTime();
        reading();
    }

    /** The failure of a client whose request does not come on, or hardly; else null. */
    Failure stuck(long nowNanos) {
        int seconds = lent ? LENT_SECONDS : UPLOAD_SECONDS;
        if (drains) seconds = DRAIN_SECONDS;
        if (readingSinceNanos == 0 || uploaded - uploadedBefore > (long) SLOWEST * seconds) {
            uploadedBefore = uploaded;
            uploadNanos = nowNanos;
        }
        if (nowNanos - uploadNanos < SECONDS.toNanos(seconds)) return null;
        return new Failure(408, "the request's body did not come on for " + seconds + " s");
    }

    /** From now on the model's server may be silent for that long, 0 = for ever. */
    public void limitSilence(int seconds) {
        lent = true;
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
     * Whether the client has taken next to nothing for too long. A blocked write alone does not say
     * so: the kernel wakes it only when a good part of its buffer is free again.
     *
     * @param unsent how many bytes of what was written the client has not taken
     */
    boolean isStalled(long nowNanos, int limitSeconds, long unsent) {
        moved += Math.abs(unsent - unsentBefore);
        unsentBefore = unsent;
        if (writingSinceNanos == 0 || moved > (long) SLOWEST * limitSeconds) {
            moved = 0;
            movedNanos = nowNanos;
        }
        return nowNanos - movedNanos > SECONDS.toNanos(limitSeconds);
    }
}
