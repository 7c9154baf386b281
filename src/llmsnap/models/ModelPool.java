package llmsnap.models;

import static java.lang.Math.max;
import static java.util.concurrent.TimeUnit.MILLISECONDS;
import static java.util.concurrent.TimeUnit.NANOSECONDS;
import static llmsnap.models.ModelState.STOPPED;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.function.Consumer;
import java.util.function.LongFunction;
import java.util.function.ObjLongConsumer;
import java.util.function.Supplier;
import llmsnap.config.Config.Abilities;
import llmsnap.config.Config;
import llmsnap.config.Config.Model;
import llmsnap.platform.Guard;

/**
 * The models: one lock around the {@link Scheduler}, every event and its effects, which are only
 * handed over here (a thread started, a waiter woken), never waited for. A request that may go at
 * once costs no thread hand-over.
 */
public final class ModelPool {
    /** Who holds a lease; told when it has to let go. Must return at once. */
    public interface Client {
        void breakOff(Refusal why);
    }

    private static final Client NOBODY = why -> { };

    /** Told of changes, under the pool's lock: has to return at once, and may look, no more. */
    public interface Listener {
        /**
         * A model's state or the list of models has changed.
         *
         * @param ids those whose state has changed; null when the list has
         * @param brief states that models were in for no time at all, by id
         * @param now makes the new list; for this call only
         */
        void changed(Set<String> ids, Map<String, ModelState> brief,
            Supplier<List<ModelStatus>> now);
    }

    /** The right to use a model's server, which stays until it is closed; again does nothing. */
    public record Lease(Ticket ticket, ModelRun run) implements AutoCloseable {
        @Override public void close() {
            ticket.end(new Event.Release(ticket.model, ticket.id));
        }
    }

    /** A place in the queue. */
    public final class Ticket {
        private final String model;
        private final long id;
        private final Client client;
        private final CompletableFuture<Lease> settled = new CompletableFuture<>();
        private volatile boolean ended;

        private Ticket(String model, long id, Client client) {
            this.model = model;
            this.id = id;
            this.client = client;
        }

        /** Waits for the request's turn. When interrupted, its place is free again. */
        public Lease await() throws Refused, InterruptedException {
            try {
                return settled.get();
            } catch (ExecutionException e) {
                throw (Refused) e.getCause();
            } catch (InterruptedException e) {
                cancel();
                throw e;
            }
        }

        /** Gives the place up; a lease that was granted meanwhile is given back. */
        public void cancel() {
            end(new Event.Cancel(model, id));
            if (settled.isDone()) send(new Event.Release(model, id));
        }

        /** Whether it is over with it: its lease was closed, or it was given up. */
        public boolean hasEnded() {
            return ended;
        }

        private void end(Event event) {
            if (ended) return;
            ended = true;
            guard.run(() -> {
                tickets.remove(id);
                send(event);
            });
        }
    }

    /** Guards the fields below that are not final, and what they hold. */
    private final Guard guard = new Guard();
    private final Scheduler scheduler;
    private volatile Config config;
    private final ModelRun.Factory factory;
    private final Consumer<String> info;
    private final Consumer<String> warn;
    private final ObjLongConsumer<String> loaded;
    private final Map<Long, Ticket> tickets = new HashMap<>();
    private final Map<String, ModelRun> runs = new HashMap<>();
    private final CountDownLatch allStopped = new CountDownLatch(1);
    private final List<Listener> listeners = new CopyOnWriteArrayList<>();
    private long timerMs = Slot.NEVER;
    private long lastTicket;

    /**
     * The consumers are called under the pool's lock: they have to return at once.
     *
     * @param info takes lines for the log; {@code warn} likewise
     * @param loaded told of a model that has become ready, and of the ms that it took
     */
    public ModelPool(Config config, ModelRun.Factory factory, Consumer<String> info,
            Consumer<String> warn, ObjLongConsumer<String> loaded) {
        this.config = config;
        this.scheduler = new Scheduler(config);
        this.factory = factory;
        this.info = info;
        this.warn = warn;
        this.loaded = loaded;
    }

    private static long nowMs() {
        return NANOSECONDS.toMillis(System.nanoTime());
    }

    private void tick(long atMs) {
        guard.run(() -> {
            if (atMs != timerMs) return;        // replaced by an earlier one
            timerMs = Slot.NEVER;
            send(new Event.Tick());
        });
    }

    // ---- requests and control

    /** Queues a request for a model that exists; never waits. The ticket has to be awaited. */
    public Ticket request(String model, Client client) {
        return queue(model, client, id -> new Event.Request(model, id, 0, true));
    }

