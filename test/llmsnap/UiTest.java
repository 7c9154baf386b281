package llmsnap;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import llmsnap.text.Json;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** The web UI in a real browser, which clicks what a person clicks. Each page that is closed must have made no error. */
class UiTest {
    private static final String MODELS = """
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
    private static Browser browser;

    @BeforeAll
    static void start() throws IOException {
        assumeTrue(Browser.program() != null, "no Chromium on the PATH");
        browser = new Browser();
    }

    @AfterAll
    static void stop() throws IOException {
        if (browser != null) browser.close();
    }

    private static Browser.Page open(Running llmsnap, String path) {
        return browser.open("http://127.0.0.1:" + llmsnap.port + path, null);
    }

    /** The card of a model. */
    private static String card(String model) {
        return "[...document.querySelectorAll('.model')].find(e =>"
                   + " e.querySelector('.name').textContent === '"
            + model
            + "' || e.querySelector('.id').textContent === '"
            + model
            + "')";
    }

    private static String state(String model) {
        return card(model) + "?.querySelector('.word').textContent";
    }

    private static void awaitState(Browser.Page page, String model, String state) {
        page.await(state(model) + " === '" + state + "'");
    }

    // ---- models

    @Test void aPersonLoadsWatchesTheSwapSleepsAndUnloads() throws Exception {
        try (Running llmsnap = Running.start(MODELS);
            Browser.Page page = open(llmsnap, "/ui")) {
            page.awaitText("connected");
            assertThat(page.text("h1")).isEqualTo("Models");
            assertThat(page.eval("document.title"))
                .isEqualTo(Json.of("○ nothing loaded · Models · llmsnap"));
            page.awaitText("5 in all, 0 ready");
            assertThat(page.text("#page-models"))
                .contains("The first", "also first-one", "group (default)", "peer far")
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
            page.eval(box + ".scrollTop = " + box + ".scrollHeight");
            page.await(
                "document.querySelector('#page-logs [aria-pressed]').ariaPressed === 'true'");
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
                    java.util.Base64.getDecoder().decode(capture.text("req_body")),
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
            "<p><strong>Compare:</strong></p><div><table><thead><tr><th>a</th><th>b</th></tr></thead><tbody><tr><td>1</td><td><code>x</code></td></tr></tbody></table></div>"
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

    // ---- hostile text

    @Test void whatModelsAndLogsSayStaysText() throws Exception {
        String evil =
            "<script>window.evil=1</script><img src=x onerror='window.evil=2'>"
                + " [click](javascript:window.evil=3) [data](data:text/html,x)"
                + " ![pic](http://example.com/x.png) [ok](https://example.com/a_(b)) <a"
                + " href='javascript:1'>x</a> \u202eabc \u001b[31mred\u001b[0m"
                + " \u001b]8;;http://evil\u0007link\u001b]8;;\u0007\n"
                + "```\n"
                + "</pre><script>window.evil=4</script>\n"
                + "```\n"
                    + "`".repeat(200)
                    + "*".repeat(300)
                    + "[".repeat(300)
                    + "\n> quote\n";
        Path said = Files.writeString(Files.createTempFile("llmsnap-test", ".md"), evil);
        Path printed =
            Files.writeString(
                Files.createTempFile("llmsnap-test", ".txt"),
                evil
                    + "x".repeat(60_000)
                    + " the end\n\u0000\u0007\u001b[999;1H\u001b[38;5;300modd\n");
        String yaml =
            "models:\n  evil: {cmd: '${sim} --say "
                + said
                + " --print "
                + printed
                + "', name: '<b>bold</b><img src=x>', description:"
                + " '<script>window.evil=5</script>', aliases: ['\"><i>']}\n";
        try (Running llmsnap = Running.start(yaml);
            Browser.Page page = open(llmsnap, "/ui/models")) {
            page.awaitText("<script>window.evil=5</script>");
            assertThat(page.text(".name")).isEqualTo("<b>bold</b><img src=x>");
            page.click("nav a[href='chat']");
            page.click(".compose textarea");
            page.type(evil);
            page.click(".compose button[type=submit]");
            page.awaitText("tokens/s, first after");
            assertThat(page.text(".chat li.assistant .markdown"))
                .contains(
                    "<script>window.evil=1</script>",
                    "[click](javascript:window.evil=3)",
                    "</pre><script>window.evil=4</script>");
            assertThat(
                            page.eval(
                                            "[...document.querySelectorAll('.chat a')].map(a =>"
                                                + " a.href).join(' ')")
                                .toString())
                .isEqualTo(
                    "\""
                        + "http://example.com/x.png https://example.com/a_(b) "
                            .repeat(2)
                            .strip()
                        + "\"");
            page.click("nav a[href='logs']");
            page.eval(
                "document.querySelector('#page-logs select').value = 'upstream';"
                    + " document.querySelector('#page-logs select').dispatchEvent(new"
                    + " Event('change'))");
            page.awaitText("(cut here)");
            page.eval(
                "import(new URL('ui/store.js', location.origin).href).then(({state}) => { for"
                    + " (let i = 0; i < 100; i++)"
                    + " state.logs.upstream.append('y'.repeat(10_000));"
                    + " state.logs.upstream.append('\\n"
                    + "'); })");
            llmsnap.chat("evil");
            page.await(
                "/cut here.\\n"
                    + "[^]*cut here.\\n"
                    + "[^]*evil: POST/.test(document.querySelector('.log').textContent)");
            assertThat(page.text(".log"))
                .contains("<script>window.evil=1</script>", "odd", "link")
                .doesNotContain("\u001b");
            assertThat(page.is("document.querySelector('.log').textContent.length < 200000"))
                .isTrue();
            page.click("nav a[href='activity']");
            page.click("[aria-label^='What was said']");
            page.await("document.querySelector('dialog[open]')");
            assertThat(page.text("dialog")).contains("<script>window.evil=1</script>");
            assertThat(
                            page.is(
                                "window.evil === undefined && !document.querySelector('main"
                                    + " img, dialog img, main script, dialog script, main i,"
                                    + " main b')"))
                .isTrue();
        }
    }

    // ---- the frame

    @Test void everyPageFitsANarrowScreenInBothThemesAndCanBeRead() throws Exception {
        try (Running llmsnap = Running.start(MODELS);
            Browser.Page page = open(llmsnap, "/ui/models")) {
            page.awaitText("connected");
            page.click("[aria-label='Load alpha']");
            awaitState(page, "alpha", "ready");
            llmsnap.chat("broken");
            llmsnap.chat("sleepy", "\"stream\":true");
            llmsnap.post("/api/models/sleep/sleepy", "");
            page.eval(CONTRAST);
            for (String scheme : List.of("light", "dark")) {
                page.scheme(scheme);
                for (int width : new int[] {1280, 400}) {
                    page.size(width, 800);
                    for (String name : List.of("models", "activity", "logs", "chat")) {
                        page.click("nav a[href='" + name + "']");
                        page.await(
                            "!document.querySelector('#page-"
                                + name
                                + "').hidden && document.querySelector('nav"
                                + " [aria-current]').textContent.trim().toLowerCase().startsWith('"
                                + name
                                + "')");
                        assertThat(page.is("document.documentElement.scrollWidth <= innerWidth"))
                            .as(name + " at " + width + " px")
                            .isTrue();
                        assertThat(page.eval("lowContrast().join('; ')"))
                            .as(name + ", " + scheme)
                            .isEqualTo(Json.of(""));
                        assertThat(page.eval("unnamed().join('; ')"))
                            .as("names of controls, " + name)
                            .isEqualTo(Json.of(""));
                    }
                }
            }
            // The switch wins over the system, and is remembered.
            page.size(1280, 800);
            String ground = "getComputedStyle(document.body).backgroundColor";
            Json dark = page.eval(ground);
            page.click("#theme");
            page.await("document.documentElement.dataset.theme === 'light'");
            assertThat(page.eval(ground)).isNotEqualTo(dark);
            page.go("http://127.0.0.1:" + llmsnap.port + "/ui/chat");
            assertThat(page.eval("document.documentElement.dataset.theme"))
                .isEqualTo(Json.of("light"));
            page.click("#theme");
            page.awaitText("Theme: dark");
            page.click("#theme");
            page.awaitText("Theme: system");
            assertThat(page.is("document.documentElement.dataset.theme === undefined")).isTrue();
        }
    }

    /**
     * In the page: texts whose contrast with what is behind them is under 4.5 (WCAG 2.1, 1.4.3), worked out from the
     * styles; and controls without a name, lists and headings out of order.
     */
    private static final String CONTRAST = """
        window.rgb = text => { const c = document.createElement('canvas').getContext('2d', \
        {willReadFrequently: true}); c.fillStyle = text; c.fillRect(0, 0, 1, 1); return \
        [...c.getImageData(0, 0, 1, 1).data]; };
        window.luminance = ([r, g, b]) => { const [x, y, z] = [r, g, b].map(v => (v /= 255) <= \
        0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * x + 0.7152 * y + \
        0.0722 * z; };
        window.lowContrast = () => {
          const low = new Set();
          const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
          for (let node; (node = walker.nextNode());) {
            const element = node.parentElement;
            if (!node.textContent.trim() || !element.checkVisibility() || element.closest('script,\
        \s:disabled')) continue;
            let behind = element;
            while (behind && rgb(getComputedStyle(behind).backgroundColor)[3] < 255) behind = \
        behind.parentElement;
            const a = luminance(rgb(getComputedStyle(element).color));
            const b = luminance(rgb(getComputedStyle(behind ?? \
        document.documentElement).backgroundColor));
            const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
            if (contrast < 4.5) low.add(`${element.tagName}.${element.className} \
        "${node.textContent.trim().slice(0, 20)}" ${contrast.toFixed(2)}`);
          }
          return [...low];
        };
        window.unnamed = () => {
          const bad = [];
          for (const e of document.querySelectorAll('button, a[href], input, select, textarea, \
        summary, nav, [role=log], dialog')) {
            if (!e.checkVisibility()) continue;
            const name = e.ariaLabel || e.innerText?.trim() || e.labels?.[0]?.innerText.trim() || \
        e.title;
            if (!name) bad.push(e.outerHTML.slice(0, 80));
            if (e.tabIndex > 0) bad.push('tabindex ' + e.tabIndex);
          }
          const visible = [...document.querySelectorAll('h1')].filter(e => \
        e.getClientRects().length);
          if (visible.length !== 1) bad.push(visible.length + ' h1');
          for (const tag of ['main', 'nav', 'header']) if (document.querySelectorAll('body > ' + \
        tag + ', body > header > ' + tag).length !== 1) bad.push('no ' + tag);
          return bad;
        };
        """;

    @Test void theKeyboardIsEnough() throws Exception {
        try (Running llmsnap = Running.start(MODELS);
            Browser.Page page = open(llmsnap, "/ui/models")) {
            page.awaitText("connected");
            awaitState(page, "alpha", "stopped");
            page.key("Tab");
            assertThat(page.eval("document.activeElement.id")).isEqualTo(Json.of("skip"));
            assertThat(page.is("document.activeElement.getBoundingClientRect().left >= 0"))
                .as("it can be seen once it has the focus")
                .isTrue();
            StringBuilder order = new StringBuilder();
            for (int i = 0; i < 12; i++) {
                page.key("Tab");
                order.append(
                                ((Json.Str)
                                                page.eval(
                                                    "document.activeElement.ariaLabel ||"
                                                        + " document.activeElement.innerText.trim()"
                                                        + " || document.activeElement.id ||"
                                                        + " document.activeElement.labels?.[0].textContent.trim()"))
                                    .text())
                    .append(", ");
                assertThat(
                                page.is(
                                    "getComputedStyle(document.activeElement).outlineStyle !=="
                                        + " 'none'"))
                    .as("the focus is seen on " + order)
                    .isTrue();
            }
            assertThat(order.toString())
                .startsWith(
                    "Models, Activity, Logs, Chat, Theme: system, Filter models, unlisted,"
                        + " Load alpha, Open alpha, Details of alpha, Load beta, ");
            page.eval("document.querySelector(\"[aria-label='Load alpha']\").focus()");
            page.key("Enter");
            awaitState(page, "alpha", "ready");
            page.eval("document.querySelector(\"nav a[href='activity']\").focus()");
            page.key("Enter");
            page.await(
                "!document.querySelector('#page-activity').hidden && document.activeElement.id"
                    + " === 'main'");
            llmsnap.chat("alpha");
            page.await("document.querySelectorAll('.rows tbody tr').length === 1");
            page.eval("document.querySelector(\"[aria-label^='What was said']\").focus()");
            page.key("Enter");
            page.await("document.querySelector('dialog[open]')?.contains(document.activeElement)");
            page.key("Escape");
            page.await("document.activeElement.ariaLabel?.startsWith('What was said')");
        }
    }

    @Test void aLostServerIsSeenAndFoundAgain() throws Exception {
        Running first = Running.start(MODELS);
        try (Browser.Page page = open(first, "/ui/models")) {
            page.awaitText("connected");
            first.chat("alpha");
            awaitState(page, "alpha", "ready");
            page.expectLoss();
            first.close();
            page.awaitText("next try in");
            page.await(
                "document.title.startsWith('✕ not connected') &&"
                    + " document.querySelector('#connection').dataset.state === 'down'");
            Process process =
                new ProcessBuilder(
                                Running.JAVA,
                                "-jar",
                                Running.JAR.toString(),
                                "--config",
                                first.config.toString(),
                                "--listen",
                                "127.0.0.1:" + first.port)
                    .redirectErrorStream(true)
                    .start();
            try (Running second = Running.of(process, first.config)) {
                page.await("document.querySelector('#connection').dataset.state === 'up'");
                awaitState(page, "alpha", "stopped");
                second.chat("beta");
                awaitState(page, "beta", "ready");
                page.click("nav a[href='activity']");
                page.await(
                    "document.querySelectorAll('.rows tbody tr').length === 1"); // the old
                                                                                 // server's
                                                                                 // rows are
                                                                                 // gone with it
                page.click("nav a[href='logs']");
                page.awaitText("--- connected again ---");
            }
        }
    }

    @Test void aKeyLetsAPersonInThroughTheBrowsersOwnBox() throws Exception {
        try (Running llmsnap = Running.start("apiKeys: [the-key]\n" + MODELS)) {
            try (Browser.Page page =
                browser.open("http://127.0.0.1:" + llmsnap.port + "/ui/models", "the-key")) {
                page.awaitText("connected");
                page.click("[aria-label='Load alpha']");
                awaitState(page, "alpha", "ready");
                page.problems()
                    .removeIf(
                        problem ->
                            problem.contains(
                                "401")); // the question that the box answered
            }
            try (Browser.Page page =
                browser.open("http://127.0.0.1:" + llmsnap.port + "/ui/models", "")) {
                page.awaitText("A key is needed");
                assertThat(page.is("document.querySelectorAll('.model').length === 0")).isTrue();
                page.problems().removeIf(problem -> problem.contains("401"));
            }
        }
    }

    @Test void everyPageCanBeReloadedAndWorksUnderASubPath() throws Exception {
        try (Running llmsnap = Running.start(MODELS);
            SubPath proxy = new SubPath(llmsnap.port)) {
            for (int port : new int[] {llmsnap.port, proxy.port()}) {
                String ui =
                    "http://127.0.0.1:" + port + (port == llmsnap.port ? "/ui/" : "/llm/ui/");
                try (Browser.Page page = browser.open(ui, null)) {
                    for (String name : List.of("models", "activity", "logs", "chat", "chat/")) {
                        page.go(ui + name);
                        page.await("document.querySelector('#connection').dataset.state === 'up'");
                        String plain = name.replace("/", "");
                        assertThat(
                                        page.is(
                                            "!document.querySelector('#page-"
                                                + plain
                                                + "').hidden && document.querySelector('nav"
                                                + " [aria-current]').href.endsWith('/ui/"
                                                + plain
                                                + "')"))
                            .as(ui + name)
                            .isTrue();
                    }
                }
            }
            try (Browser.Page page =
                browser.open("http://127.0.0.1:" + proxy.port() + "/llm/ui", null)) {
                page.awaitText("connected");
                page.click("[aria-label='Load beta']");
                awaitState(page, "beta", "ready");
                assertThat(
                                page.is(
                                    "document.querySelector(\"[aria-label='Open"
                                        + " beta']\").href.endsWith('/llm/upstream/beta/')"))
                    .isTrue();
                page.click("nav a[href='chat']");
                page.await("location.pathname === '/llm/ui/chat'");
                page.eval("history.back()");
                page.await(
                    "location.pathname === '/llm/ui' &&"
                        + " !document.querySelector('#page-models').hidden");
            }
        }
    }

    /** A reverse proxy that serves llmsnap under /llm: a request per connection, head rewritten, the rest as it is. */
    private static final class SubPath implements AutoCloseable {
        private final ServerSocket listener =
            new ServerSocket(0, 50, InetAddress.getLoopbackAddress());

        SubPath(int target) throws IOException {
            Thread.ofVirtual()
                .start(
                    () -> {
                        try {
                            while (true) {
                                Socket client = listener.accept();
                                Thread.ofVirtual().start(() -> pass(client, target));
                            }
                        } catch (IOException e) {
                            // closed
                        }
                    });
        }

        int port() {
            return listener.getLocalPort();
        }

        private static void pass(Socket client, int target) {
            try (client;
                Socket server = new Socket(InetAddress.getLoopbackAddress(), target)) {
                InputStream in = new BufferedInputStream(client.getInputStream());
                StringBuilder head = new StringBuilder();
                for (int c; !head.toString().endsWith("\r\n\r\n") && (c = in.read()) >= 0; ) {
                    head.append((char) c);
                }
                String rewritten =
                    head.toString()
                        .replaceFirst(" /llm/", " /")
                        .replaceFirst("(?i)\r\nconnection: [^\r]*", "")
                        .replaceFirst("\r\n\r\n$", "\r\nConnection: close\r\n\r\n");
                server.getOutputStream().write(rewritten.getBytes(StandardCharsets.ISO_8859_1));
                Thread.ofVirtual().start(() -> copy(in, server));
                server.getInputStream().transferTo(client.getOutputStream());
            } catch (IOException e) {
                // one of them left
            }
        }

        private static void copy(InputStream from, Socket to) {
            try {
                from.transferTo(to.getOutputStream());
            } catch (IOException e) {
                // one of them left
            }
        }

        @Override public void close() throws IOException {
            listener.close();
        }
    }

    // ---- how its files are served

    @Test void filesAreSmallPackedTaggedAndStrict() throws Exception {
        try (Running llmsnap = Running.start("models: {}\n");
            Stream<Path> files = Files.list(Path.of("src", "ui"))) {
            long all = 0;
            for (Path file : files.toList()) {
                all += Files.size(file);
                String text = Files.readString(file);
                assertThat(text.replace("http://www.w3.org/2000/svg", ""))
                    .as(file + " names no other host")
                    .doesNotContainPattern(
                        "(src|href|url|import|fetch)[^\\n]{0,20}https?://[a-z]");
                String path = "/ui/" + (file.endsWith("index.html") ? "" : file.getFileName());
                HttpResponse<String> plain = llmsnap.get(path);
                assertThat(plain.statusCode()).as(path).isEqualTo(200);
                assertThat(plain.body()).as(path).isEqualTo(text);
                assertThat(plain.headers().firstValue("content-security-policy").orElse(""))
                    .startsWith("default-src 'self'")
                    .doesNotContain("unsafe");
                String tag = plain.headers().firstValue("etag").orElseThrow();
                assertThat(
                                Running.send(llmsnap.request(path).header("If-None-Match", tag))
                                    .statusCode())
                    .isEqualTo(304);
                HttpResponse<String> packed =
                    Running.send(
                        llmsnap.request(path).header("Accept-Encoding", "br, gzip;q=0.8"));
                assertThat(packed.headers().firstValue("content-encoding")).contains("gzip");
                assertThat(packed.headers().firstValue("etag").orElseThrow()).isNotEqualTo(tag);
                assertThat(packed.headers().firstValue("vary")).contains("Accept-Encoding");
                assertThat(
                                Running.send(
                                                llmsnap.request(path)
                                                    .header("Accept-Encoding", "gzip;q=0"))
                                    .headers()
                                    .firstValue("content-encoding"))
                    .isEmpty();
            }
            assertThat(all).as("the UI's bytes").isLessThan(80_000);
            for (String path : List.of("/ui", "/ui/models", "/ui/activity", "/ui/logs", "/ui/chat")) {
                assertThat(llmsnap.get(path).body()).as(path).contains("<title>llmsnap</title>");
            }
            for (String path :
                List.of(
                    "/ui/none",
                    "/ui/../config.yaml",
                    "/ui/app.js.map",
                    "/ui/%2e%2e/x",
                    "/ui/llmsnap/Main.class")) {
                assertThat(llmsnap.get(path).statusCode()).as(path).isIn(404, 405);
            }
        }
    }
}
