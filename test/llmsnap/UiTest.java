package llmsnap;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import llmsnap.text.Json;
import org.junit.jupiter.api.Test;

/**
 * The web UI in a real browser, which clicks what a person clicks. Each page that is closed must
 * have made no error.
 */
class UiTest extends UiFixture {
    // ---- models

    @Test void aPersonLoadsWatchesTheSwapSleepsAndUnloads() throws Exception {
        try (Running llmsnap = Running.start(MODELS);
            Browser.Page page = open(llmsnap, "/ui/models")) {
            page.awaitText("connected");
            assertThat(page.text("h1")).isEqualTo("Models");
            assertThat(page.eval("document.title"))
                .isEqualTo(Json.of("○ nothing loaded · Models · llmsnap"));
            page.awaitText("5 in all, 0 ready");
            page.awaitText("peer far");     // a long list is drawn over several frames
            assertThat(page.text("#page-models"))
                .contains("The first", "also first-one", "peer far")
                .doesNotContain("secret");
            // What the page shows between two looks is noted in it, so that no state is too short
            // to be seen.
            page.eval(
                "window.seen = []; new MutationObserver(() => { for (const li of"
                    + " document.querySelectorAll('.swap li')) { const t ="
                    + " li.children[1].textContent; if (seen.at(-1) !== t) seen.push(t); }"
                    + " }).observe(document.querySelector('.swap'), {subtree: true, childList:"
                    + " true, characterData: true})");
            page.click("[aria-label='Load alpha']");
            awaitState(page, "alpha", "ready");
            page.await("document.title.startsWith('● alpha')");
            assertThat(page.text("#page-models")).contains("unloads in ", "pid ");
            page.click("[aria-label='Load beta']");
            awaitState(page, "beta", "ready");
            awaitState(page, "alpha", "stopped");
            String seen = page.eval("seen.join(' | ')").toString();
            assertThat(seen).contains("alpha is loading", "alpha is stopping", "beta is loading");
            assertThat(seen.indexOf("alpha is stopping"))
                .isLessThan(seen.lastIndexOf("beta is loading"));
            page.await("document.querySelector('.swap').hidden");
            page.click("[aria-label='Details of alpha']");
            page.awaitText(
                "beta would have to go for it. The last time it went: to make room for beta.");
            page.eval("history.back()");
            page.await("!document.querySelector('#page-models').hidden");
            page.click("[aria-label='Load sleepy']");
            awaitState(page, "sleepy", "ready");
            page.click("[aria-label='Sleep sleepy']");
            awaitState(page, "sleepy", "asleep");
            assertThat(page.text("[aria-label='Wake sleepy']")).isEqualTo("Wake");
            page.click("[aria-label='Unload sleepy']");
            awaitState(page, "sleepy", "stopped");
            page.click("[aria-label='Load alpha']");
            awaitState(page, "alpha", "ready");
            page.click("#page-models .danger");
            awaitState(page, "alpha", "stopped");
            assertThat(llmsnap.running()).isEmpty();
            page.click("[aria-label='Load broken']");
            page.awaitText("exited with code 3");
            page.click(".notice button");
            assertThat(page.is("document.querySelectorAll('.notice').length === 0")).isTrue();
            assertThat(page.problems())
                .as("the browser logs the 502, and nothing else")
                .allMatch(problem -> problem.contains("502"));
            page.problems().clear();
        }
    }

    @Test void modelsAreFilteredAndUnlistedOnesShown() throws Exception {
        try (Running llmsnap = Running.start(MODELS);
            Browser.Page page = open(llmsnap, "/ui/models")) {
            page.awaitText("connected");
            page.click("#page-models input[type=checkbox]");
            page.awaitText("secret");
            page.click("#page-models input[type=search]");
            page.type("FIRST-one");
            page.await("document.querySelectorAll('.model').length === 1");
            page.type("no such");
            page.awaitText("No model fits the filter.");
            page.go("http://127.0.0.1:" + llmsnap.port + "/ui/models");
            page.awaitText("secret"); // it is remembered
        }
    }

