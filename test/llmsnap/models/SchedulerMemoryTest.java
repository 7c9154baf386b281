package llmsnap.models;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** The scheduler where memory decides: one pool of 10 GB, of which models declare their part. */
class SchedulerMemoryTest extends SchedulerFixture {
    private static final String POOL = """
        memory: {p: 10GB}
        memoryReserve: 0
        models:
        """;

    private void models(String... sizes) {
        StringBuilder yaml = new StringBuilder(POOL);
        for (String each : sizes) {
            String[] parts = each.split(" ", 3);
            yaml.append("  %1$s: {cmd: x%1$s, proxy: 'http://h', memory: %2$s%3$s}\n"
                .formatted(parts[0], parts[1], parts.length > 2 ? ", " + parts[2] : ""));
        }
        scheduler = scheduler(yaml.toString());
    }

    private void loaded(String model, long ticket) {
        now += 1000;
        request(model, ticket, "start " + model + "1");
        ready(model, 1, "grant " + ticket);
        release(model, ticket);
    }

    @Test void thoseThatFitTogetherLoadSideBySide() {
        models("a 4GB", "b 6GB", "c 1GB");
        request("a", 1, "start a1");
        request("b", 2, "start b1");
        request("c", 3);
        ready("a", 1, "grant 1");
        ready("b", 1, "grant 2");
        now += 2000;
        release("a", 1, "stop a1");
        assertThat(state("b")).isEqualTo(ModelState.READY);
        gone("a", 1, "start c1");
    }

    @Test void theOneUsedLongestAgoGoesAndItIsSaidWhy() {
        models("a 4GB", "b 4GB", "c 4GB");
        loaded("a", 1);
        loaded("b", 2);
        loaded("a2", 0, true);
        now += 60_000;
        List<Effect> effects = scheduler.on(new Event.Request("c", 4), now);
        assertThat(effects).containsExactly(new Effect.Stop(config.model("b"), 1,
            "4 GB of p, last used 1 min ago", "to make room for c, which needs 4 GB", false));
    }

    /** a is used once more. */
    private void loaded(String again, int none, boolean used) {
        now += 1000;
        request("a", 3, "grant 3");
        release("a", 3);
    }

    @Test void aPinnedOneStaysAndWhatCannotFitBesideItIsRefused() {
        models("a 4GB pinned: true", "b 5GB", "c 6GB", "d 7GB");
        loaded("a", 1);
        loaded("b", 2);
        request("c", 3, "stop b1");
        gone("b", 1, "start c1");
        List<Effect> effects = scheduler.on(new Event.Request("d", 4), now);
        assertThat(effects).singleElement().isInstanceOfSatisfying(Effect.Refuse.class, refuse -> {
            assertThat(refuse.refusal()).isEqualTo(Refusal.NO_MEMORY);
            assertThat(refuse.message()).isEqualTo("the model \"d\" needs 7 GB of p, which has"
                + " 10 GB less 0 bytes kept free and 4 GB that a, which is pinned, takes");
        });
    }

    @Test void whatIsReservedIsPassedOnlyByWhatFitsBeside() {
        models("a 6GB", "big 8GB", "small 2GB", "middle 3GB");
        request("a", 1, "start a1");
        ready("a", 1, "grant 1");
        request("big", 2);
        request("middle", 3);
        request("small", 4, "start small1");
        assertThat(outlook("middle").ahead()).containsExactly("big");
        ready("small", 1, "grant 4");
        now += 2000;
        release("a", 1, "stop a1");
        gone("a", 1, "start big1");
        ready("big", 1, "grant 2");
        release("small", 4);
        release("big", 2, "stop big1");
        gone("big", 1, "start middle1");
    }

    @Test void anUnknownOneIsAloneUntilItWasMeasured() {
        scheduler = scheduler("""
            memory: {host: 10GB}
            memoryReserve: 0
            models:
              a: {cmd: x, proxy: 'http://h'}
              b: {cmd: y, proxy: 'http://h', memory: 3GB}
            """);
        request("a", 1, "start a1");
        ready("a", 1, "timer 3000", "grant 1");
        release("a", 1);
        request("b", 2);
        on(new Event.Measured(List.of(new Event.Held("a", 1, Map.of("host", 5L << 30))), null),
            "learned", "start b1");
        assertThat(scheduler.slots.status("a").server().source()).isEqualTo(MemorySource.MEASURED);
        request("a", 3, "grant 3");
    }

    @Test void whatWaitsForAPinnedOneOfUnknownSizeIsNotRefused() {
        scheduler = scheduler("""
            memory: {host: 10GB}
            memoryReserve: 0
            models:
              p: {cmd: x, proxy: 'http://h', pinned: true}
              b: {cmd: y, proxy: 'http://h', memory: 3GB}
            """);
        request("p", 1, "start p1");
        request("b", 2);
        ready("p", 1, "timer 3000", "grant 1");
        on(new Event.Measured(List.of(new Event.Held("p", 1, Map.of("host", 5L << 30))), null),
            "learned", "start b1");
    }

