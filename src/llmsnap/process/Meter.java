package llmsnap.process;

import static java.util.concurrent.TimeUnit.MILLISECONDS;
import static java.util.concurrent.TimeUnit.SECONDS;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.LockSupport;
import llmsnap.config.Config.Pool;
import llmsnap.models.Event;
import llmsnap.models.ModelPool;
import llmsnap.models.ModelPool.Loaded;
import llmsnap.models.ModelState;
import llmsnap.models.ModelStatus;
import llmsnap.platform.Memories;
import llmsnap.record.Log;

/**
 * Measures what models and strangers hold of the memory that decides who is loaded: a model when it
 * is ready or has fallen asleep, and every few seconds while it works; nothing when nothing is
 * loaded. Keeps what was learned. One thread; nobody waits for it.
 */
public final class Meter {
    private static final long PAUSE_NANOS = SECONDS.toNanos(5);
    private static final Set<ModelState> AT_REST = Set.of(ModelState.READY, ModelState.ASLEEP);

    /** What GPUs held before a model started, and which others there were then. */
    private record Before(Map<String, Long> used, Set<String> others) {}

    private final Memories memories;
    private final Log log;
    private ModelPool pool;
    private final Thread thread = Thread.ofPlatform().daemon().name("meter").unstarted(this::run);
    /** Models in the states in which they were measured, see {@link #key}. */
    private Set<String> measured = Set.of();
    private final Map<String, Before> starts = new HashMap<>();
    private long lastMs;
    private volatile boolean looked;
    /** Something has changed since the last measuring began; parks elsewhere eat the permit. */
    private volatile boolean changed;
    private volatile Map<String, Map<String, Long>> learned = Map.of();
    /** What models can do, as their servers say. */
    final Props props = new Props();
    private final AtomicBoolean news = new AtomicBoolean();

    public Meter(Memories memories, Log log) {
        this.memories = memories;
        this.log = log;
    }

    /** Measures for {@code its} models from now on. */
    public void start(ModelPool its) {
        pool = its;
        pool.onChange((ids, brief, now) -> {
            changed = true;
            LockSupport.unpark(thread);
        });
        StateFile before = StateFile.read(file(), log::warn);
        learned = before.sizes();
        props.learned(before.abilities());
        if (!learned.isEmpty()) pool.send(new Event.Learned(learned));
        for (Pool each : pool.config().memory().pools().values()) {
            log.info("memory " + each.name() + ": " + each.shown());
            for (String device : each.devices()) {
                if (memories.total(device) > 0) continue;
                log.warn("this machine shows no " + device
                    + ": what models take of it counts as they say, and is not measured");
            }
        }
        thread.start();
    }

    private String file() {
        return pool.config().memory().stateFile();
    }

    /** Measures at once, strangers, too. Returns at once. */
    void look() {
        looked = true;
        LockSupport.unpark(thread);
    }

    /** Keeps what was learned. Returns at once. */
    void learned(Map<String, Map<String, Long>> sizes) {
        learned = sizes;
        keep();
    }

    /** There is something new to keep. Returns at once. */
    void keep() {
        news.set(true);
        LockSupport.unpark(thread);
    }

    private void run() {
        while (true) {
            changed = false;
            boolean writes = news.getAndSet(false);
            if (writes) new StateFile(learned, props.all()).write(file(), log::warn);
            try {
                if (!pool.config().memory().pools().isEmpty()) measure();
            } catch (RuntimeException e) {
                log.warn("memory cannot be measured: " + e);
            }
            if (!news.get() && !looked && !changed) pause();
        }
    }

    private void pause() {
        boolean counts = !pool.config().memory().pools().isEmpty();
        if (!counts || pool.loaded().isEmpty()) LockSupport.park(this);
        else LockSupport.parkNanos(this, PAUSE_NANOS);
    }

    private static String key(Loaded each) {
        ModelStatus status = each.status();
        return status.id() + " " + status.history().starts() + " " + status.state();
    }

    private void measure() {
        List<Loaded> loaded = pool.loaded();
        boolean asked = looked;
        looked = false;
        noteStarts(loaded);
        List<Loaded> due = loaded.stream().filter(this::isDue).toList();
        if (due.isEmpty() && !asked) return;
        lastMs = System.nanoTime() / MILLISECONDS.toNanos(1);
        Map<String, Map<String, Long>> held = held(loaded);
        Set<String> keys = keys(loaded);
        measured = keys;
        List<Event.Held> models = new ArrayList<>();
        for (Loaded each : due) {
            Map<String, Long> its = byPool(grown(each, held.get(each.status().id()), loaded));
            if (its.isEmpty()) continue;
            models.add(new Event.Held(each.status().id(), each.status().history().starts(), its));
        }
        // A look at strangers may take longer: what models take is told first.
        if (!models.isEmpty()) pool.send(new Event.Measured(models, null));
        Map<String, Long> used = memories.used();
        boolean quiet = loaded.stream().allMatch(each -> AT_REST.contains(each.status().state()))
            && keys(pool.loaded()).equals(keys);
        if (quiet) pool.send(new Event.Measured(List.of(), strangers(used, held)));
    }

