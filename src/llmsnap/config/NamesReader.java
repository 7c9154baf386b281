package llmsnap.config;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import llmsnap.config.Config.About;
import llmsnap.config.Config.Peer;
import llmsnap.config.Config.Profile;
import llmsnap.config.Config.Selector;
import llmsnap.config.Config.Strategy;
import llmsnap.text.Nearest;
import llmsnap.text.YamlNode.Entry;
import llmsnap.text.YamlNode.Scalar;

/** Reads {@code selectors} and {@code profiles}: names that stand for others. */
final class NamesReader {
    private final Map<String, String> ids;
    private final Map<String, Peer> peers;
    private final Problems problems;
    private final Map<String, Selector> selectors = new LinkedHashMap<>();
    private final Map<String, Profile> profiles = new LinkedHashMap<>();

    /** @param ids the models by every name of theirs */
    NamesReader(Map<String, String> ids, Map<String, Peer> peers, Problems problems) {
        this.ids = ids;
        this.peers = peers;
        this.problems = problems;
    }

    Config.Names read(Fields top) {
        for (Fields.Named each : top.each("selectors", "selector", "targets")) selector(each);
        for (Fields.Named each : top.each("profiles", "profile", "pins")) profile(each);
        return new Config.Names(ids, selectors, profiles);
    }

    /** Whether a model here or at a peer has that name. */
    private boolean isTarget(String name) {
        if (ids.containsKey(name)) return true;
        return peers.values().stream().anyMatch(peer -> peer.models().contains(name)
            || peer.reach().refreshSeconds() > 0 && name.startsWith(peer.id() + "/")
            || peer.models().stream().anyMatch(its -> name.equals(peer.id() + "/" + its)));
    }

    private void selector(Fields.Named named) {
        String id = named.name();
        Fields fields = named.fields();
        boolean taken = ids.containsKey(id) || id.contains("/") && isTarget(id);
        if (taken) {
            problems.error(named.place(), "the selector \"" + id
                + "\" has the name of a model; which of the two is meant cannot be told");
        }
        List<String> targets = new ArrayList<>();
        for (Scalar each : fields.scalars("targets")) {
            String target = each.text().strip();
            if (isTarget(target)) targets.add(target);
            else problems.error(each.place(), unknown("selector", id, target));
        }
        if (!fields.has("targets")) {
            problems.error(named.place(), "the selector \"" + id + "\" has no targets");
        }
        String given = fields.text("strategy", "warm").strip();
        Strategy strategy = Strategy.of(given);
        if (strategy == null) {
            fields.error("strategy", "the strategy is \"" + given
                + "\"; it can be warm, pin, spillover or fallback");
        }
        int spillover;
        try (Fields settings = fields.fields("settings")) {
            spillover = settings.whole("spillover", 1, 1);
        }
        var about = new About(fields.text("name", "").strip(),
            fields.text("description", "").strip(), List.of(), fields.flag("unlisted", false),
            fields.json(fields.mapping("metadata"), "metadata"), Config.Abilities.NONE);
        selectors.put(id, new Selector(id, strategy, targets, about, spillover));
        fields.close();
    }

    private String unknown(String kind, String id, String target) {
        boolean other = selectors.containsKey(target);
        Set<String> names = new TreeSet<>(ids.keySet());
        for (Peer peer : peers.values()) {
            for (String its : peer.models()) names.add(peer.id() + "/" + its);
        }
        return "the " + kind + " \"" + id + "\" leads to \"" + target + "\", which is "
            + (other ? "a selector; it has to be a model" : "no model"
            + Nearest.hint(target, names));
    }

    private void profile(Fields.Named named) {
        Fields fields = named.fields();
        Map<String, String> pins = new LinkedHashMap<>();
        for (Entry each : fields.mapping("pins").entries().values()) {
            String name = each.key().text();
            boolean none = each.value() instanceof Scalar scalar
                && (scalar.isNull() || scalar.text().isBlank());
            String target = each.value() instanceof Scalar scalar && !none
                ? scalar.text().strip() : "";
            boolean known = none || isTarget(target) || selectors.containsKey(target);
            if (known) pins.put(name, target);
            else problems.error(each.value().place(), unknown("profile", named.name(), target));
        }
        String description = fields.text("description", "").strip();
        profiles.put(named.name(), new Profile(named.name(), description, pins));
        fields.close();
    }
}
