package llmsnap.config;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import llmsnap.config.Config.Group;
import llmsnap.config.Config.Groups;
import llmsnap.text.Nearest;
import llmsnap.text.Place;
import llmsnap.text.YamlNode.Scalar;

/**
 * Reads who may be loaded together: {@code groups} or a {@code matrix}, at the top or in
 * llama-swap's newer place.
 */
final class GroupReader {
    private final Set<String> models;
    private final Problems problems;
    private final Map<String, Group> byName = new LinkedHashMap<>();
    private final Map<String, String> ofModel = new LinkedHashMap<>();

    GroupReader(Set<String> models, Problems problems) {
        this.models = models;
        this.problems = problems;
    }

    Groups read(Fields top) {
        try (Fields routing = top.fields("routing"); Fields router = routing.fields("router");
                Fields settings = router.fields("settings")) {
            routing.has("scheduler");       // is read with the models
            boolean here = top.has("groups") || top.has("matrix");
            boolean there = settings.has("groups") || settings.has("matrix");
            if (here && there) {
                settings.error(settings.has("groups") ? "groups" : "matrix",
                    "who may be loaded together is given twice, at the top and under"
                    + " routing.router.settings; one of them has to go");
            }
            Fields place = here ? top : settings;
            boolean isMatrix = here ? top.has("matrix") : usesMatrix(router, settings);
            Matrix matrix = isMatrix ? matrix(place, top) : null;
            if (matrix == null) {
                for (Fields.Named each : place.each("groups", "group", "members")) {
                    group(each.name(), each.place(), each.fields());
                }
            }
            boolean swaps = matrix == null && !top.has("memory");
            addOthers(swaps);
            return new Groups(byName, ofModel, matrix);
        }
    }

    private static boolean usesMatrix(Fields router, Fields settings) {
        String use = router.text("use", "group").strip();
        if (use.equals("matrix") && !settings.has("matrix")) {
            router.error("use", "routing.router.settings has no matrix to use");
        } else if (!List.of("group", "groups", "matrix").contains(use)) {
            router.error("use", "use is \"" + use + "\"; it can be group or matrix");
        }
        return use.equals("matrix");
    }

    private Matrix matrix(Fields place, Fields top) {
        if (place == top && top.has("groups")) {
            top.error("matrix", "groups and matrix both say which models are loaded together;"
                + " one of them has to go");
        }
        if (top.has("memory")) {
            top.error("matrix", "matrix and memory both say which models are loaded together;"
                + " one of them has to go");
        }
        return new MatrixReader(models, problems).read(place.fields("matrix"));
    }

    private void addOthers(boolean swap) {
        List<String> rest = new ArrayList<>(models);
        rest.removeAll(ofModel.keySet());
        String others = Config.DEFAULT_GROUP;
        if (!rest.isEmpty()) byName.put(others, new Group(others, swap, swap, false, rest));
        for (String id : rest) ofModel.put(id, others);
    }

    private void group(String name, Place place, Fields fields) {
        if (name.equals(Config.DEFAULT_GROUP)) {
            problems.error(place, "the group name (default) is taken by the models in no group");
        }
        List<Scalar> given = fields.scalars("members");
        if (given.isEmpty()) problems.warn(place, "the group \"" + name + "\" has no members");
        List<String> members = new ArrayList<>();
        for (Scalar member : given) add(member, name, members);
        byName.put(name, new Group(name, fields.flag("swap", true), fields.flag("exclusive", true),
            fields.flag("persistent", false), List.copyOf(members)));
        fields.close();
    }

    private void add(Scalar member, String group, List<String> members) {
        String id = member.text();
        if (!models.contains(id)) {
            problems.warn(member.place(), "the group \"" + group + "\" has a member \"" + id
                + "\" that is no model" + Nearest.hint(id, models));
            return;
        }
        String before = ofModel.putIfAbsent(id, group);
        if (before == null) {
            members.add(id);
        } else {
            problems.error(member.place(), "the model \"" + id
                + "\" is listed twice, in the groups \""
                + before + "\" and \"" + group + "\"");
        }
    }
}