    private boolean isDue(Loaded each) {
        if (!AT_REST.contains(each.status().state())) return false;
        ModelStatus.Clock clock = each.status().clock();
        boolean works = each.status().requests().inFlight() > 0 || clock.idleSinceMs() > lastMs;
        return works && clock.nowMs() - lastMs >= PAUSE_NANOS / MILLISECONDS.toNanos(1)
            || !measured.contains(key(each));
    }

    private static Set<String> keys(List<Loaded> loaded) {
        Set<String> keys = new HashSet<>();
        for (Loaded each : loaded) keys.add(key(each));
        return keys;
    }

    /** What each model's processes hold, by id and device. */
    private Map<String, Map<String, Long>> held(List<Loaded> loaded) {
        Set<Long> pids = new HashSet<>();
        Map<String, List<Long>> its = new HashMap<>();
        for (Loaded each : loaded) its.put(each.status().id(), each.run().pids());
        its.values().forEach(pids::addAll);
        Map<Long, Map<String, Long>> byProcess = memories.held(pids, devices());
        Map<String, Map<String, Long>> held = new HashMap<>();
        its.forEach((id, processes) -> {
            Map<String, Long> sum = new HashMap<>();
            for (long pid : processes) {
                byProcess.get(pid).forEach((device, bytes) -> sum.merge(device, bytes, Long::sum));
            }
            held.put(id, sum);
        });
        return held;
    }

    private Set<String> devices() {
        Set<String> devices = new HashSet<>();
        for (Pool each : pool.config().memory().pools().values()) devices.addAll(each.devices());
        return devices;
    }

    private Map<String, Long> byPool(Map<String, Long> devices) {
        Map<String, Long> bytes = new HashMap<>();
        for (Pool each : pool.config().memory().pools().values()) {
            for (String device : each.devices()) {
                Long its = devices.get(device);
                if (its != null) bytes.merge(each.name(), its, Long::sum);
            }
        }
        return bytes;
    }

    private Map<String, Long> strangers(Map<String, Long> used,
            Map<String, Map<String, Long>> held) {
        Map<String, Long> others = new HashMap<>(used);
        others.keySet().retainAll(devices());
        Map<String, Long> inPools = byPool(others);
        for (Loaded each : pool.loaded()) {
            Map<String, Long> its = byPool(held.getOrDefault(each.status().id(), Map.of()));
            // Of those whose processes nobody shows what is known counts.
            each.status().server().holds().forEach(its::putIfAbsent);
            its.forEach((name, bytes) ->
                inPools.computeIfPresent(name, (same, all) -> Math.max(0, all - bytes)));
        }
        // Of a memory that is no pool as a whole they may have the rest.
        for (Pool each : pool.config().memory().pools().values()) {
            long rest = each.devices().stream().mapToLong(memories::total).sum() - each.bytes();
            inPools.computeIfPresent(each.name(), (name, bytes) ->
                Math.max(0, bytes - Math.max(0, rest)));
        }
        return inPools;
    }

    // ---- where processes cannot be seen: in containers, under WSL

    private boolean hasGpus() {
        return devices().stream().anyMatch(each -> !each.equals(Memories.HOST));
    }

    private void noteStarts(List<Loaded> loaded) {
        starts.keySet().retainAll(loaded.stream().map(each -> each.status().id()).toList());
        for (Loaded each : loaded) {
            String id = each.status().id();
            if (each.status().state() != ModelState.STARTING) continue;
            if (starts.containsKey(id) || !hasGpus()) continue;
            starts.put(id, new Before(memories.used(), others(id, loaded)));
        }
    }

    private static Set<String> others(String id, List<Loaded> loaded) {
        Set<String> others = keys(loaded);
        others.removeIf(each -> each.startsWith(id + " "));
        return others;
    }

    /** What was seen; of GPUs that show nobody what has become used since the model started. */
    private Map<String, Long> grown(Loaded model, Map<String, Long> seen, List<Loaded> loaded) {
        String id = model.status().id();
        Before before = starts.remove(id);
        boolean blind = hasGpus() && seen.keySet().stream().allMatch(Memories.HOST::equals);
        boolean alone = before != null && before.others.equals(others(id, loaded));
        if (!blind || !alone) return seen;
        Map<String, Long> grown = new HashMap<>(seen);
        memories.used().forEach((device, used) -> {
            long more = used - before.used.getOrDefault(device, used);
            if (!device.equals(Memories.HOST)) grown.put(device, Math.max(0, more));
        });
        return grown;
    }
}
