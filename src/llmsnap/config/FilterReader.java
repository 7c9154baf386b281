package llmsnap.config;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import llmsnap.config.Config.Filters;
import llmsnap.text.Json;
import llmsnap.text.JsonEdit;
import llmsnap.text.JsonEdit.Edit;
import llmsnap.text.YamlNode.Entry;
import llmsnap.text.YamlNode.Mapping;

/** Reads {@code filters}: what is edited in request bodies, of a model or a peer. */
final class FilterReader {
    private FilterReader() {}

    /** @param useModelName what the server is to see as {@code model}; "" for what came */
    static Filters read(Fields owner, String useModelName, Problems problems) {
        Fields fields = owner.fields("filters");
        Map<String, Edit> edits = new LinkedHashMap<>();
        if (!useModelName.isEmpty()) edits.put("model", new Edit.Set(new Json.Str(useModelName)));
        for (String strip : List.of("strip_params", "stripParams")) {
            for (String name : fields.text(strip, "").split(",")) {
                edits = plus(edits, name.strip(), new Edit.Remove());
            }
        }
        Map<String, Edit> always =
            plusAll(edits, fields.json(fields.mapping("setParams"), "setParams"));
        Map<String, Map<String, Edit>> byName = new LinkedHashMap<>();
        String key = "setParamsByID";
        for (Entry entry : fields.mapping(key).entries().values()) {
            String name = entry.key().text();
            if (entry.value() instanceof Mapping params) {
                byName.put(name, plusAll(always, fields.json(params, key)));
            } else {
                problems.error(entry.value().place(), key + ": \"" + name
                    + "\" needs a mapping of parameters");
            }
        }
        fields.close();
        return new Filters(always, byName);
    }

    private static Map<String, Edit> plusAll(Map<String, Edit> edits, Json.Obj params) {
        Map<String, Edit> all = edits;
        for (var entry : params.entries().entrySet()) {
            all = plus(all, entry.getKey(), new Edit.Set(entry.getValue()));
        }
        return all;
    }

    /** Splits {@code name} at dots; {@code \.} is one. The model's name is none of our business. */
    private static Map<String, Edit> plus(Map<String, Edit> edits, String name, Edit edit) {
        List<String> path = Arrays.stream(name.split("(?<!\\\\)\\."))
            .map(part -> part.replace("\\.", ".")).toList();
        boolean none = name.isEmpty() || path.isEmpty() || path.getFirst().equals("model");
        return none ? edits : JsonEdit.plus(edits, path, edit);
    }
}
