package llmsnap.config;

import llmsnap.config.Config.Group;

/** Who has to go before whom may load: a pure function of the configuration. */
public final class Eviction {
    private Eviction() {}

    /**
     * Whether loading {@code model} makes {@code other} go: within a group when it swaps, across
     * groups when the model's group is exclusive and the other's is not persistent.
     */
    public static boolean evicts(Config config, String model, String other) {
        if (model.equals(other)) return false;
        // One that the configuration has lost, and that is still on its way out, is in everybody's
        // way.
        boolean known = config.models().containsKey(model) && config.models().containsKey(other);
        if (!known) return true;
        Group group = config.group(model);
        Group others = config.group(other);
        if (group.name().equals(others.name())) return group.swap();
        return group.exclusive() && !others.persistent();
    }
}