    @Test void whatGoesOnWithoutThePageIsSeenToo() throws Exception {
        try (Running llmsnap = Running.start(MODELS);
            Browser.Page page = open(llmsnap, "/ui/activity");
            Socket stream = llmsnap.connect()) {
            page.awaitText("No request has ended yet.");
            String body = """
                {"model":"alpha","stream":true,"sim":{"tokens":100000,"token_ms":5}}""";
            stream.getOutputStream()
                .write(Running.rawChat(body).getBytes(StandardCharsets.US_ASCII));
            page.await(
                "/alpha.*answering/s.test(document.querySelector('#page-activity"
                    + " table').innerText)");
            page.await(
                "Number(document.querySelector('#page-activity tbody"
                    + " td:nth-child(7)').textContent) > 50"); // tokens/s
            page.click("nav a[href='models']");
            page.await(card("alpha") + ".querySelector('.busy').textContent === '1 in flight'");
            page.await(
                "/tokens.s/.test(" + card("alpha") + ".querySelector('.speed').textContent)");
            page.click("nav a[href='activity']");
            page.click("[aria-label='Cancel the request for alpha']");
            page.awaitText("cancelled");
            page.await("document.querySelector('#page-activity .scroll').hidden");
        }
    }

    // ---- activity and captures

    @Test void rowsAreSortedFilteredAndOpened() throws Exception {
        try (Running llmsnap = Running.start(MODELS);
            Browser.Page page = open(llmsnap, "/ui/activity")) {
            page.awaitText("connected");
            for (int tokens : new int[] {3, 9, 5}) {
                llmsnap.chat("alpha", "\"stream\":true", "\"max_tokens\":" + tokens);
            }
            llmsnap.post("/v1/embeddings", """
                {"model":"beta","input":"x","stream":false}""");
            page.await("document.querySelectorAll('.rows tbody tr').length === 4");
            assertThat(page.text(".tiles"))
                .contains("Requests\n4", "Prompt tokens\n3", "Failed\n0");
            page.click(".chooser summary");
            page.click(".chooser label:nth-child(3) input");
            page.awaitText("/v1/embeddings");
            page.click(".chooser summary");
            page.eval("document.querySelector('#page-activity select').value = 'alpha'");
            page.eval(
                "document.querySelector('#page-activity select').dispatchEvent(new"
                    + " Event('change'))");
            page.await("document.querySelectorAll('.rows tbody tr').length === 3");
            page.click(".rows th:nth-last-child(2) button");
            assertThat(page.eval("document.querySelector('.rows th:nth-last-child(2)').ariaSort"))
                .isEqualTo(Json.of("descending"));
            assertThat(page.text(".rows th:nth-last-child(2)")).startsWith("Duration");
            page.click("[aria-label='What was said in request 2']");
            page.await("document.querySelector('dialog[open]')");
            assertThat(page.text("dialog"))
                .contains(
                    "Request body",
                    "\"max_tokens\": 9",
                    "Answer, put together",
                    "this answer comes from a simulated model which counts");
            page.key("Escape");
            page.await("!document.querySelector('dialog')");
        }
    }

