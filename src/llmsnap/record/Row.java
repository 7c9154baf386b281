package llmsnap.record;

/**
 * A request that has ended. Times are in ms; -1 is unknown.
 *
 * @param copy whether what was said is kept
 */
public record Row(long id, Asked asked, Outcome outcome, Tokens tokens, Times times,
        Copy copy) {
    /** What there is of what was said; GONE has made room for newer ones. */
    public enum Copy { NONE, KEPT, GONE }

    /**
     * @param model its id, whatever name was used for it
     * @param path without its query, cut when it is very long
     * @param requested the name it was asked for by, "" for the model's
     * @param key the name of the API key that it came with, or ""
     */
    public record Asked(String model, String path, String requested, String key) {}

    /**
     * @param status what the client got; 499 when it left before an answer; of an error that came
     *     as an event of a stream, that error's
     * @param error what went wrong, cut when it is very long; or ""
     */
    public record Outcome(int status, Cause cause, String error) {}

    /**
     * @param endedMs since 1970
     * @param durationMs since the model took it; by the server's own clock where that is known
     * @param ttftMs until the first piece of text, from that same moment; of streams, and where
     *     the server says it
     * @param queueMs waiting for the model: in the queue, and while it loaded
     */
    public record Times(long endedMs, long durationMs, long ttftMs, long queueMs) {
        /** What is left for the generation, where it is known when that began. */
        public long generationMs() {
            return durationMs - Math.max(0, ttftMs);
        }
    }

    /** @param estimated the server did not count: pieces of its stream stand for tokens */
    public record Tokens(Usage.Counts counts, boolean estimated) {}

    Row with(Copy other) {
        return new Row(id, asked, outcome, tokens, times, other);
    }
}
