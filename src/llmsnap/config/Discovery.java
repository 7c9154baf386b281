package llmsnap.config;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.UnaryOperator;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import llmsnap.config.Config.Abilities;
import llmsnap.config.Schema.Kind;
import llmsnap.text.Place;
import llmsnap.text.Size;
import llmsnap.text.YamlNode.Entry;
import llmsnap.text.YamlNode.Mapping;
import llmsnap.text.YamlNode.Scalar;

/** Finds models in folders, as {@code discover} says: each GGUF is one. */
final class Discovery {
    static final String KEY = "discover";
    private static final String COMMAND = "llama-server --port ${PORT} -m ${FILE} ${MMPROJ}";
    private static final String ENDING = ".gguf";
    private static final Pattern SHARD = Pattern.compile("(.*)-([0-9]{5})-of-([0-9]{5})");
    private static final Pattern PROJECTOR = Pattern.compile("(?i)mmproj.*");
    private static final Pattern DRAFT = Pattern.compile("(?i).*draft.*");
    private static final Set<String> EMBEDDING = Set.of("bert", "nomic-bert", "nomic-bert-moe",
        "jina-bert-v2", "jina-bert-v3", "modern-bert", "neo-bert", "eurobert", "gemma-embedding",
        "t5encoder");
    private static final Pattern MODE = Pattern.compile("--(embedding|rerank|pooling).*");
    private static final String RANK = "4";
    /** What llama.cpp calls general.file_type, by number; "" for those that there are no more. */
    private static final String[] TYPES = ("F32,F16,Q4_0,Q4_1,,,,Q8_0,Q5_0,Q5_1,Q2_K,Q3_K_S,Q3_K_M"
        + ",Q3_K_L,Q4_K_S,Q4_K_M,Q5_K_S,Q5_K_M,Q6_K,IQ2_XXS,IQ2_XS,Q2_K_S,IQ3_XS,IQ3_XXS,IQ1_S"
        + ",IQ4_NL,IQ3_S,IQ3_M,IQ2_S,IQ2_M,IQ4_XS,IQ1_M,BF16,,,,TQ1_0,TQ2_0,MXFP4").split(",");

    /**
     * A model that was found.
     *
     * @param named as if it had been written
     * @param values of the macros that its commands may use, by name
     * @param projector words of the command for its mmproj file; empty for none
     * @param mode the option that its kind of model needs, or ""
     */
    record Found(Fields.Named named, Map<String, String> values, List<String> projector,
            String mode, Abilities abilities, String description) {
        /** The macros that are its own. */
        Set<String> macros() {
            Set<String> names = new HashSet<>(Macros.LATER);
            names.addAll(values.keySet());
            names.add("MMPROJ");
            return names;
        }

        /** The words that start it, and what llama-server has to be told besides. */
        List<String> command(List<String> some) {
            List<String> words = words(some);
            boolean llama = !words.isEmpty() && name(words.getFirst()).contains("llama-server");
            boolean told = words.stream().anyMatch(word -> MODE.matcher(word).matches());
            if (llama && !told && !mode.isEmpty()) words.add(mode);
            return words;
        }

        /** The words of a command with what is known of its file put in. */
        List<String> words(List<String> some) {
            List<String> words = new ArrayList<>();
            for (String word : some) {
                if (word.equals("${MMPROJ}")) words.addAll(projector);
                else words.add(put(word));
            }
            return words;
        }

        /** A text likewise. */
        String put(String text) {
            String all = text.replace("${MMPROJ}", String.join(" ", projector));
            for (var each : values.entrySet()) {
                all = all.replace("${" + each.getKey() + "}", each.getValue());
            }
            return all;
        }
    }

    private final Machine machine;
    private final Problems problems;
    private final Map<String, Found> found = new LinkedHashMap<>();
    private final List<String> folders = new ArrayList<>();
    private final Set<Path> seen = new HashSet<>();
    private final Map<String, String> projectors = new HashMap<>();

    Discovery(Machine machine, Problems problems) {
        this.machine = machine;
        this.problems = problems;
    }

    /** @param expanding puts macros into a text @return what was found, by id */
    Map<String, Found> read(Fields top, UnaryOperator<Scalar> expanding) {
        for (Fields each : top.list(KEY)) {
            Scalar dir = each.take("dir", Kind.SCALAR) instanceof Scalar text ? text : null;
            if (dir == null) {
                problems.error(each.place(), "discover: dir, the folder to look into, is missing");
                continue;
            }
            String folder = expanding.apply(dir).text();
            if (!problems.checkFile(folder, dir.place())) continue;
            folders.add(folder);
            Pattern match = each.take("match", Kind.SCALAR) instanceof Scalar glob
                ? glob(expanding.apply(glob).text()) : glob("*" + ENDING);
            try {
                List<String> files = machine.models(folder);
                noteProjectors(files);
                for (String file : files) {
                    if (file == null) {
                        problems.warn(dir.place(), "discover: there is a file in " + folder
                            + " whose name no program can be told of; it is left out");
                    } else if (match.matcher(name(file)).matches()) {
                        model(file, files, each);
                    }
                }
            } catch (IOException e) {
                problems.warn(dir.place(), "discover: " + e.getMessage());
            }
        }
        return found;
    }

    /** Where was looked, in order. */
    List<String> folders() {
        return folders;
    }

