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

    /** @param name the peer's own, which {@code id} may have the peer's before it */
    record Remote(Peer peer, String id, String name) implements Target {
        @Override public Filters filters() {
            return name.equals(id) ? peer.filters() : peer.filters().naming(name);
        }
    }

    /** What {@code name} stands for, or null. */
    static Target findOrNull(String name, Config config) {
        Model model = config.model(name);
        if (model != null) return new Local(model);
        Peer peer = config.peer(name);
        if (peer != null) return new Remote(peer, name, name);
        // PEER/MODEL reaches also what another peer of that model comes before.
        int slash = name.indexOf('/');
        Peer named = slash < 0 ? null : config.peers().byId().get(name.substring(0, slash));
        String its = name.substring(slash + 1);
        boolean has = named != null && named.models().contains(its);
        return has ? new Remote(named, name, its) : null;
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
        return Failure.noModel("there is no model \"" + Failure.shown(name) + "\""
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