    @Test void thousandsOfRowsAndHundredsOfModelsStayFew() throws Exception {
        StringBuilder many = new StringBuilder("models:\n  quick: {cmd: '${sim}'}\n");
        for (int i = 0; i < 300; i++) {
            many.append("  m").append(i).append(": {cmd: x, proxy: 'http://127.0.0.1:1'}\n");
        }
        try (Running llmsnap = Running.start(many.toString())) {
            for (int i = 0; i < 600; i++) llmsnap.chat("quick", "\"max_tokens\":1");
            try (Browser.Page page = open(llmsnap, "/ui/activity")) {
                page.await("document.querySelectorAll('.rows tbody tr').length === 100");
                page.awaitText("Show more (500 left)");
                page.click("#page-activity > button");
                page.await("document.querySelectorAll('.rows tbody tr').length === 500");
                page.click("nav a[href='models']");
                page.await("document.querySelectorAll('.model').length === 301");
                // Only what changed is drawn: a card is the same element after another model has
                // changed.
                page.eval(
                    "window.card = "
                        + card("m7")
                        + "; window.touched = 0; new MutationObserver(all => touched +="
                        + " all.length).observe(card, {subtree: true, childList: true,"
                        + " characterData: true, attributes: true})");
                page.click("[aria-label='Unload quick']");
                awaitState(page, "quick", "stopped");
                assertThat(page.is("window.card === " + card("m7") + " && touched === 0")).isTrue();
            }
        }
    }

    // ---- logs

