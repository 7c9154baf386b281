package llmsnap;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Stream;
import llmsnap.text.Json;
import org.junit.jupiter.api.Test;

/** What models can do besides chatting, the configuration in the browser, and clients' settings. */
class UiTryTest extends UiFixture {
    private static final String SEND =
        "[...document.querySelectorAll('#page-try button')].find(b => b.textContent === 'Measure')";

    @Test void aRequestIsShownAsCodeAndMeasured() throws Exception {
        try (Running llmsnap = Running.start(MODELS);
            Browser.Page page = open(llmsnap, "/ui/try?do=measure")) {
            page.await("document.querySelector('#page-try select').value === 'alpha'");
            page.awaitText("/v1/chat/completions");
            page.eval("document.querySelector('#page-try input').value = 3");
            page.eval(SEND + ".click()");
            page.awaitText("3 requests in");
            assertThat(page.text("#page-try")).contains("First token", "Queue and load",
                "Whole answer", "curl http://127.0.0.1:");
            page.click(".tabs a[href='try?do=rerank']");
            page.awaitText("What do cats like?");
            page.eval("const s = document.querySelector('.code-box select'); s.value = 'Python';"
                + " s.dispatchEvent(new Event('change'))");
            page.awaitText("requests.post(\"http://127.0.0.1:" + llmsnap.port + "/v1/rerank\"");
            for (String kind : new String[] {"embeddings", "transcription", "speech", "images"}) {
                page.click(".tabs a[href='try?do=" + kind + "']");
                page.await("document.querySelector('.tabs [aria-current]').href.endsWith('" + kind
                    + "')");
                assertThat(page.is("document.documentElement.scrollWidth <= innerWidth")).isTrue();
            }
        }
    }

    @Test void anImageIsSentToAModelThatTakesOne() throws Exception {
        try (Running llmsnap = Running.start("""
            models:
              eyes: {cmd: '${sim}', aliases: [pair], capabilities: {in: [text, image]}}
              blind: {cmd: '${sim}'}
            selectors: {either: {targets: [eyes, blind]}}
            """);
            Browser.Page page = open(llmsnap, "/ui/chat")) {
            String model = "document.querySelector('#page-chat select')";
            page.await("[...%s.options].map(o => o.value).join() === 'blind,eyes,pair,either'"
                .formatted(model));
            page.eval(model + ".value = 'eyes'; " + model
                + ".dispatchEvent(new Event('change'))");
            page.awaitText("Attach an image");
            page.eval("""
                (() => {
                    const input = document.querySelector('#page-chat input[type=file]');
                    const all = new DataTransfer();
                    all.items.add(new File([new Uint8Array([1, 2, 3])], 'x.png',
                        { type: 'image/png' }));
                    input.files = all.files;
                    input.dispatchEvent(new Event('change'));
                })()""");
            page.awaitText("Remove the image");
            page.eval("document.querySelector('#page-chat [aria-label=Message]').value = 'What?'");
            page.eval("document.querySelector('.compose').requestSubmit()");
            page.await("document.querySelector('.chat img.attached')?.src"
                + " === 'data:image/png;base64,AQID'");
            page.await("document.querySelectorAll('.chat li').length === 2");
            page.eval(model + ".value = 'blind'; " + model
                + ".dispatchEvent(new Event('change'))");
            page.await("document.querySelector('#page-chat button[aria-pressed]').hidden");
            Running.await("it has ended", () ->
                llmsnap.get("/api/metrics").body().contains("\"status\":200"));
        }
    }

    @Test void theFileIsShownWithoutItsKeys() throws Exception {
        try (Running llmsnap = Running.start(
            "peers: {p: {proxy: 'http://127.0.0.1:9', models: [x], apiKey: sekret}}\n" + MODELS
                .replace("peers: {far", "x: {far"));
            Browser.Page page = open(llmsnap, "/ui/settings")) {
            page.await("document.querySelector('.editor').value.includes('models:')");
            assertThat(page.eval("document.querySelector('.editor').value").toString())
                .contains("apiKey: ***").doesNotContain("sekret");
            assertThat(page.is("document.querySelector('.editor').readOnly")).isTrue();
            assertThat(page.text("#page-settings")).contains("--edit-config", "Connect a client",
                "http://127.0.0.1:" + llmsnap.port + "/v1", "unknown key \"x\"");
            assertThat(llmsnap.post("/api/config", "models: {}").statusCode()).isEqualTo(403);
            assertThat(llmsnap.post("/api/config/check", "models: {}").statusCode())
                .isEqualTo(403);
        }
    }

