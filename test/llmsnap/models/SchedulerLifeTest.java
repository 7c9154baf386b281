package llmsnap.models;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import llmsnap.config.Config;
import llmsnap.config.ConfigReader;
import llmsnap.config.ReadConfig;
import llmsnap.config.Machine;
import org.junit.jupiter.api.Test;

/** Failures, unloading, sleep, reloads and the end; and a random world. */
class SchedulerLifeTest extends SchedulerFixture {
    @Test void aFailedStartFailsAllWhoWaitAndNothingElse() {
        aBusy();
        request("b", 2);
        releaseLast("a", 1, "stop a1");
        request("b", 3);
        request("c", 9);
        gone("a", 1, "start b1");
        failed("b", 1, "refuse 2 START_FAILED", "refuse 3 START_FAILED");
        assertThat(state("b")).isEqualTo(ModelState.STOPPING);
        gone("b", 1, "start c1");
    }

    @Test void threeFailuresInARowAreFollowedByAPause() {
        for (int run = 1; run <= 3; run++) {
            request("a", run, "start a" + run);
            now += 100;
            failed("a", run, "refuse " + run + " START_FAILED");
            gone("a", run);
        }
        now += 9_000;
        request("a", 4, "refuse 4 START_FAILED");
        now += 1_000;
        request("a", 5, "start a4");
        ready("a", 4, "grant 5");
        failed("a", 4);
        gone("a", 4);
        request("a", 6, "start a5"); // it was ready: the count began anew
    }

    @Test void slowFailuresAreNotInARow() {
        for (int run = 1; run <= 4; run++) {
            request("a", run, "start a" + run);
            now += 31_000;
            failed("a", run, "refuse " + run + " START_FAILED");
            gone("a", run);
        }
    }

    @Test void anExitLeadsToStoppedFromEveryState() {
        aBusy();
        failed("a", 1);
        request("a", 2); // waits until the remains are gone, then starts anew
        gone("a", 1, "start a2");
        release("a", 1); // of the run that died: unknown by now
        ready("a", 2, "grant 2");
        request("s", 3);
        releaseLast("a", 2, "stop a2");
        failed("a", 2); // exits because it is asked to
        gone("a", 2, "start s1");
        ready("s", 1, "grant 3");
        release("s", 3);
        request("a", 4, "sleep s1");
        failed("s", 1); // dies while it falls asleep
        gone("s", 1, "start a3");
        assertThat(state("s")).isEqualTo(ModelState.STOPPED);
    }

    @Test void whatAnOlderRunReportsIsIgnored() {
        aBusy();
        failed("a", 1);
        gone("a", 1);
        request("a", 2, "start a2");
        failed("a", 1);
        gone("a", 1);
        ready("a", 1);
        ready("a", 2, "grant 2");
    }

    @Test void unloadBreaksOffWhatIsInFlightAndWaitsForNobody() {
        aBusy();
        request("b", 2);
        on(new Event.Unload(List.of("a"), 90), "break 1", "stop a1");
        release("a", 1);
        gone("a", 1, "done 90", "start b1");
    }

    @Test void unloadWhileLoadingRefusesAndDoesNotStartAgain() {
        request("a", 1, "start a1");
        on(new Event.Unload(List.of("a"), 90), "refuse 1 UNLOADED", "stop a1");
        ready("a", 1);
        gone("a", 1, "done 90");
        assertThat(state("a")).isEqualTo(ModelState.STOPPED);
        on(new Event.Unload(List.of("a", "b"), 91), "done 91");
    }

    @Test void unloadAllWaitsForAll() {
        scheduler = scheduler("""
            models: {a: {cmd: x, proxy: http://h}, b: {cmd: x, proxy: http://h}}
            groups: {g: {swap: false, members: [a, b]}}
            """);
        request("a", 1, "start a1");
        request("b", 2, "start b1");
        ready("a", 1, "grant 1");
        on(
            new Event.Unload(List.of("a", "b"), 90),
            "break 1",
            "stop a1",
            "refuse 2 UNLOADED",
            "stop b1");
        request("a", 3); // waits for its turn: after the unload a new request loads again
        gone("b", 1);
        gone("a", 1, "done 90", "start a2");
    }

    @Test void sleepInsteadOfStop() {
        request("s", 1, "start s1");
        ready("s", 1, "grant 1");
        release("s", 1);
        request("a", 2, "sleep s1");
        request("s", 3); // while it falls asleep: waits and is served
        on(new Event.Slept("s", 1), "start a1");
        ready("a", 1, "grant 2");
        releaseLast("a", 2, "stop a1");
        gone("a", 1, "wake s1");
        ready("s", 1, "grant 3");
    }

