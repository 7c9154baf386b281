package llmsnap.models;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import llmsnap.config.Config;
import llmsnap.config.ReadConfig;
import llmsnap.config.Machine;
import org.junit.jupiter.api.Test;

/** The queue: who is served, who goes for whom, and when. */
class SchedulerTest extends SchedulerFixture {
    @Test void anOutlookSaysWhatARequestWouldMeet() {
        assertOutlook("a", List.of(), List.of());
        request("a", 1, "start a1");
        on(new Event.Ready("a", 1), "grant 1");
        assertThat(outlook("a").mustGo()).as("it is loaded").isEmpty();
        assertOutlook("b", List.of("a"), List.of("a"));
        request("b", 2);
        assertThat(position("b")).isEqualTo(1);
        assertThat(outlook("a").ahead()).containsExactly("b");
        assertThat(outlook("c").ahead()).containsExactly("b");
        release("a", 1, "timer 15");
        now += 15;
        on(new Event.Tick(), "stop a1");
        assertThat(scheduler.slots.status("b").history().swaps()).isZero();
        on(new Event.Gone("a", 1), "start b1");
        assertThat(scheduler.slots.status("b").history().swaps()).isEqualTo(1);
        assertThat(scheduler.slots.status("a").history().lastStop())
            .isEqualTo("to make room for b");
        assertThat(scheduler.slots.status("a").history().lastStopMs()).isEqualTo(15);
        now += 700;
        on(new Event.Ready("b", 1), "grant 2");
        assertThat(scheduler.slots.status("b").history().loadMs()).isEqualTo(700);
    }

    @Test void whatAnExclusiveModelDoesNotTolerateGoesAlsoWhenItCameLater() {
        scheduler.on(new Event.Reconfigure(config("""
            models: {e1: {cmd: x, proxy: 'http://a'}, p1: {cmd: x, proxy: 'http://b'}}
            groups:
              e: {members: [e1]}
              p: {exclusive: false, members: [p1]}
            """)), now);
        request("e1", 1, "start e11");
        on(new Event.Ready("e1", 1), "grant 1");
        request("p1", 2, "start p11");
        on(new Event.Ready("p1", 1), "grant 2");
        request("e1", 3, "grant 3");
        release("p1", 2, "stop p11");
        on(new Event.Gone("p1", 1));
        assertThat(scheduler.slots.status("p1").history().lastStop())
            .isEqualTo("to make room for e1");
        request("e1", 4, "grant 4");
    }

    private static Config config(String yaml) {
        return ReadConfig.read(yaml.getBytes(StandardCharsets.UTF_8), name -> null, Map.of(),
            Machine.NONE).config();
    }

    @Test void whoLeavesAnUnloadIsNotToldOfItsEnd() {
        request("a", 1, "start a1");
        on(new Event.Ready("a", 1), "grant 1");
        release("a", 1);
        on(new Event.Unload(List.of("a"), 2), "stop a1");
        on(new Event.Cancel("", 2));
        on(new Event.Gone("a", 1));
    }

    @Test void newSettingsHaveNotFailedYet() {
        for (int run = 1; run <= 2; run++) {
            request("a", run, "start a" + run);
            on(new Event.Failed("a", run, "x"), "refuse " + run + " START_FAILED");
            on(new Event.Gone("a", run));
        }
        scheduler.on(
            new Event.Reconfigure(
                ReadConfig.read(
                                FOUR.replace("a: {cmd: x", "a: {cmd: y")
                                    .getBytes(StandardCharsets.UTF_8),
                                name -> null,
                                Map.of(), Machine.NONE)
                    .config()),
            now);
        request("a", 3, "start a3");
        on(new Event.Failed("a", 3, "x"), "refuse 3 START_FAILED");
        on(new Event.Gone("a", 3));
        request("a", 4, "start a4");
    }

    @Test void aStateThatLastsForNoTimeIsToldToo() {
        request("a", 1, "start a1");
        on(new Event.Ready("a", 1), "grant 1");
        assertThat(scheduler.slots.brief()).isEmpty();
        on(new Event.Unload(List.of("a"), 9), "break 1", "stop a1");
        request("a", 2);
        on(new Event.Gone("a", 1), "done 9", "start a2");
        assertThat(scheduler.slots.brief()).isEqualTo(Map.of("a", ModelState.STOPPED));
        assertThat(state("a")).isEqualTo(ModelState.STARTING);
    }

    @Test void aStampedeStartsAModelOnce() {
        request("a", 1, "start a1");
        for (int i = 2; i <= 50; i++) request("a", i);
        List<String> granted =
            scheduler.on(new Event.Ready("a", 1), now).stream()
                .map(SchedulerTest::brief)
                .toList();
        assertThat(granted).hasSize(50).startsWith("grant 1", "grant 2").endsWith("grant 50");
        request("a", 51, "grant 51");
    }

    @Test void aSwapWaitsForRequestsInFlight() {
        aBusy();
        request("b", 2);
        assertThat(position("b")).isEqualTo(1);
        releaseLast("a", 1, "stop a1");
        gone("a", 1, "start b1");
        ready("b", 1, "grant 2");
    }

    @Test void anIdleModelGoesAtOnceWhateverTheGrace() {
        aBusy();
        release("a", 1);
        request("b", 2, "stop a1");
        gone("a", 1, "start b1");
    }

