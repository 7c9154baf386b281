package llmsnap.models;

/**
 * What became of a model's prompt cache.
 *
 * @param doing what is being done with it now, for people; "" for nothing
 * @param saved the last time, when the model went; {@code restored}: when it came back
 */
public record Kept(String doing, Work saved, Work restored) {
    private static final Work NONE = new Work(0, 0, 0, 0, 0);
    public static final Kept NOTHING = new Kept("", NONE, NONE);

    /**
     * One way of it.
     *
     * @param tokens the last time; {@code bytes} and {@code ms} likewise
     * @param allTokens since this program has started; {@code allMs} likewise
     */
    public record Work(long tokens, long bytes, long ms, long allTokens, long allMs) {
        public Work plus(long more, long itsBytes, long itsMs) {
            return new Work(more, itsBytes, itsMs, allTokens + more, allMs + itsMs);
        }
    }

    public Kept doing(String what) {
        return new Kept(what, saved, restored);
    }
}