    @Test void aFailedSleepStopsAndAFailedWakeStartsAnew() {
        request("s", 1, "start s1");
        ready("s", 1, "grant 1");
        release("s", 1);
        request("a", 2, "sleep s1");
        on(new Event.CallFailed("s", 1, "500"), "stop s1");
        gone("s", 1, "start a1");
        ready("a", 1, "grant 2");
        release("a", 2);
        request("s", 3, "stop a1");
        gone("a", 1, "start s2");
        ready("s", 2, "grant 3");
        release("s", 3);
        on(new Event.PutToSleep("s", 90), "sleep s2");
        on(new Event.Slept("s", 2), "done 90");
        request("s", 4, "wake s2");
        on(new Event.CallFailed("s", 2, "500"), "stop s2");
        gone("s", 2, "start s3");
        ready("s", 3, "grant 4");
    }

    @Test void putToSleepWaitsForRequestsInFlight() {
        request("s", 1, "start s1");
        on(new Event.PutToSleep("s", 89), "refuse 89 NOT_LOADED");
        ready("s", 1, "grant 1");
        on(new Event.PutToSleep("s", 90));
        request("s", 2);
        release("s", 1, "sleep s1");
        on(new Event.Slept("s", 1), "done 90", "wake s1");
        ready("s", 1, "grant 2");
        on(new Event.PutToSleep("a", 91), "refuse 91 NO_SLEEP_MODE");
    }

    private Config reread(String yaml) {
        ConfigReader.Result result =
            ReadConfig.read(yaml.getBytes(StandardCharsets.UTF_8), name -> null, Map.of(),
                Machine.NONE);
        assertThat(result.errors()).isEmpty();
        return result.config();
    }

    @Test void aReloadLeavesUnchangedModelsAlone() {
        aBusy();
        on(new Event.Reconfigure(reread("""
            models:
              new: {cmd: x, proxy: http://h}
              a: {cmd: x, proxy: http://h, ttl: 3, name: A}
            """)));
        request("a", 2, "grant 2");
        release("a", 1);
        release("a", 2, "timer 3000");
        request("b", 3, "refuse 3 REMOVED");
        request("new", 4, "stop a1");
        gone("a", 1, "start new1");
    }

    @Test void aReloadDrainsWhatChangedAndRefusesNobody() {
        aBusy();
        on(new Event.Reconfigure(reread(FOUR.replace("a: {cmd: x", "a: {cmd: y"))));
        request("a", 2); // waits for the new one
        release("a", 1, "stop a1");
        gone("a", 1, "start a2");
        assertThat(scheduler.slots.statuses().getFirst().model().cmd()).containsExactly("y");
        on(new Event.Reconfigure(reread(FOUR)), "stop a2"); // while it loads
        gone("a", 2, "start a3");
        ready("a", 3, "grant 2");
    }

    @Test void aReloadRemoves() {
        aBusy();
        request("b", 2);
        on(
            new Event.Reconfigure(reread("models:\n  c: {cmd: x, proxy: http://h}\n")),
            "refuse 2 REMOVED");
        request("c", 3); // a is still answering
        release("a", 1, "stop a1");
        on(new Event.Reconfigure(reread(FOUR))); // and comes back while it stops
        gone("a", 1, "start c1");
        assertThat(scheduler.slots.statuses()).hasSize(4);
        ready("c", 1, "grant 3");
        request("a", 4);
    }

    @Test void shutdownStopsSideBySideAndRefusesTheRest() {
        aBusy();
        request("b", 2);
        on(new Event.Shutdown(), "timer 5000", "refuse 2 SHUTTING_DOWN");
        request("a", 3, "refuse 3 SHUTTING_DOWN");
        now = 5000;
        on(new Event.Tick(), "break 1", "stop a1");
        gone("a", 1, "all stopped");
        assertThat(
                        new Scheduler(config)
                            .on(new Event.Shutdown(), 0).stream().map(SchedulerTest::brief))
            .containsExactly("timer 5000", "all stopped");
    }

    /**
     * Random events from a printed seed against a model of the outside: never two models loaded
     * that exclude each other, every request answered in the end, nothing stuck.
     */
    @Test void nothingEverGetsStuck() {
        long seed = System.nanoTime();
        Random random = new Random(seed);
        for (int round = 0; round < 200; round++) {
            new World(random, "seed " + seed + " round " + round).run();
        }
    }

    private final class World {
        private final Scheduler scheduler = scheduler(FOUR);
        private final Random random;
        private final String label;
        private final Map<Long, String> waiting = new TreeMap<>();
        private final Map<Long, String> inFlight = new TreeMap<>();
        private final List<Event> outside =
            new ArrayList<>(); // what the models' servers will report
        private final Set<Long> controls = new TreeSet<>();
        private long time;
        private long ticket;

        World(Random random, String label) {
            this.random = random;
            this.label = label;
        }