    /** The same, within the time that the model's requests may wait. @param priority over others */
    public Ticket request(String model, Client client, int priority) {
        return queue(model, client, id -> new Event.Request(model, id, priority, false));
    }

    /** Loads a model in the background, for nobody. @param failed takes why it was not, or null */
    public void load(String model, Consumer<String> failed) {
        Ticket ticket = request(model, NOBODY);
        Thread.ofVirtual().name("load " + model).start(() -> {
            try {
                ticket.await().close();
            } catch (Refused e) {
                failed.accept(e.getMessage());
            } catch (InterruptedException e) {
                // then it is loaded when somebody asks for it
            }
        });
    }

    /** Loads nothing until then, which replaces an earlier pause. */
    public void pause(Pause pause) {
        long forMs = pause.untilMs() - System.currentTimeMillis();
        send(new Event.Paused(pause, max(0, forMs)));
    }

    /** Ends a pause, if there is one. */
    public void resume() {
        send(new Event.Resumed());
    }

    /** Why nothing is loaded now, or null. */
    public Pause paused() {
        return guard.get(scheduler::paused);
    }

    /** Waits for a lease on {@code model}. When interrupted, its place is free again. */
    public Lease acquire(String model, Client client) throws Refused, InterruptedException {
        return request(model, client).await();
    }

    /** Decides and acts while nothing else happens to models. Must not wait. */
    public <T> T inOneStep(Supplier<T> step) {
        return guard.get(step);
    }

    private Ticket queue(String model, Client client, LongFunction<Event> event) {
        return guard.get(() -> {
            var ticket = new Ticket(model, ++lastTicket, client);
            tickets.put(ticket.id, ticket);
            send(event.apply(ticket.id));
            return ticket;
        });
    }

    /** Stops a model, whatever it is at, and waits until it is gone. */
    public void unload(String model) throws InterruptedException {
        unload(id -> new Event.Unload(List.of(model), id));
    }

    /** Stops all models, also those that the configuration has lost. */
    public void unloadAll() throws InterruptedException {
        unload(Event.UnloadAll::new);
    }

    private void unload(LongFunction<Event> event) throws InterruptedException {
        try {
            queue("", NOBODY, event).await();
        } catch (Refused e) {
            throw new IllegalStateException(e);
        }
    }

    /** Puts a model to sleep after its requests in flight; waits until it sleeps or was stopped. */
    public void sleep(String model) throws Refused, InterruptedException {
        queue(model, NOBODY, id -> new Event.PutToSleep(model, id)).await();
    }

    /** Refuses new requests, stops all models side by side, and waits until nothing runs. */
    public void shutdown() throws InterruptedException {
        send(new Event.Shutdown());
        allStopped.await();
        guard.run(() -> { });       // who listens has been told of the last one
    }

    /** Deletes what is kept of a model's prompts. */
    public void forget(String model) {
        Model known = config.models().get(model);
        if (known != null) factory.forget(known);
    }

    /** Kills every process that is still there, at once. */
    public void killAll() {
        guard.get(() -> new ArrayList<>(runs.values())).forEach(ModelRun::kill);
    }

    /** Puts another configuration in force; models that did not change do not notice. */
    public void reconfigure(Config to) {
        guard.run(() -> {
            config = to;
            send(new Event.Reconfigure(to));
        });
    }

    /** The configuration in force. */
    public Config config() {
        return config;
    }

    // ---- what others see

    /** Has {@code listener} told of every change from now on. */
    public void onChange(Listener listener) {
        listeners.add(listener);
    }

    /** Every model now, in file order. */
    public List<ModelStatus> statuses() {
        return statuses(() -> { });
    }

    /** The same; who begins to listen in {@code meanwhile} misses no change and sees none twice. */
    public List<ModelStatus> statuses(Runnable meanwhile) {
        return guard.get(() -> {
            meanwhile.run();
            return now();
        });
    }

    private List<ModelStatus> now() {
        return scheduler.slots.statuses().stream().map(this::complete).toList();
    }

    private ModelStatus complete(ModelStatus status) {
        ModelRun run = status.state() == STOPPED ? null : runs.get(status.id());
        return status.at(run == null ? 0 : run.pid(), factory.kept(status.id()), nowMs());
    }

    /** One model now; null for one that there is not. */
    public ModelStatus status(String model) {
        return guard.get(() -> {
            ModelStatus status = scheduler.slots.status(model);
            return status == null ? null : complete(status);
        });
    }

    /** What a model can do, by its configuration and by what its server said. */
    public Abilities abilities(Model model) {
        return factory.abilities(model);
    }

