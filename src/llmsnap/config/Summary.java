package llmsnap.config;

import java.util.ArrayList;
import java.util.List;
import llmsnap.config.Config.Abilities;
import llmsnap.config.Config.Group;
import llmsnap.config.Config.Launch;
import llmsnap.config.Config.Model;
import llmsnap.config.Config.Needs;
import llmsnap.config.Config.Peer;
import llmsnap.config.Config.Pool;
import llmsnap.text.Words;

/** What {@code --check-config} prints: what was understood, not what was written. */
public final class Summary {
    private final StringBuilder out = new StringBuilder();

    private Summary() {}

    /** All of a configuration, ending in a line break. */
    public static String of(Config config) {
        var summary = new Summary();
        config.models().values().forEach(model -> summary.model(config, model));
        config.groups().byName().values().forEach(summary::group);
        config.memory().pools().values().forEach(summary::pool);
        config.peers().byId().values().forEach(summary::peer);
        List<String> preload = config.settings().hooks().preload();
        if (!preload.isEmpty()) summary.title("loaded at start:", String.join(", ", preload));
        return summary.out.toString();
    }

    private void model(Config config, Model model) {
        Launch launch = model.launch();
        title("model", model.id());
        line("command", Words.quote(launch.words(launch.command().shown())));
        List<String> stop = launch.words(launch.command().stop());
        if (!stop.isEmpty()) line("stopped by", Words.quote(stop));
        String check = launch.checkEndpoint();
        String ready = check == null ? "it accepts a connection" : check + " answers 200";
        line("answers at", model.proxy() + ", ready when " + ready);
        String description = model.about().description();
        if (!description.isEmpty()) line("about", description);
        Abilities can = model.about().abilities();
        if (!can.equals(Abilities.NONE)) line("can", shown(can));
        List<String> aliases = model.about().aliases();
        if (!aliases.isEmpty()) line("aliases", String.join(", ", aliases));
        int ttl = model.limits().ttlSeconds();
        line("when idle", ttl == 0 ? "stays loaded" : "is unloaded after " + ttl + " s");
        line("put away by", launch.sleep() == null ? "stopping it" : "sleep");
        memory(config, model);
        String prompts = launch.life().cacheDir();
        if (!prompts.isEmpty()) {
            line("keeps prompts in", prompts + "; of several conversations only the last, but with"
                + " -np N or --no-cache-idle-slots in its command");
        }
        if (config.groups().matrix() != null) {
            line("unloads", "what no set of the matrix has beside it");
            return;
        }
        List<String> evicted = config.models().keySet().stream()
            .filter(other -> config.evicts(model.id(), other)).toList();
        boolean all = evicted.size() > 1 && evicted.size() == config.models().size() - 1;
        line("unloads", evicted.isEmpty() ? "no other model"
            : all ? "all others" : String.join(", ", evicted));
    }

    private static String shown(Abilities can) {
        List<String> words = new ArrayList<>();
        if (!can.in().isEmpty()) words.add("read " + String.join(", ", can.in()));
        if (!can.out().isEmpty()) words.add("make " + String.join(", ", can.out()));
        if (can.tools()) words.add("use tools");
        if (can.reranker()) words.add("rerank");
        if (can.context() > 0) words.add("take " + can.context() + " tokens");
        return String.join("; ", words);
    }

    private void memory(Config config, Model model) {
        if (config.memory().pools().isEmpty()) return;
        Needs needs = model.limits().needs();
        boolean declared = !needs.declared().isEmpty();
        String known = declared ? "declared" : "estimated by its files";
        String size = config.memory().shown(declared ? needs.declared() : needs.estimated());
        line("takes", (size.isEmpty() ? "what is measured; until then all of "
            + String.join(", ", needs.pools()) : size + ", " + known)
            + (needs.pinned() ? "; pinned" : ""));
    }

    private void pool(Pool pool) {
        title("memory", pool.name());
        line("has", pool.shown());
        line("measured", pool.devices().isEmpty() ? "nothing, models declare what they take"
            : String.join(", ", pool.devices()));
    }

    private void group(Group group) {
        title("group", group.name());
        line("members", String.join(", ", group.members()));
        line("settings", "swap " + group.swap() + ", exclusive " + group.exclusive()
            + ", persistent " + group.persistent());
    }

    private void peer(Peer peer) {
        title("peer", peer.id());
        line("answers at", peer.proxy().toString());
        line("models", String.join(", ", peer.models()));
    }

    private void title(String what, String name) {
        out.append(what + " " + name + "\n");
    }

    private void line(String what, String text) {
        out.append("  " + what + ": " + text + "\n");
    }
}