        void run() {
            String[] models = {"a", "b", "c", "s"};
            for (int step = 0; step < 120; step++) {
                time += random.nextInt(900);
                String model = models[random.nextInt(4)];
                switch (random.nextInt(9)) {
                    case 0, 1, 2 -> {
                        waiting.put(++ticket, model);
                        on(new Event.Request(model, ticket));
                    }
                    case 3 -> any(waiting, true);
                    case 4, 5 -> any(inFlight, false);
                    case 6 -> report();
                    case 7 -> on(new Event.Tick());
                    default -> {
                        if (random.nextInt(4) > 0) break;
                        controls.add(++ticket);
                        on(
                            random.nextBoolean()
                                ? new Event.Unload(List.of(model), ticket)
                                : new Event.PutToSleep(model, ticket));
                    }
                }
            }
            for (int i = 0;
                i < 2000
                    && !(waiting.isEmpty()
                        && inFlight.isEmpty()
                        && controls.isEmpty()
                        && outside.isEmpty());
                i++) {
                time += 500;
                report();
                any(inFlight, false);
                on(new Event.Tick());
            }
            assertThat(waiting).as(label + " waiting").isEmpty();
            assertThat(controls).as(label + " controls").isEmpty();
            on(new Event.Shutdown());
            for (int i = 0; i < 50; i++) report();
            assertThat(scheduler.slots.statuses())
                .as(label)
                .allMatch(status -> status.state() == ModelState.STOPPED);
        }

        private void any(Map<Long, String> tickets, boolean cancel) {
            if (tickets.isEmpty()) return;
            long chosen = new ArrayList<>(tickets.keySet()).get(random.nextInt(tickets.size()));
            String model = tickets.remove(chosen);
            on(cancel ? new Event.Cancel(model, chosen) : new Event.Release(model, chosen));
        }

        private void report() {
            if (!outside.isEmpty()) on(outside.remove(random.nextInt(outside.size())));
        }

        private void on(Event event) {
            List<Effect> effects = scheduler.on(event, time);
            long busy =
                scheduler.slots.statuses().stream()
                    .filter(
                        status ->
                            status.state() != ModelState.STOPPED
                                && status.state() != ModelState.ASLEEP)
                    .count();
            long loaded =
                scheduler.slots.statuses().stream()
                    .filter(
                        status ->
                            status.state().holdsMemory()
                                && status.state() != ModelState.STOPPING)
                    .count();
            assertThat(loaded).as(label + " one at a time after " + event).isLessThanOrEqualTo(1);
            if (effects.stream()
                .anyMatch(
                    effect ->
                        effect instanceof Effect.Start
                            || effect instanceof Effect.Wake)) {
                assertThat(busy)
                    .as(label + " nothing else is there when one starts, after " + event)
                    .isEqualTo(1);
            }
            for (Effect effect : effects) {
                switch (effect) {
                    case Effect.Start e ->
                        later(
                            e.model().id(),
                            e.run(),
                            random.nextInt(5) == 0
                                ? new Event.Failed(e.model().id(), e.run(), "x")
                                : new Event.Ready(e.model().id(), e.run()));
                    case Effect.Wake e ->
                        later(
                            e.model().id(),
                            e.run(),
                            random.nextInt(4) == 0
                                ? new Event.CallFailed(e.model().id(), e.run(), "x")
                                : new Event.Ready(e.model().id(), e.run()));
                    case Effect.Sleep e ->
                        later(
                            e.model().id(),
                            e.run(),
                            random.nextInt(4) == 0
                                ? new Event.CallFailed(e.model().id(), e.run(), "x")
                                : new Event.Slept(e.model().id(), e.run()));
                    case Effect.Stop e -> outside.add(new Event.Gone(e.model().id(), e.run()));
                    case Effect.Grant e -> {
                        assertThat(waiting.remove(e.ticket()))
                            .as(label + " granted what waited")
                            .isEqualTo(e.model());
                        inFlight.put(e.ticket(), e.model());
                    }
                    case Effect.Refuse e -> {
                        if (!controls.remove(e.ticket())) {
                            assertThat(waiting.remove(e.ticket()))
                                .as(label + " refused what waited")
                                .isNotNull();
                        }
                    }
                    case Effect.BreakOff e -> inFlight.remove(e.ticket());
                    case Effect.Done e ->
                        assertThat(controls.remove(e.ticket()))
                            .as(label + " done once")
                            .isTrue();
                    case Effect.Timer e -> {}
                    case Effect.AllStopped e -> {}
                    case Effect.Look e -> {}
                    case Effect.Idle e -> {}
                    case Effect.Learned e -> {}
                }
            }
        }

        /** A failed start is followed by the end of its process. */
        private void later(String model, int run, Event event) {
            if (event instanceof Event.Failed) {
                on(event);
                outside.add(new Event.Gone(model, run));
            } else {
                outside.add(event);
            }
        }
    }
}
