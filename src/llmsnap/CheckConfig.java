package llmsnap;

import java.util.List;
import llmsnap.config.Config;
import llmsnap.config.Config.Model;
import llmsnap.swap.Eviction;

/** What {@code --check-config} prints of a valid configuration: what was understood, not what was written. */
final class CheckConfig {
    private CheckConfig() {}

    static String describe(Config config) {
        StringBuilder out = new StringBuilder();
        for (Model model : config.models().values()) {
            out.append("model ").append(model.id()).append('\n');
            line(out, "command", quoted(model.cmd()));
            if (!model.cmdStop().isEmpty()) line(out, "stopped by", quoted(model.cmdStop()));
            line(out, "answers at", model.proxy() + ", ready when " + (model.checkEndpoint() == null ? "it accepts a connection" : model.checkEndpoint() + " answers 200"));
            if (!model.aliases().isEmpty()) line(out, "aliases", String.join(", ", model.aliases()));
            line(out, "when idle", model.ttlSeconds() == 0 ? "stays loaded" : "is unloaded after " + model.ttlSeconds() + " s");
            line(out, "put away by", model.sleep() == null ? "stopping it" : "sleep");
            List<String> evicted = config.models().keySet().stream().filter(other -> Eviction.evicts(config, model.id(), other)).toList();
            line(out, "unloads", evicted.isEmpty() ? "no other model" : String.join(", ", evicted));
        }
        config.groups().values().forEach(group -> {
            out.append("group ").append(group.name()).append('\n');
            line(out, "members", String.join(", ", group.members()));
            line(out, "settings", "swap " + group.swap() + ", exclusive " + group.exclusive() + ", persistent " + group.persistent());
        });
        config.peers().values().forEach(peer -> {
            out.append("peer ").append(peer.id()).append('\n');
            line(out, "answers at", peer.proxy().toString());
            line(out, "models", String.join(", ", peer.models()));
        });
        if (!config.preload().isEmpty()) out.append("loaded at start: ").append(String.join(", ", config.preload())).append('\n');
        return out.toString();
    }

    private static void line(StringBuilder out, String what, String text) {
        out.append("  ").append(what).append(": ").append(text).append('\n');
    }

    /** Words as a shell would need them written. */
    private static String quoted(List<String> words) {
        return String.join(" ", words.stream().map(word -> word.matches("[A-Za-z0-9_@%+=:,./${}-]+") ? word : "'" + word.replace("'", "'\\''") + "'").toList());
    }
}