    /** The first of each folder is for the models beside it. */
    private void noteProjectors(List<String> files) {
        for (String each : files) {
            boolean its = each != null && PROJECTOR.matcher(name(each)).matches();
            if (its) projectors.putIfAbsent(folder(each), each);
        }
    }

    private static Pattern glob(String match) {
        String quoted = Pattern.quote(match);
        return Pattern.compile(quoted.replace("*", "\\E.*\\Q").replace("?", "\\E.\\Q"));
    }

    private static String name(String file) {
        return file.substring(file.lastIndexOf('/') + 1);
    }

    private static String folder(String file) {
        return file.substring(0, Math.max(0, file.lastIndexOf('/')));
    }

    private void model(String file, List<String> files, Fields defaults) {
        String stem = name(file).substring(0, name(file).length() - ENDING.length());
        boolean part = PROJECTOR.matcher(stem).matches() || DRAFT.matcher(stem).matches();
        // The same file may be in two of the folders.
        boolean again = !seen.add(Path.of(file).toAbsolutePath().normalize());
        if (part || again) return;
        boolean odd = stem.isBlank() || file.contains("${");
        if (odd) {
            problems.warn(defaults.place(), "discover: " + file + " is left out: no model can be"
                + " called that");
            return;
        }
        Matcher shard = SHARD.matcher(stem);
        if (shard.matches()) {
            if (Integer.parseInt(shard.group(2)) != 1) return;
            if (lacksShards(file, shard, files, defaults.place())) return;
            stem = shard.group(1);
        }
        String id = stem;
        if (found.containsKey(id)) id = name(folder(file)) + "/" + stem;
        if (found.containsKey(id)) {
            problems.warn(defaults.place(), "discover: " + file + " is left out: there is another"
                + " " + id);
            return;
        }
        try {
            found.put(id, found(id, file, defaults));
        } catch (IOException e) {
            problems.warn(defaults.place(), "discover: " + file + " is left out: "
                + e.getMessage());
        }
    }

    private boolean lacksShards(String file, Matcher first, List<String> files, Place place) {
        String begin = folder(file) + "/" + first.group(1) + "-";
        String end = "-of-" + first.group(3) + ENDING;
        int all = Integer.parseInt(first.group(3));
        long there = files.stream().filter(each -> each != null && each.startsWith(begin)
            && each.endsWith(end) && each.length() == file.length()).count();
        if (there == all) return false;
        problems.warn(place, "discover: " + file + " is left out: there are " + there + " of its "
            + all + " parts");
        return true;
    }

    private Found found(String id, String file, Fields defaults)
            throws IOException {
        Map<String, String> header = machine.header(file);
        String projector = projectors.get(folder(file));
        Map<String, Entry> keys = new LinkedHashMap<>(defaults.mapping().entries());
        keys.remove("dir");
        keys.remove("match");
        Place place = defaults.place();
        keys.putIfAbsent("cmd", new Entry(new Scalar("cmd", true, place),
            new Scalar(COMMAND, false, place)));
        var named = new Fields.Named(id, place,
            defaults.of(new Mapping(keys, place)));
        Map<String, String> values = Map.of(
            "FILE", file,
            "NAME", id,
            "MODEL_ID", id,
            "DIR", folder(file));
        return new Found(named, values,
            projector == null ? List.of() : List.of("--mmproj", projector), mode(header),
            abilities(header, projector), description(header, file));
    }

    private static String architecture(Map<String, String> header) {
        return header.getOrDefault("general.architecture", "");
    }

    private static String its(Map<String, String> header, String key) {
        return header.getOrDefault(architecture(header) + "." + key, "");
    }

    /** What llama-server has to be told of models that do not chat. */
    private static String mode(Map<String, String> header) {
        String pooling = its(header, "pooling_type");
        if (pooling.equals(RANK)) return "--reranking";
        boolean pools = pooling.matches("[1-3]");
        return pools || EMBEDDING.contains(architecture(header)) ? "--embeddings" : "";
    }

    private Abilities abilities(Map<String, String> header, String projector) throws IOException {
        List<String> in = new ArrayList<>(List.of("text"));
        if (projector != null) {
            Map<String, String> its = machine.header(projector);
            boolean ears = "1".equals(its.get("clip.has_audio_encoder"));
            boolean eyes = "1".equals(its.get("clip.has_vision_encoder"));
            if (eyes || !ears) in.add("image");
            if (ears) in.add("audio");
        }
        String context = its(header, "context_length");
        boolean fits = context.matches("[0-9]{1,9}");
        boolean chats = mode(header).isEmpty();
        return new Abilities(in, chats ? List.of("text") : List.of(),
            chats && "true".equals(header.get("tools")), mode(header).equals("--reranking"),
            fits ? Integer.parseInt(context) : 0);
    }

    /** "qwen2 7B Q4_K_M, 4.4 GB". */
    private String description(Map<String, String> header, String file) {
        String number = header.getOrDefault("general.file_type", "");
        int type = number.matches("[0-9]{1,3}") ? Integer.parseInt(number) : TYPES.length;
        String quantized = type < TYPES.length ? TYPES[type] : "";
        String words = architecture(header) + " " + header.getOrDefault("general.size_label", "")
            + " " + quantized;
        return words.strip().replaceAll(" +", " ") + ", " + Size.shown(machine.weights(file));
    }
}
