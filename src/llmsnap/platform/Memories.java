package llmsnap.platform;

import static java.lang.Math.max;
import static java.lang.Math.min;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The memories of this machine, and who holds them: NVIDIA's GPUs by their tool, AMD's and Intel's
 * by the kernel's files, the host's by /proc. They are called gpu0, gpu1 ... and host.
 */
public final class Memories {
    public static final String HOST = "host";
    private static final Path DRM = Path.of("/sys/class/drm");
    /** What a card has: amdgpu, i915, xe. */
    private static final List<String> TOTALS = List.of("device/mem_info_vram_total",
        "lmem_total_bytes", "device/tile0/physical_vram_size_bytes");
    private static final String USED = "device/mem_info_vram_used";
    /** A card with less is a part of a processor, which shares the host's memory. */
    private static final long LEAST_BYTES = 4L << 30;
    private static final Pattern CARD = Pattern.compile("card([0-9]+)");
    private static final Pattern SHARD = Pattern.compile("(.*-)00001(-of-([0-9]{5})\\.gguf)");
    private static final int MIB = 20;
    private static final List<List<String>> NO_ROWS = List.of();

    /** Guards all fields: one look at a time. */
    private final Guard guard = new Guard();
    private final NvidiaSmi nvidia;
    /** NVIDIA's, by their id; null before it was asked for. */
    private Map<String, String> nvidiaIds;
    private final Map<String, Long> nvidiaSizes = new LinkedHashMap<>();
    /** The kernel's, by pool. */
    private final Map<String, Path> cards = new LinkedHashMap<>();
    private boolean sharesHost;

    /** @param warn told once of a tool that is of no use */
    public Memories(Consumer<String> warn) {
        nvidia = new NvidiaSmi(warn);
    }

    /** The bytes of each GPU; where there is none of its own memory, those of the host. */
    public Map<String, Long> sizes() {
        return guard.get(this::readSizes);
    }

    private Map<String, Long> readSizes() {
        cards.clear();
        sharesHost = false;
        int next = readNvidia();
        Map<String, Long> found = new LinkedHashMap<>(nvidiaSizes);
        Map<Integer, Path> all = drmCards();
        for (Path card : all.values()) {
            long bytes = total(card);
            boolean small = bytes < LEAST_BYTES;
            sharesHost |= small && all.size() == 1;
            if (small && (sharesHost || !nvidiaSizes.isEmpty())) continue;
            cards.put("gpu" + next, card);
            found.put("gpu" + next++, bytes);
        }
        return found.isEmpty() ? Map.of(HOST, host()) : found;
    }

    /** One that fails has as many as before. @return the first index that is free */
    private int readNvidia() {
        int next = nvidiaSizes.size();
        List<List<String>> rows = ask(() -> nvidia.now("gpu=index,memory.total"));
        if (rows == null) return next;
        nvidiaSizes.clear();
        nvidiaIds = null;
        next = 0;
        for (List<String> row : rows) {
            long index = number(row, 0);
            long mib = number(row, 1);
            if (index < 0) nvidia.warn("prints nonsense");
            if (index >= 0 && mib > 0) nvidiaSizes.put("gpu" + index, mib << MIB);
            next = max(next, (int) index + 1);
        }
        return next;
    }

    /** The bytes of one memory, as they were last asked for; 0 of one that there is not. */
    public long total(String memory) {
        if (memory.equals(HOST)) return host();
        return guard.get(() -> cards.containsKey(memory) ? total(cards.get(memory))
            : nvidiaSizes.getOrDefault(memory, 0L));
    }

    private static long host() {
        long all = Proc.memory("MemTotal");
        long limit = Proc.memoryLimit();
        return limit > 0 ? min(limit, all) : all;
    }

    /** What is used of each memory, by whomever; of those that tell. */
    public Map<String, Long> used() {
        return guard.get(this::readUsed);
    }

    private Map<String, Long> readUsed() {
        Map<String, Long> used = new HashMap<>();
        if (!nvidiaSizes.isEmpty()) {
            List<List<String>> rows = ask(() -> nvidia.now("gpu=index,memory.used"));
            for (List<String> row : rows == null ? NO_ROWS : rows) {
                if (number(row, 1) >= 0) used.put("gpu" + number(row, 0), number(row, 1) << MIB);
            }
        }
        cards.forEach((pool, card) -> {
            long bytes = number(card.resolve(USED));
            if (bytes >= 0) used.put(pool, bytes);
        });
        // In a container with a limit of its own nobody else takes of it.
        boolean limited = host() < Proc.memory("MemTotal");
        if (!limited) used.put(HOST, Proc.memory("MemTotal") - Proc.memory("MemAvailable"));
        return used;
    }

    /**
     * What processes hold of the wanted memories, by process; of those that tell: nothing of a
     * memory is not the same as nothing known.
     */
    public Map<Long, Map<String, Long>> held(Collection<Long> pids, Collection<String> wanted) {
        return guard.get(() -> readHeld(pids, wanted));
    }