    @Test void withinTheGraceRequestsForTheLoadedModelPass() {
        aBusy();
        now = 100;
        request("b", 2);
        now = 2099;
        request("a", 3, "grant 3");
        now = 2100;
        request("a", 4);
        release("a", 1);
        release("a", 3, "stop a1");
        gone("a", 1, "start b1");
        request("b", 5);
        ready("b", 1, "grant 2", "grant 5");
        release("b", 2);
        now = 2200;
        request("b", 6, "grant 6"); // a's request has waited since 2100 only
    }

    @Test void theGraceCountsFromTheFirstWaiterOfEachModel() {
        aBusy();
        request("b", 2);
        now = 3000;
        request("a", 3);
        release("a", 1, "stop a1");
        gone("a", 1, "start b1");
        now = 3500;
        ready("b", 1, "grant 2");
        request("b", 4, "grant 4"); // a has waited 500 ms
        now = 5000;
        request("b", 5); // now 2 s
        release("b", 2);
        release("b", 4, "stop b1");
        gone("b", 1, "start a2");
        ready("a", 2, "grant 3");
        releaseLast("a", 3, "stop a2");
        gone("a", 2, "start b2");
        ready("b", 2, "grant 5");
    }

    @Test void waitersAreServedByModelInOrderOfTheFirst() {
        aBusy();
        request("b", 2);
        request("c", 3);
        request("b", 4);
        assertThat(position("c")).isEqualTo(2);
        releaseLast("a", 1, "stop a1");
        gone("a", 1, "start b1");
        ready("b", 1, "grant 2", "grant 4");
        release("b", 2);
        releaseLast("b", 4, "stop b1");
        gone("b", 1, "start c1");
        ready("c", 1, "grant 3");
    }

    @Test void whoLeavesTheQueueFreesItsPlace() {
        aBusy();
        request("b", 2);
        on(new Event.Cancel("b", 2));
        assertThat(position("b")).isZero();
        release("a", 1);
        assertThat(state("a")).isEqualTo(ModelState.READY);
    }

    @Test void aLoadGoesOnWhenAllWhoWaitedHaveLeft() {
        request("a", 1, "start a1");
        on(new Event.Cancel("a", 1));
        ready("a", 1);
        request("a", 2, "grant 2");
    }

    @Test void aLoadForNobodyMakesRoomAtOnce() {
        request("a", 1, "start a1");
        on(new Event.Cancel("a", 1));
        request("b", 2, "stop a1");
        ready("a", 1);
        gone("a", 1, "start b1");
    }

    @Test void aLoadForSomebodyIsFinishedAndServedFirst() {
        request("a", 1, "start a1");
        request("b", 2);
        ready("a", 1, "grant 1");
        releaseLast("a", 1, "stop a1");
        gone("a", 1, "start b1");
    }

    @Test void groupsDecideWhoMayLiveTogether() {
        scheduler = scheduler("""
            models: {a: {cmd: x, proxy: http://h}, b: {cmd: x, proxy: http://h}, p: {cmd: x, \
            proxy: http://h}, q: {cmd: x, proxy: http://h}, z: {cmd: x, proxy: http://h}}
            groups:
              together: {swap: false, members: [a, b]}
              forever: {persistent: true, swap: false, exclusive: false, members: [p, q]}
            """);
        request("a", 1, "start a1");
        request("b", 2, "start b1"); // side by side
        request("p", 3, "start p1");
        request("z", 4); // the default group excludes a and b, not p
        ready("b", 1, "grant 2");
        ready("a", 1, "grant 1");
        release("b", 2); // waits for both
        releaseLast("a", 1, "stop a1", "stop b1");
        gone("b", 1);
        gone("a", 1, "start z1");
        ready("p", 1, "grant 3");
        request("q", 5, "start q1"); // excludes nobody
        request("a", 6); // excludes z, which loads for somebody
        ready("z", 1, "grant 4");
        releaseLast("z", 4, "stop z1");
        gone("z", 1, "start a2");
        assertThat(state("p")).isEqualTo(ModelState.READY);
    }

    @Test void laterRequestsDoNotOvertakeWhoTheyWouldHoldUp() {
        aBusy();
        request("b", 1002);
        request("c", 1003);
        on(new Event.Cancel("b", 1002));
        releaseLast("a", 1, "stop a1");
        gone("a", 1, "start c1");
    }

    @Test void theConcurrencyLimitCountsWaitingRequests() {
        request("c", 1, "start c1");
        request("c", 2);
        request("c", 3, "refuse 3 LIMIT");
        ready("c", 1, "grant 1", "grant 2");
        request("c", 4, "refuse 4 LIMIT");
        release("c", 1);
        request("c", 5, "grant 5");
    }

    @Test void ttl() {
        request("c", 1, "start c1");
        ready("c", 1, "grant 1");
        now = 11_000;
        release("c", 1, "timer 21000");
        now = 15_000;
        request("c", 2, "grant 2");
        now = 16_000;
        release("c", 2);
        now = 21_000;
        on(new Event.Tick(), "timer 26000"); // used since
        now = 26_000;
        on(new Event.Tick(), "stop c1");
        gone("c", 1);
    }
}