    /** What a request for a model would meet; null for one that there is not. */
    public Outlook outlook(String model) {
        return guard.get(() -> scheduler.slots.outlook(model, nowMs(), this::complete));
    }

    /** Memory now; empty when it does not decide who is loaded. */
    public List<PoolStatus> pools() {
        return guard.get(scheduler.slots::pools);
    }

    /** A model with its run. */
    public record Loaded(ModelStatus status, ModelRun run) {}

    /** Those that run, or are about to. */
    public List<Loaded> loaded() {
        return guard.get(() -> now().stream().filter(each -> runs.containsKey(each.id()))
            .map(each -> new Loaded(each, runs.get(each.id()))).toList());
    }

    // ---- events and effects

    /** Takes in what was reported of models, or of memory. */
    public void send(Event event) {
        guard.run(() -> {
            long changes = scheduler.slots.changes();
            long now = nowMs();
            long since = event instanceof Event.Ready ready ? sinceMs(ready.model()) : 0;
            List<Effect> effects = scheduler.on(event, now);
            boolean changed = changes != scheduler.slots.changes();
            // Late reports of what is over change nothing, and are no news.
            if (changed) report(event, now - since);
            for (Effect effect : effects) carryOut(effect);
            if (!changed) return;
            for (Listener listener : listeners) {
                listener.changed(scheduler.slots.changed(), scheduler.slots.brief(), this::now);
            }
        });
    }

    private long sinceMs(String model) {
        ModelStatus status = scheduler.slots.status(model);
        return status == null ? 0 : status.clock().stateSinceMs();
    }

    private void report(Event event, long tookMs) {
        switch (event) {
            case Event.Learned learned -> scheduler.slots.never().forEach(warn);
            case Event.Ready ready -> {
                info(ready.model(), String.format("ready after %.1f s", tookMs / 1000.0));
                loaded.accept(ready.model(), tookMs);
            }
            case Event.Slept slept -> info(slept.model(), "asleep");
            case Event.CallFailed failed -> warn(failed.model(), failed.why() + "; stopping it");
            case Event.Failed failed -> warn(failed.model(), failed.why());
            case Event.RanOut ranOut -> warn(ranOut.model(), ranOut.why()
                + "\nwhat others hold is in its way: they go, and it is started once more");
            case Event.Gone gone -> {
                runs.remove(gone.model());
                info(gone.model(), "stopped");
            }
            default -> { }
        }
    }

    private void info(String model, String what) {
        info.accept("model " + model + ": " + what);
    }

    private void warn(String model, String what) {
        warn.accept("model " + model + ": " + what);
    }

    private void carryOut(Effect effect) {
        switch (effect) {
            case Effect.Grant grant -> {
                Ticket ticket = tickets.get(grant.ticket());
                ticket.settled.complete(new Lease(ticket, runs.get(grant.model())));
            }
            case Effect.Refuse refuse ->
                tickets.remove(refuse.ticket()).settled
                    .completeExceptionally(new Refused(refuse.refusal(), refuse.message()));
            case Effect.Done done -> tickets.remove(done.ticket()).settled.complete(null);
            case Effect.BreakOff off -> {
                Ticket ticket = tickets.get(off.ticket());
                if (ticket != null) ticket.client.breakOff(off.refusal());
            }
            case Effect.Start start -> {
                String id = start.model().id();
                info(id, "starting: " + start.model().shownCmd());
                ModelRun run = factory.create(start.model(), start.run(), this::send);
                runs.put(id, run);
                run.start();
            }
            case Effect.Wake wake -> run(wake.model().id(), "waking").wake();
            case Effect.Sleep sleep -> run(sleep.model().id(), "going to sleep").sleep();
            case Effect.Stop stop -> {
                String id = stop.model().id();
                String what = " (" + stop.what() + ") ";
                if (stop.what().isEmpty()) info(id, "stopping, " + stop.why());
                else info.accept("stopping " + id + what + stop.why());
                runs.get(id).stop(stop.haste());
            }
            case Effect.Idle idle -> idle.models().forEach(id -> Thread.ofVirtual().start(() ->
                load(id, why -> warn(id, "on_idle: " + why))));
            case Effect.Look look -> factory.look();
            case Effect.Learned learned -> factory.learned(learned.sizes());
            case Effect.Timer wanted -> {
                timerMs = wanted.atMs();
                CompletableFuture.delayedExecutor(max(0, timerMs - nowMs()), MILLISECONDS)
                    .execute(() -> tick(wanted.atMs()));
            }
            case Effect.AllStopped all -> allStopped.countDown();
        }
    }

    /** A model's run, to which {@code what} happens. */
    private ModelRun run(String model, String what) {
        info(model, what);
        return runs.get(model);
    }
}
