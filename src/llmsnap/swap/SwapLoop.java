package llmsnap.swap;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Supplier;
import llmsnap.config.Config;
import llmsnap.swap.Scheduler.Effect;
import llmsnap.swap.Scheduler.Event;
import llmsnap.swap.Scheduler.Outlook;
import llmsnap.swap.Scheduler.Refusal;
import llmsnap.swap.Scheduler.State;

/**
 * Owns the {@link Scheduler}: one lock around every event and its effects, which are only handed over here (a thread
 * started, a waiter woken), never waited for. A request that may go at once costs no thread hand-over.
 */
public final class SwapLoop {
    /** Who holds a lease; told when it has to let go. Must return at once. */
    public interface Client {
        void breakOff(String why);
    }

    /** A request that will not be served. */
    public static final class Refused extends Exception {
        private static final long serialVersionUID = 1;
        public final Refusal refusal;

        Refused(Refusal refusal, String message) {
            super(message, null, false, false);
            this.refusal = refusal;
        }
    }

    /** The right to use a model's server; the model stays loaded until it is closed. Closing it again does nothing. */
    public final class Lease implements AutoCloseable {
        private final Ticket ticket;
        private final ModelRun run;

        private Lease(Ticket ticket, ModelRun run) {
            this.ticket = ticket;
            this.run = run;
        }

        public ModelRun run() {
            return run;
        }

        @Override public void close() {
            ticket.end(new Event.Release(ticket.model, ticket.id));
        }
    }

    /** A place in the queue. */
    public final class Ticket {
        private final String model;
        private final long id;
        private final Client client;
        private final CountDownLatch settled = new CountDownLatch(1);
        private volatile Lease lease;
        private volatile Refused refused;

        private Ticket(String model, long id, Client client) {
            this.model = model;
            this.id = id;
            this.client = client;
        }

        /** Waits for the request's turn. @return the lease, or null when {@code patience} is over first */
        public Lease await(Duration patience) throws Refused, InterruptedException {
            if (!settled.await(patience.toMillis(), TimeUnit.MILLISECONDS)) return null;
            return settled();
        }

        /** Waits for the request's turn for as long as it takes. */
        public Lease await() throws Refused, InterruptedException {
            settled.await();
            return settled();
        }

        private Lease settled() throws Refused {
            if (refused != null) throw refused;
            return lease;
        }

        /** Gives the place up; a lease that was granted meanwhile is given back. */
        public void cancel() {
            end(new Event.Cancel(model, id));
            if (lease != null) send(new Event.Release(model, id));
        }

        private void end(Event event) {
            lock.lock();
            try {
                tickets.remove(id);
                send(event);
            } finally {
                lock.unlock();
            }
        }
    }

    private final ReentrantLock lock = new ReentrantLock();       // guards all fields below that are not final, and what they hold
    private final Scheduler scheduler;
    private volatile Config config;
    private final ModelRun.Factory factory;
    private final Observer observer;
    private final Map<Long, Ticket> tickets = new HashMap<>();
    private final Map<String, ModelRun> runs = new HashMap<>();
    private final CountDownLatch allStopped = new CountDownLatch(1);
    private final List<Listener> listeners = new CopyOnWriteArrayList<>();
    private final Thread timer;
    private volatile long timerMs = Long.MAX_VALUE;
    private long lastTicket;

    /** Told of what happens, while the loop's lock is held: has to return at once, and must not call back. */
    public interface Observer {
        /** Worth a line in the log. */
        void info(String line);

        void warn(String line);

        /** A model has become ready, within that time. */
        void loaded(String model, long millis);
    }

    public SwapLoop(Config config, ModelRun.Factory factory, Observer observer) {
        this.config = config;
        this.scheduler = new Scheduler(config);
        this.factory = factory;
        this.observer = observer;
        this.timer = Thread.ofVirtual().name("swap-timer").unstarted(this::runTimer);
    }

    /** Starts the timer for ttl and shutdown. */
    public SwapLoop started() {
        timer.start();
        return this;
    }

    private static long nowMs() {
        return System.nanoTime() / 1_000_000;
    }

    private void runTimer() {
        while (!Thread.interrupted()) {
            long at = timerMs;
            long now = nowMs();
            if (at == Long.MAX_VALUE) {
                LockSupport.park();
            } else if (now < at) {
                LockSupport.parkNanos((at - now) * 1_000_000);
            } else {
                timerMs = Long.MAX_VALUE;
                send(new Event.Tick());
            }
        }
    }

