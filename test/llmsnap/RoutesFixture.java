package llmsnap;


import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.TestInstance;

/** A server without keys, and one with. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
abstract class RoutesFixture {
    static final String MODELS = """
        models:
          a: {cmd: '${sim}', aliases: [x/y]}
          x: {cmd: '${sim}', useModelName: real}
        """;
    Running open;
    Running locked;

    @BeforeAll
    void start() throws Exception {
        open = Running.start(MODELS);
        locked = Running.start("apiKeys: [k1, 'schlüssel']\n" + MODELS);
        open.chat("a");
    }

    @AfterAll
    void stop() {
        open.close();
        locked.close();
    }
}
