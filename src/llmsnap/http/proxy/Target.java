package llmsnap.http.proxy;

import java.util.List;
import llmsnap.config.Config;
import llmsnap.config.Config.Filters;
import llmsnap.config.Config.Model;
import llmsnap.config.Config.Peer;
import llmsnap.http.server.Failure;
import llmsnap.text.Nearest;

/** What a name stands for: a model here, or one of a peer's. */
public sealed interface Target {
    int MAX_LISTED = 8;

    /** The model's id, or the peer's name for it. */
    String id();

    /** The edits of request bodies. */
    Filters filters();

    record Local(Model model) implements Target {
        @Override public String id() {
            return model.id();
        }

        @Override public Filters filters() {
            return model.filters();
        }
    }

    record Remote(Peer peer, String id) implements Target {
        @Override public Filters filters() {
            return peer.filters();
        }
    }

    /** What {@code name} stands for, or null. */
    static Target findOrNull(String name, Config config) {
        Model model = config.model(name);
        if (model != null) return new Local(model);
        Peer peer = config.peer(name);
        return peer == null ? null : new Remote(peer, name);
    }

    /** What {@code name} stands for. @throws Failure 404 with near names, or some that there are */
    static Target find(String name, Config config) throws Failure {
        Target found = findOrNull(name, config);
        if (found == null) throw unknown(name, config);
        return found;
    }

    /** The model of ours that {@code name} stands for. @throws Failure as {@link #find} */
    static Model model(String name, Config config) throws Failure {
        Model model = config.model(name);
        if (model == null) throw unknown(name, config);
        return model;
    }

    private static Failure unknown(String name, Config config) {
        String hint = Nearest.hint(name, config.names().keySet());
        return Failure.noModel("there is no model \"" + name + "\""
            + (hint.isEmpty() ? some(config) : hint));
    }

    private static String some(Config config) {
        List<String> listed = config.models().values().stream()
            .filter(each -> !each.about().unlisted()).map(Model::id).toList();
        if (config.models().isEmpty()) return "; there are no models in the configuration";
        if (listed.isEmpty()) return "";
        boolean all = listed.size() <= MAX_LISTED;
        return "; there are " + String.join(", ", all ? listed : listed.subList(0, MAX_LISTED))
            + (all ? "" : " and more, see /v1/models");
    }
}
