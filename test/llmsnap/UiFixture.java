package llmsnap;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.TestInstance;

/** A browser for the tests of the web UI. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
abstract class UiFixture {
    static final String MODELS = """
        models:
          alpha: {cmd: '${sim} --ready-ms 300', name: 'The first', aliases: [first-one], ttl: 600}
          beta: {cmd: '${sim} --ready-ms 600'}
          sleepy:
            cmd: ${sim}
            sleepMode: enable
            sleepEndpoints: [{endpoint: /sleep}]
            wakeEndpoints: [{endpoint: /wake_up}]
          secret: {cmd: '${sim}', unlisted: true}
          broken: {cmd: '${sim} --exit 3'}
        peers: {far: {proxy: 'http://127.0.0.1:1', models: [remote]}}
        """;
    Browser browser;

    @BeforeAll
    void start() throws IOException {
        assumeTrue(Browser.program() != null, "no Chromium on the PATH");
        browser = new Browser();
    }

    @AfterAll
    void stop() throws IOException {
        if (browser != null) browser.close();
    }

    Browser.Page open(Running llmsnap, String path) {
        return browser.open("http://127.0.0.1:" + llmsnap.port + path, null);
    }

    /** The card of a model. */
    static String card(String model) {
        return "[...document.querySelectorAll('.model')].find(e =>"
                   + " e.querySelector('.name').textContent === '"
            + model
            + "' || e.querySelector('.id').textContent === '"
            + model
            + "')";
    }

    static String state(String model) {
        return card(model) + "?.querySelector('.word').textContent";
    }

    static void awaitState(Browser.Page page, String model, String state) {
        page.await(state(model) + " === '" + state + "'");
    }
}
