package llmsnap.http.proxy;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import llmsnap.config.Config.Filters;
import llmsnap.config.Config.Key;
import llmsnap.config.Config.Model;
import llmsnap.config.Config.Peer;
import llmsnap.config.Config.Reach;
import llmsnap.config.Config.Selector;
import llmsnap.models.ModelPool.Ticket;
import llmsnap.text.Json;
import llmsnap.text.JsonEdit.Edit;

/** What a name stands for: a model here, one of a peer's, or one of several. */
public sealed interface Target {
    /** The model's id, or the peer's name for it. */
    String id();

    /** Who serves it, for its client: the id, or PEER/MODEL. */
    default String served() {
        return id();
    }

    /** Whether it may be used with that key. */
    default boolean isAllowed(Key key) {
        return key.allows(id()) || key.allows(served());
    }

    /** How it is asked. */
    default Reach reach() {
        return Reach.USUAL;
    }

    /** The edits of the body of a request that has {@code asked} for it. */
    Map<String, Edit> edits(String asked);

    /** Those, and the name that its server knows, when it was asked for by another. */
    private static Map<String, Edit> naming(Map<String, Edit> edits, String name) {
        Map<String, Edit> all = new LinkedHashMap<>(edits);
        all.putIfAbsent("model", new Edit.Set(new Json.Str(name)));
        return all;
    }

    /** @param ticket its place in the queue, where that was taken with the choice; or null */
    record Local(Model model, Ticket ticket) implements Target {
        public Local(Model model) {
            this(model, null);
        }

        @Override public Reach reach() {
            return model.limits().reach();
        }

        /** Gives its place up, if it was not made use of. */
        void giveUp() {
            if (ticket != null && !ticket.hasEnded()) ticket.cancel();
        }

        @Override public String id() {
            return model.id();
        }

        @Override public Map<String, Edit> edits(String asked) {
            Filters filters = model.filters();
            boolean its = asked.equals(model.id()) || model.about().aliases().contains(asked)
                || filters.byName().containsKey(asked);
            return its ? filters.forName(asked) : naming(filters.always(), model.id());
        }
    }

    /** @param name the peer's own, which {@code id} may have the peer's before it */
    record Remote(Peer peer, String id, String name) implements Target {
        @Override public Reach reach() {
            return peer.reach();
        }

        @Override public String served() {
            return peer.id() + "/" + name;
        }

        @Override public Map<String, Edit> edits(String asked) {
            return asked.equals(name) ? peer.filters().always()
                : naming(peer.filters().always(), name);
        }
    }

    /** One of several, see {@link Selection}; until then it has no edits. */
    record Any(Selector selector, List<Target> targets) implements Target {
        @Override public String id() {
            return selector.id();
        }

        @Override public boolean isAllowed(Key key) {
            boolean all = targets.stream().allMatch(each -> each.isAllowed(key));
            return key.allows(id()) || all && !targets.isEmpty();
        }

        @Override public Map<String, Edit> edits(String asked) {
            return Map.of();
        }
    }
}
