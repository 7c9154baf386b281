package llmsnap.config;

import static java.lang.Math.max;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import llmsnap.config.Config.Memory;
import llmsnap.config.Config.Needs;
import llmsnap.config.Config.Pool;
import llmsnap.config.Schema.Kind;
import llmsnap.text.Nearest;
import llmsnap.text.Size;
import llmsnap.text.YamlNode;
import llmsnap.text.YamlNode.Entry;
import llmsnap.text.YamlNode.Mapping;
import llmsnap.text.YamlNode.Scalar;

/** Reads which memory there is, and what models say that they need of it. */
final class MemoryReader {
    private static final String KEY = "memory";
    private static final String RESERVE = "memoryReserve";
    private static final String AUTO = "auto";
    /** A size of which an error was told. */
    private static final long WRONG = -1;
    private static final long LEAST_RESERVE_BYTES = 512L << 20;
    private static final int RESERVE_PART = 20;             // of a pool: 5%
    /** What a server takes beside its weights, of which it may keep some twice. */
    private static final long OVERHEAD_BYTES = 300L << 20;
    private static final double OVERHEAD = 1.05;
    private static final Pattern DEVICE = Pattern.compile("gpu[0-9]+|host");
    private static final Pattern VISIBLE =
        Pattern.compile("(?:CUDA|HIP|ROCR)_VISIBLE_DEVICES=(.*)");
    private static final Set<String> NO_DEVICE = Set.of("", "-1", "none");
    private static final Set<String> WEIGHTS =
        Set.of("-m", "--model", "--mmproj", "-md", "--model-draft");

    private final Machine machine;
    private final Problems problems;
    private final Map<String, Pool> pools = new LinkedHashMap<>();

    MemoryReader(Machine machine, Problems problems) {
        this.machine = machine;
        this.problems = problems;
    }

    /** What the whole server has; comes before the models. */
    Memory read(Fields top) {
        int before = problems.errors().size();
        Map<String, Long> found = top.has(KEY) ? machine.memories() : Map.of();
        Map<String, Long> sizes = isAuto(top, KEY) ? found : sizes(top, KEY);
        Map<String, Long> reserves = isAuto(top, RESERVE) ? Map.of() : sizes(top, RESERVE);
        sizes.forEach((name, bytes) -> {
            boolean one = name.isEmpty();
            List<String> devices = DEVICE.matcher(name).matches() ? List.of(name) : List.of();
            String pool = one ? KEY : name;
            long usual = max(LEAST_RESERVE_BYTES, bytes / RESERVE_PART);
            long reserve = reserves.getOrDefault(pool, reserves.getOrDefault("", usual));
            if (reserve >= bytes) {
                top.error(KEY, "the pool " + pool + " has " + Size.shown(bytes) + ", of which "
                    + Size.shown(reserve) + " are to be left free: nothing is left; set "
                    + RESERVE);
            }
            pools.put(pool, new Pool(pool, bytes, reserve,
                one ? List.copyOf(found.keySet()) : devices));
        });
        boolean none = pools.isEmpty() && problems.errors().size() == before;
        if (top.has(KEY) && none) top.error(KEY, "memory names no pool");
        checkPools(top, RESERVE, reserves);
        return new Memory(pools, top.text("stateFile", ""));
    }

    private static boolean isAuto(Fields fields, String key) {
        return fields.take(key, Kind.SCALAR, Kind.OBJECT) instanceof Scalar scalar
            && scalar.text().equals(AUTO);
    }

    /** Sizes by pool; one for all under "". */
    private Map<String, Long> sizes(Fields fields, String key) {
        Map<String, Long> sizes = new LinkedHashMap<>();
        YamlNode node = fields.take(key, Kind.SCALAR, Kind.OBJECT);
        if (node instanceof Mapping mapping) {
            for (Entry each : mapping.entries().values()) {
                String name = each.key().text();
                sizes.put(name, size(each.value(), key + "." + name));
            }
        } else if (node != null) {
            sizes.put("", size(node, key));
        }
        sizes.values().removeIf(bytes -> bytes == WRONG);
        return sizes;
    }

