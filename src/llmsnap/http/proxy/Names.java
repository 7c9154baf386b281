package llmsnap.http.proxy;

import java.util.ArrayList;
import java.util.List;
import llmsnap.config.Config;
import llmsnap.config.Config.Model;
import llmsnap.config.Config.Peer;
import llmsnap.config.Config.Profile;
import llmsnap.config.Config.Selector;
import llmsnap.http.server.Failure;
import llmsnap.models.ModelPool;
import llmsnap.text.Nearest;

/**
 * What names stand for, in this order: a pin of the active profile, an id, an alias, a selector,
 * PEER/MODEL, a name that one peer alone has.
 */
public final class Names {
    private static final int MAX_LISTED = 8;

    /** @param of the configuration that it belongs to: a reload ends it */
    private record Active(Config of, Profile profile) {}

    private final ModelPool pool;
    private final PeerModels peers;
    private volatile Active active;

    public Names(ModelPool pool, PeerModels peers) {
        this.pool = pool;
        this.peers = peers;
    }

    /** Which models peers have. */
    public PeerModels peers() {
        return peers;
    }

    /** The active profile, or null. */
    public Profile profile() {
        Active now = active;
        return now != null && now.of == pool.config() ? now.profile : null;
    }

    /** From now on that profile is active. @param id null for none @throws Failure 404 */
    public void activate(String id) throws Failure {
        Config config = pool.config();
        Profile profile = id == null ? null : config.names().profiles().get(id);
        if (id != null && profile == null) {
            throw Failure.notFound("there is no profile \"" + Failure.shown(id) + "\""
                + Nearest.hint(id, config.names().profiles().keySet()));
        }
        active = new Active(config, profile);
    }

    /** What {@code name} stands for, or null. */
    public Target findOrNull(String name) {
        Profile profile = profile();
        String pin = profile == null ? null : profile.pins().get(name);
        if (pin == null) return plain(name);
        return pin.isEmpty() ? null : plain(pin);
    }

    /** Whether a peer's model of that name needs no other: nobody else is called that. */
    public boolean isAlone(String name) {
        return findOrNull(name) instanceof Target.Remote;
    }

    private Target plain(String name) {
        Config config = pool.config();
        Model model = config.model(name);
        if (model != null) return new Target.Local(model);
        Selector selector = config.names().selectors().get(name);
        return selector == null ? remote(name) : any(selector);
    }

    private Target.Any any(Selector selector) {
        List<Target> targets = new ArrayList<>();
        for (String each : selector.targets()) {
            Model model = pool.config().model(each);
            Target target = model == null ? remote(each) : new Target.Local(model);
            if (target != null) targets.add(target);
        }
        return new Target.Any(selector, targets);
    }

    private Target remote(String name) {
        int slash = name.indexOf('/');
        Peer named = slash < 0 ? null
            : pool.config().peers().byId().get(name.substring(0, slash));
        String its = name.substring(slash + 1);
        if (named != null && peers.of(named).contains(its)) {
            return new Target.Remote(named, name, its);
        }
        List<Peer> having = peers.having(name);
        return having.size() == 1 ? new Target.Remote(having.getFirst(), name, name) : null;
    }

    /** What {@code name} stands for. @throws Failure 404 with near names, or some that there are */
    public Target find(String name) throws Failure {
        Target found = findOrNull(name);
        if (found == null) throw unknown(name);
        return found;
    }

    /** The model of ours that {@code name} stands for. @throws Failure as {@link #find} */
    public Model model(String name) throws Failure {
        if (findOrNull(name) instanceof Target.Local local) return local.model();
        throw unknown(name);
    }

    private Failure unknown(String name) {
        Config config = pool.config();
        String there = "there is no model \"" + Failure.shown(name) + "\"";
        Profile profile = profile();
        if (profile != null && "".equals(profile.pins().get(name))) {
            return Failure.noModel(there + " while the profile " + profile.id() + " is active");
        }
        List<String> several = peers.having(name).stream().map(peer -> peer.id() + "/" + name)
            .toList();
        if (several.size() > 1) {
            return Failure.noModel(there + ": several peers have it, say which: "
                + String.join(", ", several));
        }
        String hint = Nearest.hint(name, config.names().ids().keySet());
        return Failure.noModel(there + (hint.isEmpty() ? some(config) : hint));
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
