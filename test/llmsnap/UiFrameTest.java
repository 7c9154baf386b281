package llmsnap;

import static org.assertj.core.api.Assertions.assertThat;

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
import org.junit.jupiter.api.Test;

/** The frame of the web UI: what is said stays text, every page, the keyboard, the files. */
class UiFrameTest extends UiFixture {
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
                    for (String name : List.of("now", "models", "activity", "logs", "chat",
                        "settings")) {
                        page.click("nav a[href='" + name + "']");
                        page.await("!document.querySelector('#page-" + name + "').hidden");
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
     * In the page: texts whose contrast with what is behind them is under 4.5 (WCAG 2.1, 1.4.3),
     * worked out from the styles; and controls without a name, lists and headings out of order.
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
            for (int i = 0; i < 14; i++) {
                page.key("Tab");
                order.append(
                                ((Json.Str)
                                                page.eval(
                                                    """
                                                    (({ ariaLabel, innerText, id, labels }) =>
                                                        ariaLabel || innerText.trim() || id ||
                                                        labels?.[0].textContent.trim()
                                                    )(document.activeElement)"""))
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
                    "Now, Models, Activity, Logs, Try, Settings, Theme: system, Filter models,"
                        + " show unlisted, Pause \u2026, The first, Load alpha,"
                        + " Details of alpha, ");
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
            List<String> java = List.of(Running.JAVA);
            try (Running second = Running.start(first.config, first.port, java)) {
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
                page.go("http://127.0.0.1:" + llmsnap.port + "/ui/settings");
                page.awaitText("Key   YOUR_KEY");
                // the question that the box answered
                page.problems().removeIf(problem -> problem.contains("401"));
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
                    for (String name : List.of("now", "models", "activity", "logs", "chat",
                        "chat/")) {
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
                page.click("nav a[href='models']");
                page.click("[aria-label='Load beta']");
                awaitState(page, "beta", "ready");
                assertThat(
                                page.is(
                                    "document.querySelector(\"[aria-label='Server’s page ↗"
                                        + " beta']\").href.endsWith('/llm/upstream/beta/')"))
                    .isTrue();
                page.click("nav a[href='chat']");
                page.await("location.pathname === '/llm/ui/chat'");
                page.eval("history.back()");
                page.await(
                    "location.pathname === '/llm/ui/models' &&"
                        + " !document.querySelector('#page-models').hidden");
            }
        }
    }

    /**
     * A reverse proxy that serves llmsnap under /llm: a request per connection, head rewritten, the
     * rest as it is.
     */
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
        Path folder = Path.of("src", "ui");
        try (Running llmsnap = Running.start("models: {}\n");
            Stream<Path> files = Files.walk(folder)) {
            long all = 0;
            long packedBytes = 0;
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                all += Files.size(file);
                String text = Files.readString(file);
                assertThat(text.replace("http://www.w3.org/2000/svg", ""))
                    .as(file + " names no other host")
                    .doesNotContainPattern(
                        "(src|href|url|import|fetch)[^\\n]{0,20}https?://[a-z]");
                String path = "/ui/" + (file.endsWith("index.html") ? "" : folder.relativize(file));
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
                packedBytes += packed.headers().firstValueAsLong("content-length").orElseThrow();
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
            assertThat(all).as("the UI's bytes").isLessThan(200_000);
            assertThat(packedBytes).as("gzipped").isLessThan(60 * 1024);
            for (String path
                : List.of("/ui", "/ui/now", "/ui/models", "/ui/activity", "/ui/logs", "/ui/chat",
                    "/ui/try", "/ui/settings", "/ui/models/a%20b/c")) {
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