    @Test void oneThatRanOutOfMemoryIsStartedOnceMoreAlone() {
        models("a 4GB", "b 4GB", "c 1GB pinned: true");
        loaded("a", 1);
        loaded("c", 5);
        request("b", 2, "start b1");
        on(new Event.RanOut("b", 1, "out of memory"));
        gone("b", 1, "stop a1");
        gone("a", 1, "start b2");
        assertThat(scheduler.slots.status("b").server().needs()).containsEntry("p",
            (5L << 30) + (5L << 30) / 10);
        on(new Event.RanOut("b", 2, "out of memory"), "refuse 2 START_FAILED");
    }

    @Test void aStrangerIsLookedAtBeforeHeIsBlamed() {
        models("a 8GB");
        on(new Event.Measured(List.of(), Map.of("p", 4L << 30)));
        now += 60_000;
        request("a", 1, "look", "timer " + (now + 2000));
        on(new Event.Measured(List.of(), Map.of("p", 0L)), "start a1");
        ready("a", 1, "grant 1");
        release("a", 1);
        on(new Event.Unload(List.of("a"), 2), "stop a1");
        gone("a", 1, "done 2");
        on(new Event.Measured(List.of(), Map.of("p", 4L << 30)));
        request("a", 3, "refuse 3 NO_MEMORY");
    }

    @Test void whatAnotherHoldsAsleepIsStoppedWhenItIsInTheWay() {
        scheduler = scheduler("""
            memory: {p: 10GB}
            memoryReserve: 0
            models:
              s:
                cmd: x
                proxy: http://h
                memory: 8GB
                sleepMode: enable
                sleepEndpoints: [{endpoint: /sleep}]
                wakeEndpoints: [{endpoint: /wake}]
              a: {cmd: x, proxy: 'http://h', memory: 9GB}
            """);
        request("s", 1, "start s1");
        ready("s", 1, "grant 1");
        release("s", 1);
        request("a", 2, "sleep s1");
        on(new Event.Slept("s", 1), "start a1");
        ready("a", 1, "grant 2");
        release("a", 2);
        on(new Event.Measured(List.of(new Event.Held("s", 1, Map.of("p", 2L << 30))), null));
        on(new Event.Unload(List.of("a"), 3), "stop a1");
        gone("a", 1, "done 3");
        request("a", 4, "stop s1");
        gone("s", 1, "start a2");
    }

    @Test void inRandomWorldsNoPoolIsEverOverAndNobodyStarves() {
        for (int round = 0; round < 200; round++) new World(round).run();
    }

    /** Requests come and go, starts fail, all that is asked of models happens sometime. */
    private final class World {
        private final Random random;
        private final String label;
        private final Map<Long, String> waiting = new HashMap<>();
        private final Map<Long, String> inFlight = new HashMap<>();
        private final List<Event> outside = new ArrayList<>();
        private final Map<String, Long> sizes = new HashMap<>();

        World(int round) {
            random = new Random(round);
            label = "round " + round;
            String[] all = new String[6];
            for (int i = 0; i < all.length; i++) {
                long size = 1 + random.nextInt(8);
                sizes.put("m" + i, size << 30);
                all[i] = "m" + i + " " + size + "GB";
            }
            models(all);
        }

        void run() {
            for (long step = 1; step < 200; step++) {
                now += random.nextInt(300);
                int what = random.nextInt(4);
                if (what == 0) {
                    String model = "m" + random.nextInt(6);
                    waiting.put(step, model);
                    on(new Event.Request(model, step));
                } else if (what == 1 && !inFlight.isEmpty()) {
                    end();
                } else if (what == 2 && !outside.isEmpty()) {
                    on(outside.remove(random.nextInt(outside.size())));
                } else {
                    on(new Event.Tick());
                }
            }
            for (int i = 0; i < 2000 && !waiting.isEmpty(); i++) {
                now += 100;
                if (!inFlight.isEmpty()) end();
                if (!outside.isEmpty()) on(outside.removeFirst());
                on(new Event.Tick());
            }
            assertThat(waiting).as(label + ": nobody starves").isEmpty();
        }

        private void end() {
            long ticket = inFlight.keySet().iterator().next();
            on(new Event.Release(inFlight.remove(ticket), ticket));
        }

        private void on(Event event) {
            for (Effect effect : scheduler.on(event, now)) {
                switch (effect) {
                    case Effect.Start e ->
                        outside.add(new Event.Ready(e.model().id(), e.run()));
                    case Effect.Stop e -> outside.add(new Event.Gone(e.model().id(), e.run()));
                    case Effect.Grant e -> inFlight.put(e.ticket(), waiting.remove(e.ticket()));
                    case Effect.Refuse e -> throw new AssertionError(label + " " + e);
                    default -> { }
                }
            }
            long held = scheduler.slots.statuses().stream()
                .filter(each -> each.state().holdsMemory())
                .mapToLong(each -> sizes.get(each.id())).sum();
            assertThat(held).as(label + " after " + event).isLessThanOrEqualTo(10L << 30);
        }
    }
}