    // ---- requests

    /** Queues a request for a model that exists; never waits. The ticket has to be awaited or cancelled. */
    public Ticket request(String model, Client client) {
        lock.lock();
        try {
            Ticket ticket = newTicket(model, client);
            send(new Event.Request(model, ticket.id));
            return ticket;
        } finally {
            lock.unlock();
        }
    }

    /** Waits for a lease on {@code model}. @throws InterruptedException when interrupted; its place is free again then */
    public Lease acquire(String model, Client client) throws Refused, InterruptedException {
        Ticket ticket = request(model, client);
        try {
            return ticket.await();
        } catch (InterruptedException e) {
            ticket.cancel();
            throw e;
        }
    }

    private Ticket newTicket(String model, Client client) {
        Ticket ticket = new Ticket(model, ++lastTicket, client);
        tickets.put(ticket.id, ticket);
        return ticket;
    }

    // ---- control

    /** Stops models, whatever they are at, and waits until they are gone. */
    public void unload(Collection<String> models) throws InterruptedException {
        try {
            control("", id -> new Event.Unload(List.copyOf(models), id));
        } catch (Refused e) {
            throw new IllegalStateException(e);
        }
    }

    /** Puts a model to sleep after its requests in flight, and waits until it sleeps (or was stopped instead). */
    public void sleep(String model) throws Refused, InterruptedException {
        control(model, id -> new Event.PutToSleep(model, id));
    }

    private void control(String model, java.util.function.LongFunction<Event> event) throws Refused, InterruptedException {
        Ticket ticket;
        lock.lock();
        try {
            ticket = newTicket(model, why -> { });
            send(event.apply(ticket.id));
        } finally {
            lock.unlock();
        }
        ticket.await();
    }

    /** Refuses new requests, stops all models side by side, and waits until nothing runs. */
    public void shutdown() throws InterruptedException {
        send(new Event.Shutdown());
        allStopped.await();
    }

    /** Kills every process that is still there, at once. */
    public void killAll() {
        List<ModelRun> left;
        lock.lock();
        try {
            left = new ArrayList<>(runs.values());
        } finally {
            lock.unlock();
        }
        left.forEach(ModelRun::kill);
    }

    // ---- what others see

    /** One model now. {@code run} is null when it is stopped; times are of {@link System#nanoTime} in ms. */
    public record Snapshot(Scheduler.Status status, ModelRun run, long nowMs) {
        /** The same model in another state. */
        public Snapshot in(State state) {
            return new Snapshot(status.in(state), state == State.STOPPED ? null : run, nowMs);
        }
    }

    /** Every model now, in file order. */
    public List<Snapshot> snapshot() {
        return snapshot(() -> { });
    }

    /** Told of changes, while the loop's lock is held: has to return at once, and must not call back. */
    public interface Listener {
        /**
         * A model's state or the list of models has changed.
         *
         * @param passed states that models were in for no time at all, by id
         * @param now makes the new list; for this call only
         */
        void changed(Map<String, State> passed, Supplier<List<Snapshot>> now);
    }

    /** Has {@code listener} told of every change from now on. */
    public void onChange(Listener listener) {
        listeners.add(listener);
    }

    /** Every model now; {@code same} runs in the same moment, so that who starts to listen in it misses no change and sees none twice. */
    public List<Snapshot> snapshot(Runnable same) {
        lock.lock();
        try {
            same.run();
            return snapshots();
        } finally {
            lock.unlock();
        }
    }

    private List<Snapshot> snapshots() {
        long now = nowMs();
        return scheduler.statuses().stream().map(status -> snapshot(status, now)).toList();
    }

    private Snapshot snapshot(Scheduler.Status status, long now) {
        return new Snapshot(status, status.state() == State.STOPPED ? null : runs.get(status.model().id()), now);
    }

    /** One model now, and what a request for it would meet; both null when there is no such model. */
    public record Look(Snapshot snapshot, Outlook outlook) {}

    public Look look(String model) {
        lock.lock();
        try {
            Scheduler.Status status = scheduler.status(model);
            long now = nowMs();
            return status == null ? new Look(null, null) : new Look(snapshot(status, now), scheduler.outlook(model, now));
        } finally {
            lock.unlock();
        }
    }

