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

/** Reads {@code groups}, at the top or in llama-swap's newer place. */
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
            boolean here = top.has("groups");
            if (here && settings.has("groups")) {
                settings.error("groups",
                    "groups are given twice, as groups and as routing.router.settings.groups");
            }
            for (Fields.Named each : (here ? top : settings).each("groups", "group", "members")) {
                group(each.name(), each.place(), each.fields());
            }
        }
        List<String> rest = new ArrayList<>(models);
        rest.removeAll(ofModel.keySet());
        String others = Config.DEFAULT_GROUP;
        if (!rest.isEmpty()) byName.put(others, new Group(others, true, true, false, rest));
        for (String id : rest) ofModel.put(id, others);
        return new Groups(byName, ofModel);
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