    @Test void logsAreFollowedFilteredAndScrolled() throws Exception {
        Path lines = Files.createTempFile("llmsnap-test", ".txt");
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < 2_000; i++) {
            text.append("line ")
                .append(i)
                .append(i % 10 == 0 ? " \u001b[1;31mten\u001b[0m" : "")
                .append('\n');
        }
        Files.writeString(lines, text);
        try (Running llmsnap =
                        Running.start("models: {loud: {cmd: '${sim} --print " + lines + "'}}\n");
            Browser.Page page = open(llmsnap, "/ui/logs")) {
            llmsnap.get("/api/version");
            page.awaitText("GET /api/version");
            llmsnap.chat("loud");
            page.awaitText("model loud: ready");
            page.eval(
                "document.querySelector('#page-logs select').value = 'upstream';"
                    + " document.querySelector('#page-logs select').dispatchEvent(new"
                    + " Event('change'))");
            page.awaitText("POST /v1/chat/completions");
            assertThat(page.text(".log")).contains("line 1999");
            String box = "document.querySelector('.log')";
            page.await(
                box + ".scrollHeight - " + box + ".scrollTop - " + box + ".clientHeight < 40");
            page.click("#page-logs input[type=search]");
            page.type("/line \\d*00 /");
            page.await(
                "document.querySelector('.log').innerText.trim().split('\\n').length === 19");
            assertThat(
                            page.is(
                                "document.querySelector('.log .bold.ansi-red').textContent ==="
                                    + " 'ten'"))
                .isTrue();
            page.type("[");
            page.awaitText("0 of ");
            page.eval(
                "document.querySelector('#page-logs input').value = '/[/';"
                    + " document.querySelector('#page-logs input').dispatchEvent(new"
                    + " Event('input'))");
            page.awaitText("not a valid expression");
            page.eval(
                "document.querySelector('#page-logs input').value = '';"
                    + " document.querySelector('#page-logs input').dispatchEvent(new"
                    + " Event('input'))");
            page.await(box + ".textContent.includes('line 1999')");
            // Scrolled up, it stays where it is; back at the end, it follows again.
            page.eval(box + ".scrollTop = 100");
            page.await(
                "document.querySelector('#page-logs [aria-pressed]').ariaPressed === 'false'");
            llmsnap.chat("loud");
            page.await(box + ".textContent.split('POST /v1/chat/completions').length === 3");
            assertThat(page.is(box + ".scrollTop === 100")).isTrue();
            // What comes into sight is measured only then, and may make it longer.
            page.await(
                "(" + box + ".scrollTop = " + box + ".scrollHeight, document.querySelector("
                    + "'#page-logs [aria-pressed]').ariaPressed === 'true')");
            // One model's own log, by a link.
            page.go("http://127.0.0.1:" + llmsnap.port + "/ui/logs?source=loud");
            page.awaitText("loud: listening");
            assertThat(page.text("#page-logs select")).contains("model loud");
        }
    }

    @Test void fiftyThousandLinesAreFewElements() throws Exception {
        Path lines = Files.createTempFile("llmsnap-test", ".txt");
        try (Running llmsnap =
                        Running.start("models: {loud: {cmd: '${sim} --print " + lines + "'}}\n");
            Browser.Page page = open(llmsnap, "/ui/logs?source=upstream")) {
            page.awaitText("connected");
            // Through the page's own store, since a slow machine's reader would miss lines of a
            // flood.
            page.eval(
                "import(new URL('ui/store.js', location.origin).href).then(({state}) => { const"
                    + " lines = Array.from({length: 60000}, (_, i) => 'line ' + i);"
                    + " state.logs.upstream.append(lines.join('\\n"
                    + "') + '\\n"
                    + "'); })");
            llmsnap.chat("loud");
            page.awaitText("loud: listening");
            assertThat(page.is("document.querySelectorAll('.log *').length < 300")).isTrue();
            assertThat(
                            page.is(
                                "document.querySelector('.log').textContent.split('\\n"
                                    + "').length > 40000"))
                .isTrue();
            assertThat(
                            page.is(
                                "document.querySelector('.log').textContent.split('\\n"
                                    + "').length <= 50010"))
                .isTrue();
        }
    }

    // ---- chat

    @Test void aConversationStreamsStopsAndIsKept() throws Exception {
        Path said = Files.writeString(Files.createTempFile("llmsnap-test", ".md"), """
            I think a little

            # Title

            Some **bold** and `code`.

            - one
            - two

            ```java
            int x = 1 < 2;
            ```

            | a | b |
            |---|---|
            | 1 | 2 |
            """);
        try (Running llmsnap =
                        Running.start(
                            "models:\n  md: {cmd: '${sim} --say "
                                + said
                                + " --think 2'}\n"
                                + "  slow: {cmd: '${sim} --tokens 100000 --token-ms"
                                + " 20'}\n");
            Browser.Page page = open(llmsnap, "/ui/chat")) {
            page.await("document.querySelector('#page-chat select').value === 'md'");
            page.click(".settings summary");
            page.click(".settings textarea");
            page.type("Be brief.");
            page.click("[name=temperature]");
            page.type("0.5");
            page.click(".compose textarea");
            page.type("Hello\nthere");
            page.key("Enter");
            page.awaitText("tokens/s, first after");
            assertThat(
                            page.is(
                                "document.querySelector('.chat"
                                    + " li.user').innerText.includes('Hello')"))
                .isTrue();
            assertThat(page.text(".chat li.assistant .markdown h3")).isEqualTo("Title");
            assertThat(page.text(".chat li.assistant .markdown strong")).isEqualTo("bold");
            assertThat(page.text(".chat li.assistant .markdown pre")).isEqualTo("int x = 1 < 2;");
            assertThat(
                            page.is(
                                "document.querySelectorAll('.chat li.assistant .markdown"
                                    + " li').length === 2 && document.querySelector('.chat"
                                    + " li.assistant td').textContent === '1'"))
                .isTrue();
            page.await(
                "!document.querySelector('.chat li.assistant details').open"); // the answer has
                                                                               // closed it
            page.click(".chat li.assistant details summary");
            page.await(
                "document.querySelector('.assistant .reasoning').innerText === 'I think a"
                    + " little'");
            Json.Obj capture = Running.json(llmsnap.get("/api/captures/1"));
            String asked =
                new String(
                    Base64.getDecoder().decode(capture.text("req_body")),
                    StandardCharsets.UTF_8);
            assertThat(asked)
                .contains(
                    "\"role\":\"system\",\"content\":\"Be brief.\"",
                    "\"temperature\":0.5",
                    "Hello\\nthere");
            page.go("http://127.0.0.1:" + llmsnap.port + "/ui/chat");
            page.await(
                "document.querySelector('.chat li.assistant h3')?.innerText === 'Title'"); // it
                                                                                           // is
                                                                                           // kept
            page.await("document.querySelector('#page-chat select').options.length === 2");
            page.eval("document.querySelector('.chat li.user .bar button').click()");
            page.await("document.querySelector('.compose textarea').value === 'Hello\\nthere'");
            page.click(".compose textarea");
            page.type(" again");
            page.key("Enter");
            page.await("document.querySelectorAll('.chat > li').length === 2 && document"
                + ".querySelector('.chat li.user').innerText.includes('there again')");
            page.await("document.querySelector('.compose [type=submit]').checkVisibility()");
            page.eval("document.querySelector('#page-chat select').value = 'slow'");
            page.click(".compose textarea");
            page.type("And now?");
            page.key("Enter");
            page.await(
                "document.querySelectorAll('.chat > li')[3]?.innerText.includes('this answer"
                    + " comes')");
            page.click(".compose button[type=button]");
            page.awaitText("Stopped.");
            Running.await(
                "the model stops working for it",
                () -> llmsnap.get("/api/metrics").body().contains("the client left"));
            page.eval("document.querySelector('.chat li.assistant > .bar button').click()");
            page.awaitText("What was said after it goes.");
            page.click("dialog [value='']");
            page.await("!document.querySelector('dialog')");
            assertThat(page.is("document.querySelectorAll('.chat > li').length === 4")).isTrue();
            page.click("#page-chat .bar button");
            page.await("document.querySelectorAll('.chat > li').length === 0");
            // A failure is said in its own words.
            page.eval(
                "document.querySelector('#page-chat select').append(new Option('none'));"
                    + " document.querySelector('#page-chat select').value = 'none'");
            page.click(".compose textarea");
            page.type("x");
            page.click(".compose button[type=submit]");
            page.awaitText("there is no model \"none\"");
            assertThat(page.problems())
                .as("the browser logs the 404, and nothing else")
                .allMatch(problem -> problem.contains("404"));
            page.problems().clear();
        }
    }

    /** Markdown -> what is drawn, as HTML without attributes. */
    private static final String[][] MARKDOWN = {
        {"a\nb", "<p>a\nb</p>"},
        {"## Using C#\ntext", "<h4>Using C#</h4><p>text</p>"},
        {"# Closed #", "<h3>Closed</h3>"},
        {
            "***both*** **bold** *em* __bold__ _em_ ~~gone~~ `a*b*`",
            "<p><strong><em>both</em></strong> <strong>bold</strong> <em>em</em>"
                + " <strong>bold</strong> <em>em</em> <del>gone</del> <code>a*b*</code></p>"
        },
        {
            "*a **b** c* 2*3*4 snake_case_name foo__bar__baz \\*no\\*",
            "<p><em>a <strong>b</strong> c</em> 2<em>3</em>4 snake_case_name foo__bar__baz *no*</p>"
        },
        {
            "- one\n- two\n  - deep\n\n- three",
            "<ul><li>one</li><li>two<ul><li>deep</li></ul></li><li>three</li></ul>"
        },
        {
            "1. First\n- sub\n2. Second",
            "<ol><li>First<ul><li>sub</li></ul></li><li>Second</li></ol>"
        },
        {"1. x\n   ```py\n   if a:\n       b\n   ```\n2. y", """
            <ol><li>x<div><div>py<span></span><button>Copy</button></div><pre><code>if a:
                b</code></pre></div></li><li>y</li></ol>"""},
        {"Said:\n> quote\n> more\nafter", """
            <p>Said:</p><blockquote><p>quote
            more</p></blockquote><p>after</p>"""},
        {"text\n---\nmore", "<p>text</p><hr><p>more</p>"},
        {
            "**Compare:**\n| a | b |\n|:--|--:|\n| 1 | `x` |",
            "<p><strong>Compare:</strong></p><div><table><thead><tr><th>a</th><th>b</th></tr>"
            + "</thead><tbody><tr><td>1</td><td><code>x</code></td></tr></tbody></table></div>"
        },
        {"```x = 1```\nafter", "<p><code>x = 1</code>\nafter</p>"},
        {
            "```\nopen <b>",
            "<div><div>text<span></span><button>Copy</button></div><pre><code>open"
                + " &lt;b&gt;</code></pre></div>"
        },
        {
            "see https://e.org/wiki/Foo_(bar). [a](https://e.org/x_(y)) [b](javascript:1)",
            "<p>see <a>https://e.org/wiki/Foo_(bar)</a>. <a>a</a> [b](javascript:1)</p>"
        },
        {">".repeat(3000) + " deep", null},
        {"- ".repeat(3000), null},
        {"[".repeat(4000), null},
        {"*a ".repeat(1500), null},
        {"| " + " ".repeat(100_000) + "x\n|" + " ".repeat(100_000) + "x", null},
    };

    @Test void markdownIsDrawnAsItIsMeant() throws Exception {
        try (Running llmsnap = Running.start("models: {}\n");
            Browser.Page page = open(llmsnap, "/ui/chat")) {
            page.eval(
                "import(new URL('ui/markdown.js', location.origin).href).then(({draw}) =>"
                    + " window.drawn = text => { const node = document.createElement('div');"
                    + " draw(node, text); for (const e of node.querySelectorAll('*')) for"
                    + " (const a of [...e.attributes]) e.removeAttribute(a.name); return"
                    + " node.innerHTML; })");
            for (String[] each : MARKDOWN) {
                Json html = page.eval("drawn(" + Json.of(each[0]) + ")");
                if (each[1] != null) assertThat(html).as(each[0]).isEqualTo(Json.of(each[1]));
                // A text that grows piece by piece ends up as the same.
                if (each[1] != null) {
                    assertThat(
                                    page.eval(
                                        "import(new URL('ui/markdown.js',"
                                            + " location.origin).href).then(({draw}) => { const"
                                            + " node = document.createElement('div'); const"
                                            + " text = "
                                                + Json.of(each[0])
                                                + "; for (let i = 1; i <= text.length; i++)"
                                                + " draw(node, text.slice(0, i)); const whole ="
                                                + " document.createElement('div'); draw(whole,"
                                                + " text); return node.innerHTML ==="
                                                + " whole.innerHTML; })"))
                        .as(each[0])
                        .isEqualTo(Json.of(true));
                }
            }
        }
    }

    @Test void aLogGoesOnWhereItWasWhenTheConnectionComesBack() throws Exception {
        String script = """
            import(new URL('ui/store.js', location.origin).href).then(({LogText}) => {
              const told = (before, history, clear) => { const log = new LogText(); \
            log.append(before); if (clear) log.clear(); log.resume(history); return \
            log.lines.join('|'); };
              return [told('', 'a\\nb\\n'), told('a\\nb\\n', 'a\\nb\\nc\\n'), told('a\\npar', \
            'a\\npartial\\n'), told('1%\\r2%\\r3%\\nb\\n', '1%\\r2%\\r3%\\nb\\nc\\n'),
                told('a\\nb\\n', 'a\\nb\\nc\\n', true), told('a\\nb\\n', 'new\\n'), told('ok\\n', \
            'not ok too\\n'), told('x'.repeat(20000) + '\\nb\\n', 'x'.repeat(20000) + \
            '\\nb\\nc\\n').slice(-4)].join(' ; ');
            })""";
        try (Running llmsnap = Running.start("models: {}\n");
            Browser.Page page = open(llmsnap, "/ui/logs")) {
            assertThat(page.eval(script))
                .isEqualTo(
                    Json.of(
                        "a|b ; a|b|c ; a|partial ; 3%|b|c ; c ; a|b|--- connected again"
                            + " ---|new ; ok|--- connected again ---|not ok too ;"
                            + " |b|c"));
        }
    }
}