    /** A single size. */
    long size(Fields fields, String key, long otherwise) {
        return fields.has(key) ? size(fields.take(key, Kind.SCALAR), key) : otherwise;
    }

    private long size(YamlNode node, String key) {
        long bytes = node instanceof Scalar scalar ? Size.parse(scalar.text()) : -1;
        if (bytes >= 0) return bytes;
        String found = node instanceof Scalar scalar ? "\"" + scalar.text() + "\""
            : Fields.kind(node);
        problems.error(node.place(), key + " has to be a size (" + Size.FORMS + "), this is "
            + found);
        return WRONG;
    }

    private void checkPools(Fields fields, String key, Map<String, Long> sizes) {
        for (String name : sizes.keySet()) {
            if (name.isEmpty() || pools.containsKey(name)) continue;
            fields.error(key, key + ": there is no pool \"" + name + "\""
                + Nearest.hint(name, pools.keySet()) + "; " + known());
        }
    }

    private String known() {
        return "there are: " + String.join(", ", pools.keySet());
    }

    // ---- one model

    /** What one model needs. */
    Needs needs(Fields fields, List<String> env, List<String> cmd) {
        Map<String, Long> given = sizes(fields, KEY);
        boolean pinned = fields.flag("pinned", false);
        if (pools.isEmpty()) return new Needs(Map.of(), Map.of(), List.of(), pinned);
        List<String> possible = possible(env);
        Long plain = given.remove("");
        if (plain != null && possible.size() == 1) {
            given.put(possible.getFirst(), plain);
        } else if (plain != null) {
            fields.error(KEY, "memory does not say of which pool: write memory: {"
                + pools.keySet().iterator().next() + ": " + Size.shown(plain) + "}; " + known());
        }
        checkPools(fields, KEY, given);
        // What somebody else starts is a stranger to memory, but for what it says.
        List<String> measured = possible.stream()
            .filter(pool -> !cmd.isEmpty() && !pools.get(pool).devices().isEmpty()).toList();
        long weights = measured.size() == 1 ? weights(cmd) : 0;
        Map<String, Long> estimated = weights == 0 ? Map.of()
            : Map.of(measured.getFirst(), (long) (weights * OVERHEAD) + OVERHEAD_BYTES);
        return new Needs(given, estimated, measured, pinned);
    }

    /** The pools that a model may use: of GPUs those that its environment shows it. */
    private List<String> possible(List<String> env) {
        List<String> visible = new ArrayList<>();
        for (String entry : env) {
            Matcher devices = VISIBLE.matcher(entry);
            if (!devices.matches()) continue;
            if (NO_DEVICE.contains(devices.group(1).strip())) {
                return pools.keySet().stream().filter(pool -> !pool.startsWith("gpu")).toList();
            }
            for (String each : devices.group(1).split(",")) {
                String pool = "gpu" + each.strip();
                if (pools.containsKey(pool) && !visible.contains(pool)) visible.add(pool);
            }
        }
        return visible.isEmpty() ? List.copyOf(pools.keySet()) : visible;
    }

    private long weights(List<String> cmd) {
        long bytes = 0;
        for (int i = 1; i < cmd.size(); i++) {
            String[] option = cmd.get(i).split("=", 2);
            boolean named = WEIGHTS.contains(cmd.get(i - 1));
            boolean joined = option.length == 2 && WEIGHTS.contains(option[0]);
            // A folder of weights also stands alone: vllm serve /models/x
            boolean alone = i > 1 && cmd.get(i).startsWith("/") && !cmd.get(i - 1).startsWith("-");
            if (named || joined || alone) bytes += machine.weights(joined ? option[1] : cmd.get(i));
        }
        return bytes;
    }
}
