package llmsnap.models;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import llmsnap.config.Config;
import llmsnap.config.ConfigReader;
import llmsnap.config.ReadConfig;
import llmsnap.config.Machine;

/**
 * Events in, effects out. Requests are written as model + number; times are milliseconds in the
 * events.
 */
abstract class SchedulerFixture {
    static final String FOUR = """
        swapGrace: 2
        models:
          a: {cmd: x, proxy: http://h}
          b: {cmd: x, proxy: http://h}
          c: {cmd: x, proxy: http://h, ttl: 10, concurrencyLimit: 2}
          s:
            cmd: x
            proxy: http://h
            sleepMode: enable
            sleepEndpoints: [{endpoint: /sleep}]
            wakeEndpoints: [{endpoint: /wake}]
        """;

    Scheduler scheduler = scheduler(FOUR);
    Config config;
    long now;

    Scheduler scheduler(String yaml) {
        ConfigReader.Result result =
            ReadConfig.read(yaml.getBytes(StandardCharsets.UTF_8), name -> null, Map.of(),
                Machine.NONE);
        assertThat(result.errors()).isEmpty();
        config = result.config();
        return new Scheduler(config);
    }

    /**
     * Effects in short: "start a1" is the first run of a, "grant 7" the request with that ticket.
     */
    static String brief(Effect effect) {
        return switch (effect) {
            case Effect.Start e -> "start " + e.model().id() + e.run();
            case Effect.Wake e -> "wake " + e.model().id() + e.run();
            case Effect.Sleep e -> "sleep " + e.model().id() + e.run();
            case Effect.Stop e -> "stop " + e.model().id() + e.run();
            case Effect.Grant e -> "grant " + e.ticket();
            case Effect.Refuse e -> "refuse " + e.ticket() + " " + e.refusal();
            case Effect.BreakOff e -> "break " + e.ticket();
            case Effect.Done e -> "done " + e.ticket();
            case Effect.Timer e -> "timer " + e.atMs();
            case Effect.AllStopped e -> "all stopped";
            case Effect.Look e -> "look";
            case Effect.Idle e -> "idle " + e.models();
            case Effect.Learned e -> "learned";
        };
    }

    void on(Event event, String... effects) {
        assertThat(scheduler.on(event, now).stream().map(SchedulerTest::brief).toList())
            .as(event.toString())
            .containsExactly(effects);
    }

    void request(String model, long ticket, String... effects) {
        on(new Event.Request(model, ticket), effects);
    }

    /** Nothing waits, nothing is on its way out, nothing has failed. */
    void assertOutlook(String model, List<String> mustGo, List<String> busy) {
        Outlook expected =
            new Outlook(scheduler.slots.status(model), mustGo, busy, List.of(),
                new Outlook.Hindrance("", null), 0);
        assertThat(outlook(model)).isEqualTo(expected);
        assertThat(position(model)).isZero();
    }

    Outlook outlook(String model) {
        return scheduler.slots.outlook(model, now, status -> status);
    }

    int position(String model) {
        return scheduler.slots.status(model).requests().position();
    }

    void release(String model, long ticket, String... effects) {
        on(new Event.Release(model, ticket), effects);
    }

    /**
     * The last request in flight ends; 15 ms later, when no other has come, what waits for that
     * happens.
     */
    void releaseLast(String model, long ticket, String... effects) {
        now += 7;
        on(new Event.Release(model, ticket), "timer " + (now + 15));
        now += 15;
        on(new Event.Tick(), effects);
    }

    void ready(String model, int run, String... effects) {
        on(new Event.Ready(model, run), effects);
    }

    void gone(String model, int run, String... effects) {
        on(new Event.Gone(model, run), effects);
    }

    void failed(String model, int run, String... effects) {
        on(new Event.Failed(model, run, "it broke"), effects);
    }

    ModelState state(String model) {
        return scheduler.slots.statuses().stream()
            .filter(status -> status.model().id().equals(model))
            .findFirst()
            .orElseThrow()
            .state();
    }

    /** Model a, loaded, with request 1 in flight. */
    void aBusy() {
        request("a", 1, "start a1");
        ready("a", 1, "grant 1");
    }
}