    private Map<Long, Map<String, Long>> readHeld(Collection<Long> pids,
            Collection<String> wanted) {
        Map<Long, Map<String, Long>> held = new HashMap<>();
        for (long pid : pids) held.put(pid, new HashMap<>());
        if (!pids.isEmpty() && wanted.stream().anyMatch(nvidiaSizes::containsKey)) {
            for (List<String> row : query("compute-apps=gpu_uuid,pid,used_gpu_memory")) {
                Map<String, Long> its = held.get(number(row, 1));
                String pool = nvidiaPool(row.getFirst());
                long mib = number(row, 2);
                if (its != null && pool != null && mib >= 0) its.merge(pool, mib << MIB, Long::sum);
            }
        }
        boolean drm = sharesHost || wanted.stream().anyMatch(cards::containsKey);
        for (long pid : pids) {
            Map<String, Long> its = held.get(pid);
            Map<String, Long> vram = drm ? Proc.drmMemory(pid) : Map.of();
            cards.forEach((pool, card) -> {
                Long bytes = vram.get(busName(card));
                if (bytes != null) its.put(pool, bytes);
            });
            long host = wanted.contains(HOST) ? Proc.proportionalBytes(pid) : 0;
            if (sharesHost) host += vram.getOrDefault(Proc.SHARED, 0L);
            if (host > 0) its.put(HOST, host);
        }
        return held;
    }

    // ---- NVIDIA

    private List<List<String>> query(String what) {
        List<List<String>> rows = ask(() -> nvidia.query(what));
        return rows == null ? NO_ROWS : rows;
    }

    private interface Asking {
        List<List<String>> rows() throws InterruptedException;
    }

    private static List<List<String>> ask(Asking asking) {
        try {
            return asking.rows();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return List.of();
        }
    }

    private String nvidiaPool(String id) {
        if (nvidiaSizes.size() == 1) return nvidiaSizes.keySet().iterator().next();
        if (nvidiaIds == null || nvidiaIds.isEmpty()) {
            nvidiaIds = new HashMap<>();
            for (List<String> row : query("gpu=index,uuid")) {
                if (row.size() > 1) nvidiaIds.put(row.get(1), "gpu" + row.getFirst());
            }
        }
        return nvidiaIds.get(id);
    }

    private static long number(List<String> row, int field) {
        boolean any = row.size() > field && row.get(field).matches("[0-9]{1,12}");
        return any ? Long.parseLong(row.get(field)) : -1;
    }

    // ---- the kernel's cards

    private static Map<Integer, Path> drmCards() {
        Map<Integer, Path> cards = new TreeMap<>();
        try (DirectoryStream<Path> all = Files.newDirectoryStream(DRM, "card*")) {
            for (Path each : all) {
                Matcher card = CARD.matcher(each.getFileName().toString());
                boolean has = card.matches() && total(each) > 0;
                if (has) cards.put(Integer.valueOf(card.group(1)), each);
            }
        } catch (IOException e) {
            // none
        }
        return cards;
    }

    private static long total(Path card) {
        return TOTALS.stream().mapToLong(name -> number(card.resolve(name))).max().orElse(-1);
    }

    /** The number that a file holds; -1 where there is none. */
    private static long number(Path file) {
        try {
            String text = Files.readString(file).strip();
            return text.startsWith("0x") ? Long.decode(text) : Long.parseLong(text);
        } catch (IOException | NumberFormatException e) {
            return -1;
        }
    }

    /** Where on the bus a card is, as the kernel calls it. */
    private static String busName(Path card) {
        try {
            return card.resolve("device").toRealPath().getFileName().toString();
        } catch (IOException e) {
            return "";
        }
    }

    // ---- files of weights

    /** The bytes of a GGUF with all its shards, or of a folder of safetensors; 0 of neither. */
    public static long weights(String name) {
        try {
            Path path = Path.of(name);
            long bytes = 0;
            if (!Files.isDirectory(path)) {
                for (Path each : shards(path)) bytes += Files.size(each);
                return bytes;
            }
            try (DirectoryStream<Path> files = Files.newDirectoryStream(path, "*.safetensors")) {
                for (Path file : files) bytes += Files.size(file);
            }
            return bytes;
        } catch (IOException | RuntimeException e) {
            return 0;
        }
    }

    /** A file, and of a GGUF in parts all of them. */
    public static List<Path> shards(Path first) {
        Matcher shard = SHARD.matcher(first.toString());
        if (!shard.matches()) return List.of(first);
        List<Path> all = new ArrayList<>();
        for (int i = 1; i <= Integer.parseInt(shard.group(3)); i++) {
            all.add(Path.of(String.format("%s%05d%s", shard.group(1), i, shard.group(2))));
        }
        return all;
    }
}