    /** The places of these models in the queue, see {@link Scheduler#queuePosition}. */
    public Map<String, Integer> queuePositions(Collection<String> models) {
        lock.lock();
        try {
            Map<String, Integer> positions = new HashMap<>();
            for (String model : models) positions.put(model, scheduler.queuePosition(model));
            return positions;
        } finally {
            lock.unlock();
        }
    }

    /** Puts another configuration in force: requests in flight go on, models that did not change do not notice. */
    public void reconfigure(Config to) {
        lock.lock();
        try {
            config = to;
            send(new Event.Reconfigure(to));
        } finally {
            lock.unlock();
        }
    }

    /** What a request for {@code model} is waiting for, in a few words. */
    public String waitingFor(String model) {
        lock.lock();
        try {
            int position = scheduler.queuePosition(model);
            StringBuilder text = new StringBuilder();
            for (Scheduler.Status status : scheduler.statuses()) {
                boolean itself = status.model().id().equals(model);
                if (itself && (status.state() == State.STARTING || status.state() == State.WAKING)) return "loading";
                if (!itself && (status.state() == State.STOPPING || status.state() == State.SLEEP_PENDING)) {
                    text.append(text.isEmpty() ? "unloading " : ", ").append(status.model().id());
                }
            }
            if (!text.isEmpty()) return text.toString();
            return position > 0 ? "number " + position + " in the queue" : "about to start";
        } finally {
            lock.unlock();
        }
    }

    /** The configuration in force. */
    public Config config() {
        return config;
    }

    // ---- events and effects

    private void send(Event event) {
        lock.lock();
        try {
            switch (event) {
                case Event.Ready ready -> observer.info("model " + ready.model() + ": ready");
                case Event.Slept slept -> observer.info("model " + slept.model() + ": asleep");
                case Event.CallFailed failed -> observer.warn("model " + failed.model() + ": " + failed.why() + "; stopping it");
                case Event.Failed failed -> observer.warn("model " + failed.model() + ": " + failed.why());
                case Event.Gone gone -> observer.info("model " + gone.model() + ": stopped");
                default -> { }
            }
            long changes = scheduler.changes();
            long now = nowMs();
            Scheduler.Status loading = event instanceof Event.Ready ready ? scheduler.status(ready.model()) : null;
            for (Effect effect : scheduler.on(event, now)) carryOut(effect);
            boolean loaded = loading != null && loading.state() != State.READY && scheduler.status(loading.model().id()).state() == State.READY;
            if (loaded) observer.loaded(loading.model().id(), now - loading.stateSinceMs());
            if (changes == scheduler.changes()) return;
            for (Listener listener : listeners) listener.changed(scheduler.passed(), this::snapshots);
        } finally {
            lock.unlock();
        }
    }

    private void carryOut(Effect effect) {
        switch (effect) {
            case Effect.Grant grant -> {
                Ticket ticket = tickets.get(grant.ticket());
                ticket.lease = new Lease(ticket, runs.get(grant.model()));
                ticket.settled.countDown();
            }
            case Effect.Refuse refuse -> {
                Ticket ticket = tickets.remove(refuse.ticket());
                ticket.refused = new Refused(refuse.refusal(), refuse.message());
                ticket.settled.countDown();
            }
            case Effect.Done done -> tickets.remove(done.ticket()).settled.countDown();
            case Effect.BreakOff off -> {
                Ticket ticket = tickets.get(off.ticket());
                if (ticket != null) ticket.client.breakOff(off.why());
            }
            case Effect.Start start -> {
                observer.info("model " + start.model().id() + ": starting: " + String.join(" ", start.model().cmd()));
                ModelRun run = factory.create(start.model(), start.run(), this::send);
                runs.put(start.model().id(), run);
                run.start();
            }
            case Effect.Wake wake -> {
                observer.info("model " + wake.model().id() + ": waking");
                runs.get(wake.model().id()).wake();
            }
            case Effect.Sleep sleep -> {
                observer.info("model " + sleep.model().id() + ": going to sleep");
                runs.get(sleep.model().id()).sleep();
            }
            case Effect.Stop stop -> {
                observer.info("model " + stop.model().id() + ": stopping, " + stop.why());
                runs.get(stop.model().id()).stop();
            }
            case Effect.Timer wanted -> {
                timerMs = Math.min(timerMs, wanted.atMs());
                LockSupport.unpark(timer);
            }
            case Effect.AllStopped all -> allStopped.countDown();
        }
    }
}