    @Test void theFileIsEditedWithItsProblemsAtHandAndSaved() throws Exception {
        try (Running llmsnap = Running.start(MODELS, "--edit-config");
            Browser.Page page = open(llmsnap, "/ui/settings")) {
            String edit = "const t = document.querySelector('.editor');"
                + " t.value = t.value.replace(%s); t.dispatchEvent(new Event('input'))";
            page.await("document.querySelector('.editor').value.includes('sleepy')");
            llmsnap.chat("alpha");
            page.eval("{" + edit.formatted("'ttl: 600', 'ttl: x'") + "}");
            page.awaitText("ttl has to be a whole number");
            page.awaitText("One error: it cannot be saved.");
            page.eval("document.querySelector('.problems button').click()");
            assertThat(page.eval("getSelection().toString()").toString()).contains("ttl: x");
            page.await("/✕ \\d/.test(document.querySelector('.file pre').textContent)");
            assertThat(page.is("document.querySelector('#page-settings .primary').disabled"))
                .isTrue();
            page.eval("{" + edit.formatted("'ttl: x', 'ttl: 6'") + "}");
            page.awaitText("It changes alpha.");
            page.eval("{" + edit.formatted("'--ready-ms 300', '--ready-ms 301'") + "}");
            page.awaitText("Loaded, and put away for it: alpha.");
            page.click("#page-settings .primary");
            page.awaitText("Saved and reloaded.");
            assertThat(Files.readString(llmsnap.config)).contains("ttl: 6", "--ready-ms 301");
            Path before = llmsnap.config.resolveSibling(llmsnap.config.getFileName() + ".bak");
            assertThat(Files.readString(before)).contains("ttl: 600");
            Files.delete(before);
            String ours = Files.readString(llmsnap.config);
            Files.writeString(llmsnap.config, ours + "# somebody else's");
            page.eval("{" + edit.formatted("'ttl: 6', 'ttl: 7'") + "}");
            page.await("!document.querySelector('#page-settings .primary').disabled");
            page.click("#page-settings .primary");
            page.awaitText("has changed on the disk since it was opened here");
            assertThat(Files.readString(llmsnap.config)).endsWith("# somebody else's");
            page.problems().removeIf(problem -> problem.contains("409"));
            for (String wrong : List.of("models: [", "models: {}")) {
                assertThat(llmsnap.post("/api/config", wrong).statusCode()).isEqualTo(400);
                assertThat(Files.readString(llmsnap.config)).contains("ttl: 6");
            }
        }
    }

    @Test void ofTwoThatSaveAtOnceOneIsToldOfTheOther() throws Exception {
        try (Running llmsnap = Running.start(MODELS, "--edit-config")) {
            Json.Obj file = Running.json(llmsnap.get("/api/config"));
            String path = "/api/config?stamp="
                + URLEncoder.encode(file.text("stamp"), StandardCharsets.UTF_8);
            List<Integer> codes = Stream.of("# one\n", "# two\n")
                .map(each -> CompletableFuture.supplyAsync(() ->
                    llmsnap.post(path, each + file.text("text")).statusCode()))
                .toList().stream().map(CompletableFuture::join).sorted().toList();
            assertThat(codes).containsExactly(200, 409);
        }
    }

    @Test void whatFailsWhileItIsMeasuredIsSaid() throws Exception {
        try (Running llmsnap = Running.start("""
            sendLoadingState: true
            models: {broken: {cmd: '${sim} --exit 3'}}
            """);
            Browser.Page page = open(llmsnap, "/ui/try?do=measure")) {
            page.await("document.querySelector('#page-try select').value === 'broken'");
            page.eval(SEND + ".click()");
            page.awaitText("exited with code 3");
            page.await(SEND + ".checkVisibility()");
            page.problems().removeIf(problem -> problem.contains("502"));
        }
    }

    @Test void aKeyForModelsOnlyGetsWhatItMayTry() throws Exception {
        try (Running llmsnap = Running.start(
            "apiKeys: [root, {key: k, models: [alpha], control: false}]\n" + MODELS);
            Browser.Page page = browser.open("http://127.0.0.1:" + llmsnap.port + "/ui/", "k")) {
            page.await("location.pathname === '/ui/chat'");
            page.await("document.querySelector('#page-chat select').value === 'alpha'");
            assertThat(page.eval("[...document.querySelectorAll('header nav a')]"
                + ".filter(a => !a.hidden).map(a => a.innerText.trim()).join()"))
                .isEqualTo(Json.of("Try"));
            assertThat(page.text("#page-chat")).doesNotContain("beta");
        }
    }

    @Test void editingNeedsKeysWhereOthersCanReachIt() throws Exception {
        Path file = Files.writeString(Files.createTempFile("llmsnap-test", ".yaml"),
            "models: {a: {cmd: x, proxy: 'http://h'}}\n");
        assertThat(Running.run(Running.JAVA, "--config", file.toString(), "--listen", ":0",
            "--edit-config")).startsWith("1 ").contains("--edit-config needs apiKeys");
    }
}
