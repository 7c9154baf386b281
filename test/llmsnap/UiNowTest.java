package llmsnap;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.net.Socket;
import org.junit.jupiter.api.Test;

/** The first page: who holds the memory, what came before, who waits and why. */
class UiNowTest extends UiFixture {
    private static final String MEMORY = """
        memory: {vram: 10GB}
        memoryReserve: 1GB
        models:
          alpha: {cmd: '${sim}', memory: 6GB}
          beta: {cmd: '${sim}', memory: 5GB}
          '<b>x': {cmd: '${sim} --exit 3', memory: 1GB}
        """;

    private static String lane(String model) {
        return "[...document.querySelectorAll('.lane')].find(e => e.querySelector('a').textContent"
            + " === '" + model + "')";
    }

    private static void awaitKind(Browser.Page page, String model, String kind) {
        page.await(lane(model) + "?.querySelector('[data-kind=" + kind + "]')");
    }

    @Test void anEmptyPageSaysWhatToDoAndDoesIt() throws Exception {
        try (Running llmsnap = Running.start(MODELS);
            Browser.Page page = open(llmsnap, "/ui/")) {
            page.awaitText("A first request");
            assertThat(page.text("#page-now")).contains("Nothing was loaded in this time",
                "curl http://127.0.0.1:" + llmsnap.port + "/v1/chat/completions", "\"alpha\"",
                "Nobody waits.");
            page.click(".card:not([hidden]) button.primary");
            awaitKind(page, "alpha", "ready");
            page.await("!document.querySelector('#page-now').innerText.includes('A first')");
            page.await("document.querySelector('#loaded').innerText.includes('alpha')");
        }
    }

    @Test void aSwapIsSeenWithItsReasonAndTheMemory() throws Exception {
        try (Running llmsnap = Running.start(MEMORY)) {
            llmsnap.chat("alpha");
            llmsnap.chat("beta");
            llmsnap.chat("<b>x");
            try (Browser.Page page = open(llmsnap, "/ui/")) {
                awaitKind(page, "beta", "ready");
                awaitKind(page, "alpha", "loading");
                awaitKind(page, "<b>x", "failed");
                page.click("#page-now details summary");
                page.awaitText("to make room for beta, which needs 5 GB");
                assertThat(page.text("#page-now")).contains("vram", "5.0 GB of 10.0 GB",
                    "beta 5.0 GB", "kept free 1.0 GB", "<b>x");
                page.await(lane("beta") + ".querySelector('[data-kind=answering]')");
                llmsnap.post("/api/models/unload/beta", "");
                page.await(lane("beta") + ".querySelector('.word').textContent === 'stopped'");
                page.click("[data-range='7200']");
                page.await("document.querySelector('.axis').innerText"
                    + " === '\u22122 h\\n\u22121.5 h\\n\u22121 h\\n\u221230 min\\nnow'");
            }
        }
    }

    @Test void whatWasGeneratedBeforeIsDrawnAndALaneLeadsToItsRequests() throws Exception {
        try (Running llmsnap = Running.start(MODELS)) {
            llmsnap.chat("alpha");
            llmsnap.chat("beta");
            try (Browser.Page page = open(llmsnap, "/ui/")) {
                page.await("document.querySelector('.spark').getAttribute('d').includes('V')");
                assertThat(page.text("#page-now")).contains("tok/s now, highest ")
                    .doesNotContain("tok/s now, highest 0.0");
                page.eval(lane("beta") + ".querySelector('svg').parentNode.click()");
                page.await("document.querySelector('#page-activity select').value === 'beta'");
            }
        }
    }

    @Test void whoWaitsAndWhyAndAPause() throws Exception {
        try (Running llmsnap = Running.start(MODELS);
            Browser.Page page = open(llmsnap, "/ui/")) {
            page.awaitText("connected");
            pressed(page, "Pause \u2026");
            page.click("dialog [aria-label=Reason]");
            page.type("games");
            pressed(page, "Pause");
            page.awaitText("Paused (games): requests wait");
            Thread.ofVirtual().start(() -> llmsnap.chat("beta"));
            page.awaitText("beta \u00d7 1: until the pause ends, in ");
            page.click(".paused button");
            awaitKind(page, "beta", "ready");
            page.awaitText("Nobody waits.");
            llmsnap.post("/api/pause", "{\"for\":\"1s\",\"unload\":false}");
            page.awaitText("Paused: requests wait");
            page.await("document.querySelector('.paused').hidden");
        }
    }

    private static void pressed(Browser.Page page, String text) throws Exception {
        String button = "[...document.querySelectorAll('button')].findLast(b => b.textContent === '"
            + text + "' && b.checkVisibility())";
        page.await(button);
        page.eval(button + ".click()");
    }

    @Test void anUnloadThatCutsAnswersOffIsAskedFor() throws Exception {
        try (Running llmsnap = Running.start(MODELS);
            Browser.Page page = open(llmsnap, "/ui/models");
            Socket stream = llmsnap.connect()) {
            stream.getOutputStream().write(Running.rawChat("""
                {"model":"alpha","stream":true,"sim":{"tokens":100000,"token_ms":5}}""")
                .getBytes(UTF_8));
            page.awaitText("1 in flight");
            pressed(page, "Unload all");
            page.awaitText("An answer is under way, and would break off.");
            pressed(page, "Cancel");
            page.await("!document.querySelector('dialog')");
            assertThat(llmsnap.running()).containsExactly("alpha:ready");
            pressed(page, "Unload");
            pressed(page, "Unload all the same");
            page.awaitText("5 in all, 0 ready");
        }
    }

    @Test void twoThousandSpansStayFewElements() throws Exception {
        try (Running llmsnap = Running.start(MODELS);
            Browser.Page page = open(llmsnap, "/ui/")) {
            page.awaitText("A first request");      // the models are there
            page.eval("""
                (async () => {
                    const { state } = await import('./store.js');
                    const from = Date.now() - 7_000_000;
                    for (let i = 0; i < 2000; i++) {
                        const id = ['alpha', 'beta', 'sleepy'][i % 3];
                        const name = ['starting', 'ready', 'stopping', 'stopped'][(i / 3 | 0) % 4];
                        state.changes.push({ id, state: name, at: from + i * 3_400, why: 'x' });
                    }
                    for (let i = 0; i < 1000; i++) {
                        state.rows.push({ model: 'alpha', duration_ms: 5_000, queue_ms: 9_000,
                            output_tokens: i, ttft_ms: 1,
                            timestamp: new Date(from + i * 6_900).toISOString() });
                    }
                    document.querySelector("[data-range='7200']").click();
                })()""");
            page.await("[...document.querySelectorAll('.lane path')].map(path =>"
                + " path.getAttribute('d')).join('').split('M').length > 1000");
            assertThat(page.is("document.querySelectorAll('.lane *').length < 100")).isTrue();
        }
    }

    @Test void itFitsANarrowScreen() throws Exception {
        try (Running llmsnap = Running.start(MEMORY);
            Browser.Page page = open(llmsnap, "/ui/")) {
            llmsnap.chat("alpha");
            page.size(400, 800);
            awaitKind(page, "alpha", "ready");
            assertThat(page.is("document.documentElement.scrollWidth <= 400")).isTrue();
        }
    }
}
