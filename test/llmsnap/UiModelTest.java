package llmsnap;

import static org.assertj.core.api.Assertions.assertThat;

import llmsnap.text.Json;
import org.junit.jupiter.api.Test;

/** A model's own page, models in sections, and the requests that one looks for. */
class UiModelTest extends UiFixture {
    private static final String ODD = """
        models:
          "org/a b<i>.7": {cmd: '${sim} --ready-ms 200', aliases: [odd], description: 'A <b>text'}
          other: {cmd: '${sim}'}
          broken: {cmd: '${sim} --exit 3'}
        groups: {g: {swap: false, members: ["org/a b<i>.7", other]}}
        """;
    private static final String PATH = "/ui/models/org/a%20b%3Ci%3E.7";

    @Test void aModelHasAPageOfItsOwn() throws Exception {
        try (Running llmsnap = Running.start(ODD);
            Browser.Page page = open(llmsnap, PATH)) {
            page.awaitText("org/a b<i>.7");
            page.awaitText("Nothing has to go for it.");
            assertThat(page.text("#page-model")).contains("A <b>text", "odd", "llmsnap.TestModel",
                "No request has ended yet.");
            page.click("[aria-label='Load org/a b<i>.7']");
            page.await("document.querySelector('#page-model .word').textContent === 'ready'");
            llmsnap.chat("odd");
            page.await("document.querySelectorAll('#page-model tbody tr').length === 1");
            page.awaitText("Last loads");
            page.click("[aria-label='Unload org/a b<i>.7']");
            page.awaitText("unloaded on request");
            assertThat(page.eval("document.title").toString()).contains("org/a b<i>.7");
            page.go("http://127.0.0.1:" + llmsnap.port + "/ui/models/broken");
            llmsnap.chat("broken");
            page.awaitText("exited with code 3");
            page.go("http://127.0.0.1:" + llmsnap.port + "/ui/models/no%20such");
            page.awaitText("There is no such model");
            page.size(400, 800);
            assertThat(page.is("document.documentElement.scrollWidth <= innerWidth")).isTrue();
        }
    }

    @Test void whatIsLoadedComesFirst() throws Exception {
        try (Running llmsnap = Running.start(ODD);
            Browser.Page page = open(llmsnap, "/ui/models")) {
            llmsnap.chat("broken");
            llmsnap.chat("other");
            awaitState(page, "other", "ready");
            assertThat(page.eval("[...document.querySelectorAll('.models li')]"
                + ".map(e => e.querySelector('h2, .name').textContent).join('; ')"))
                .isEqualTo(Json.of("Loaded; other; Failed; broken; "
                    + "Not loaded, group g; org/a b<i>.7"));
            page.click(".model a.name");
            page.await("location.pathname === '/ui/models/other'");
            page.awaitText("Command");
        }
    }

    @Test void requestsAreFilteredAndExported() throws Exception {
        try (Running llmsnap = Running.start("apiKeys: []\n" + MODELS);
            Browser.Page page = open(llmsnap, "/ui/activity?model=alpha")) {
            llmsnap.chat("beta");
            llmsnap.chat("alpha");
            llmsnap.chat("nosuch");
            page.await("document.querySelectorAll('.rows tbody tr').length === 1");
            page.eval("const s = document.querySelector('#page-activity select'); s.value = '';"
                + " s.dispatchEvent(new Event('change'))");
            page.await("document.querySelectorAll('.rows tbody tr').length === 3");
            page.eval("const f = document.querySelector('#page-activity input[type=search]');"
                + " f.value = '404'; f.dispatchEvent(new Event('input'))");
            page.await("document.querySelectorAll('.rows tbody tr').length === 1");
            page.eval("window.saved = []; URL.createObjectURL = blob => (blob.text()"
                + ".then(text => saved.push(text)), 'data:,')");
            page.click("#page-activity .bar button:nth-of-type(1)");
            page.await("window.saved.length === 1");
            assertThat(page.eval("window.saved[0]").toString())
                .contains("id,timestamp,model,", ",nosuch,", ",404,").doesNotContain(",beta,");
        }
    }
}
