package llmsnap.models;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Whose turn comes first, how long one waits, and when nothing is loaded for anybody. */
class SchedulerWaitTest extends SchedulerFixture {
    /** Serves all that wait, one model after the other. @return the order in which they started */
    private List<String> serve(List<Effect> first) {
        List<String> order = new ArrayList<>();
        List<Effect> effects = first;
        while (!effects.isEmpty()) {
            List<Effect> next = new ArrayList<>();
            for (Effect each : effects) {
                switch (each) {
                    case Effect.Start e -> {
                        order.add(e.model().id());
                        next.addAll(scheduler.on(new Event.Ready(e.model().id(), 1), now));
                    }
                    case Effect.Grant e -> {
                        next.addAll(scheduler.on(new Event.Release(e.model(), e.ticket()), now));
                        now += 20;
                        next.addAll(scheduler.on(new Event.Tick(), now));
                    }
                    case Effect.Stop e ->
                        next.addAll(scheduler.on(new Event.Gone(e.model().id(), e.run()), now));
                    default -> { }
                }
            }
            effects = next;
        }
        return order;
    }

    @Test void twentyWithThreePrioritiesGoInTheirOrder() {
        StringBuilder yaml = new StringBuilder("models:\n  m: {cmd: x, proxy: h}\n");
        for (int i = 1; i <= 20; i++) yaml.append("  m" + i + ": {cmd: x, proxy: h}\n");
        scheduler = scheduler(yaml.toString().replace("proxy: h", "proxy: 'http://h'"));
        request("m", 100, "start m1");
        ready("m", 1, "grant 100");
        for (int i = 1; i <= 20; i++) {
            now += 100;
            scheduler.on(new Event.Request("m" + i, i, i % 3, false), now);
        }
        List<Effect> end = new ArrayList<>(scheduler.on(new Event.Release("m", 100), now));
        now += 20;
        end.addAll(scheduler.on(new Event.Tick(), now));
        List<String> order = serve(end);
        assertThat(order).containsExactly("m2", "m5", "m8", "m11", "m14", "m17", "m20",
            "m1", "m4", "m7", "m10", "m13", "m16", "m19", "m3", "m6", "m9", "m12", "m15", "m18");
    }

    @Test void tenSecondsOfWaitingCountAsOneOfPriority() {
        scheduler = scheduler("models:\n" + "  a: {cmd: x, proxy: 'http://h'}\n"
            + "  b: {cmd: x, proxy: 'http://h'}\n  c: {cmd: x, proxy: 'http://h', priority: 1}\n"
            + "routing: {scheduler: {settings: {fifo: {priority: {a: 5}}}}}\n");
        request("a", 1, "start a1");
        request("b", 2);
        now = 9_999;
        request("c", 3);
        assertThat(position("c")).isLessThan(position("b"));
        scheduler.on(new Event.Cancel("c", 3), now);
        now = 10_001;
        request("c", 4);
        assertThat(position("b")).isEqualTo(2);
        assertThat(position("c")).isEqualTo(3);
        assertThat(position("a")).isEqualTo(1);
    }

    @Test void whoWaitsTooLongIsRefused() {
        scheduler = scheduler("queueTimeout: 5\nmodels:\n  a: {cmd: x, proxy: 'http://h'}\n"
            + "  b: {cmd: x, proxy: 'http://h', queueTimeout: 2}\n");
        request("a", 1, "timer 5000", "start a1");
        request("b", 2, "timer 2000");
        now = 2000;
        on(new Event.Tick(), "timer 5000", "refuse 2 QUEUE_TIMEOUT");
        now = 3000;
        ready("a", 1, "grant 1");
        now = 60_000;
        on(new Event.Tick());
    }

    @Test void aPauseLetsModelsGoAndRequestsWait() {
        aBusy();
        on(new Event.Paused(new Pause(0, "games", true, false), 60_000), "timer 60000");
        request("a", 2);
        release("a", 1, "stop a1");
        on(new Event.Gone("a", 1));
        request("b", 3);
        now = 60_000;
        on(new Event.Tick(), "start a2");
        on(new Event.Resumed());
    }

    @Test void aPauseMayKeepWhatIsLoadedAndRefuseTheRest() {
        aBusy();
        request("b", 2);
        on(new Event.Paused(new Pause(0, "", false, true), 60_000), "timer 60000",
            "refuse 2 PAUSED");
        request("a", 3, "grant 3");
        request("b", 4, "refuse 4 PAUSED");
        now = 10;
        on(new Event.Paused(new Pause(0, "", true, false), 1_000), "timer 1010");
        on(new Event.Resumed());
        request("a", 5, "grant 5");
        assertThat(scheduler.paused()).isNull();
    }

    @Test void aPauseThatKeepsWhatIsLoadedServesItOn() {
        aBusy();
        on(new Event.Paused(new Pause(0, "", false, false), 60_000), "timer 60000");
        request("b", 2);
        now = 30_000;       // longer than the grace
        request("a", 3, "grant 3");
    }

    @Test void aReloadKeepsNoModelThroughAPause() {
        aBusy();
        on(new Event.Paused(new Pause(0, "", true, false), 60_000), "timer 60000");
        on(new Event.Reconfigure(config));
        request("a", 2);
        release("a", 1, "stop a1");
        on(new Event.Paused(new Pause(0, "", true, true), 60_000), "refuse 2 PAUSED");
    }

    @Test void whatTheHookNamesIsLoadedWhenNothingIsAndNothingWasAskedFor() {
        scheduler = scheduler("models:\n  a: {cmd: x, proxy: 'http://h'}\n"
            + "hooks: {on_idle: {after: 10, load: [a]}}\n");
        on(new Event.Tick(), "timer 10000");
        now = 4_000;
        request("a", 1, "start a1");
        ready("a", 1, "grant 1");
        release("a", 1);
        now = 10_000;
        on(new Event.Tick(), "timer 14000");
        now = 14_000;
        on(new Event.Tick(), "timer 24000");        // it is loaded
        on(new Event.Unload(List.of("a"), 2), "stop a1");
        on(new Event.Gone("a", 1), "done 2");
        now = 24_000;
        on(new Event.Tick(), "idle [a]", "timer 34000");
    }
}
