package llmsnap;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.WebSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Base64;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import llmsnap.text.Json;
import llmsnap.text.Malformed;

/** A headless Chromium, driven over its DevTools protocol with the JDK's own WebSocket client. */
final class Browser implements AutoCloseable {
    private static final long PATIENCE_SECONDS = 30;

    private final Process process;
    private final Path profile;
    private final WebSocket socket;
    private final AtomicInteger lastId = new AtomicInteger();
    private final Map<Integer, CompletableFuture<Json.Obj>> answers = new ConcurrentHashMap<>();
    private final Map<String, Page> pages = new ConcurrentHashMap<>(); // by session

    /** The browser's program, or null when there is none on the PATH. */
    static String program() {
        return Stream.of("chromium", "chromium-browser", "google-chrome")
            .flatMap(
                name ->
                    Arrays.stream(System.getenv("PATH").split(File.pathSeparator))
                        .map(folder -> Path.of(folder, name)))
            .filter(Files::isExecutable)
            .map(Path::toString)
            .findFirst()
            .orElse(null);
    }

    Browser() throws IOException {
        profile = Files.createTempDirectory("llmsnap-browser");
        process =
            new ProcessBuilder(
                            program(),
                            "--headless=new",
                            "--no-sandbox",
                            "--disable-gpu",
                            "--disable-dev-shm-usage",
                            "--no-first-run",
                            "--mute-audio",
                            "--disable-background-networking",
                            "--disable-component-update",
                            "--disable-extensions",
                            "--disable-sync",
                            "--disable-crash-reporter",
                            "--lang=en",
                            "--remote-debugging-port=0",
                            "--user-data-dir=" + profile,
                            "about:blank")
                .redirectErrorStream(true)
                .start();
        BufferedReader out =
            new BufferedReader(
                new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
        String address = null;
        for (String line; address == null && (line = out.readLine()) != null; ) {
            if (line.startsWith("DevTools listening on ")) address = line.substring(22).strip();
        }
        assertThat(address).as("the browser's DevTools address").isNotNull();
        Thread.ofPlatform().daemon().start(() -> out.lines().forEach(line -> {}));
        socket =
            HttpClient.newHttpClient()
                .newWebSocketBuilder()
                .buildAsync(URI.create(address), new Listener())
                .orTimeout(PATIENCE_SECONDS, TimeUnit.SECONDS)
                .join();
    }

    private final class Listener implements WebSocket.Listener {
        private final StringBuilder text = new StringBuilder();

        @Override public CompletionStage<?> onText(WebSocket webSocket, CharSequence data,
            boolean last) {
            text.append(data);
            if (last) {
                String whole = text.toString();
                text.setLength(0);
                try {
                    take((Json.Obj) Json.parse(whole));
                } catch (Malformed e) {
                    throw new IllegalStateException(e);
                }
            }
            webSocket.request(1);
            return null;
        }
    }

    private void take(Json.Obj message) {
        if (message.at("id") instanceof Json.Num id) {
            answers.remove((int) id.value()).complete(message);
            return;
        }
        Page page = message.text("sessionId") == null ? null : pages.get(message.text("sessionId"));
        if (page != null) page.event(message.text("method"), (Json.Obj) message.at("params"));
    }

    private CompletableFuture<Json.Obj> ask(String session, String method, Object... parameters) {
        int id = lastId.incrementAndGet();
        CompletableFuture<Json.Obj> answer = new CompletableFuture<>();
        answers.put(id, answer);
        Json.Obj message = Json.obj("id", id, "method", method, "params", Json.obj(parameters));
        String text =
            (session == null ? message : message.with("sessionId", Json.of(session)))
                .toString();
        synchronized (this) { // the client takes one message at a time
            socket.sendText(text, true).join();
        }
        return answer;
    }

    private Json.Obj call(String session, String method, Object... parameters) {
        Json.Obj answer =
            ask(session, method, parameters)
                .orTimeout(PATIENCE_SECONDS, TimeUnit.SECONDS)
                .join();
        if (answer.at("error") != null) {
            throw new AssertionError(method + ": " + answer.at("error"));
        }
        return (Json.Obj) answer.at("result");
    }

    /**
     * A new tab with a store of its own. {@code password} is for a log-in box, "" to cancel it;
     * null when none is expected.
     */
    Page open(String url, String password) {
        String context = call(null, "Target.createBrowserContext").text("browserContextId");
        String target =
            call(null, "Target.createTarget", "url", "about:blank", "browserContextId", context)
                .text("targetId");
        String session =
            call(null, "Target.attachToTarget", "targetId", target, "flatten", true)
                .text("sessionId");
        Page page = new Page(session, target, URI.create(url).getAuthority(), password);
        pages.put(session, page);
        for (String domain : List.of("Page", "Runtime", "Log", "Network")) {
            page.call(domain + ".enable");
        }
        if (password != null) page.call("Fetch.enable", "handleAuthRequests", true);
        page.size(1280, 900);
        page.go(url);
        return page;
    }

    @Override public void close() throws IOException {
        ask(null, "Browser.close");
        try {
            if (!process.waitFor(10, TimeUnit.SECONDS)) process.destroyForcibly().waitFor();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        try (Stream<Path> files = Files.walk(profile)) {
            files.sorted(Comparator.reverseOrder())
                .forEach(file -> file.toFile().delete());
        }
    }

    /**
     * A tab. Closing it checks that nothing went wrong in it: no error, no violation of its policy,
     * no request to another host.
     */
    final class Page implements AutoCloseable {
        private final String session;
        private final String target;
        private final String authority;
        private final String password;
        private final List<String> problems = new CopyOnWriteArrayList<>();
        private volatile boolean lossExpected;

        private Page(String session, String target, String authority, String password) {
            this.session = session;
            this.target = target;
            this.authority = authority;
            this.password = password;
        }

        private void event(String method, Json.Obj event) {
            switch (method) {
                case "Runtime.exceptionThrown" ->
                    problems.add("exception: " + event.at("exceptionDetails"));
                case "Runtime.consoleAPICalled" -> {
                    if (List.of("error", "warning", "assert").contains(event.text("type"))) {
                        problems.add("console: " + event.at("args"));
                    }
                }
                case "Log.entryAdded" -> {
                    boolean loss = "network".equals(event.text("entry", "source"));
                    if (!(loss && lossExpected)
                        && !"verbose".equals(event.text("entry", "level"))) {
                        problems.add("log: " + event.at("entry"));
                    }
                }
                case "Network.requestWillBeSent" -> {
                    String url = event.text("request", "url");
                    boolean own =
                        url.startsWith("blob:")
                            || url.startsWith("data:")
                            || url.startsWith("about:")
                            || authority.equals(URI.create(url).getAuthority());
                    if (!own) problems.add("request to another host: " + url);
                }
                case "Fetch.requestPaused" ->
                    ask(session, "Fetch.continueRequest", "requestId", event.text("requestId"));
                case "Fetch.authRequired" ->
                    ask(
                        session,
                        "Fetch.continueWithAuth",
                        "requestId",
                        event.text("requestId"),
                        "authChallengeResponse",
                        password.isEmpty()
                            ? Json.obj("response", "CancelAuth")
                            : Json.obj(
                                "response",
                                "ProvideCredentials",
                                "username",
                                "anybody",
                                "password",
                                password));
                default -> {}
            }
        }

        Json.Obj call(String method, Object... parameters) {
            return Browser.this.call(session, method, parameters);
        }

        void go(String url) {
            eval("window.isOld = true");
            call("Page.navigate", "url", url);
            await("document.readyState === 'complete' && !window.isOld");
        }

        /** The server is going to be away: that its requests fail is no problem. */
        void expectLoss() {
            lossExpected = true;
        }

        void size(int width, int height) {
            call(
                "Emulation.setDeviceMetricsOverride",
                "width",
                width,
                "height",
                height,
                "deviceScaleFactor",
                1,
                "mobile",
                false);
        }

        /** The system's setting: {@code light} or {@code dark}. */
        void scheme(String scheme) {
            call(
                "Emulation.setEmulatedMedia",
                "features",
                List.of(Json.obj("name", "prefers-color-scheme", "value", scheme)));
        }

        /** The value of an expression; a promise is awaited. */
        Json eval(String expression) {
            Json.Obj result =
                call(
                    "Runtime.evaluate",
                    "expression",
                    expression,
                    "returnByValue",
                    true,
                    "awaitPromise",
                    true,
                    "userGesture",
                    true);
            if (result.at("exceptionDetails") != null) {
                throw new AssertionError(expression + ": " + result.at("exceptionDetails"));
            }
            Json value = result.at("result", "value");
            return value == null ? Json.NULL : value;
        }

        String text(String selector) {
            return eval("document.querySelector(" + Json.of(selector) + ")?.innerText ?? ''")
                            instanceof Json.Str text
                ? text.text()
                : "";
        }

        boolean is(String condition) {
            return eval("!!(" + condition + ")").equals(Json.of(true));
        }

        void await(String condition) {
            try {
                Running.await(condition, () -> is(condition));
            } catch (AssertionError e) {
                throw new AssertionError(
                    e.getMessage()
                        + "\nthe page: "
                        + eval("document.body.innerText.slice(0, 3000)")
                        + "\nproblems: "
                        + problems,
                    e);
            }
        }

        /** Waits until the visible text of the page contains {@code text}. */
        void awaitText(String text) {
            await("document.body.innerText.includes(" + Json.of(text) + ")");
        }

        /** Clicks the middle of what the selector finds with the mouse, once it is there. */
        void click(String selector) {
            String found = "document.querySelector(" + Json.of(selector) + ")";
            await(found + " && !" + found + ".disabled && " + found + ".getClientRects().length");
            Json.Obj at =
                (Json.Obj)
                    eval(
                        "(() => { const e = "
                            + found
                            + "; e.scrollIntoView({block: 'center'}); const r ="
                            + " e.getBoundingClientRect(); return {x: r.x + r.width"
                            + " / 2, y: r.y + r.height / 2, hit:"
                            + " e.contains(document.elementFromPoint(r.x + r.width"
                            + " / 2, r.y + r.height / 2))}; })()");
            assertThat(at.at("hit"))
                .as(selector + " is not covered by something else")
                .isEqualTo(Json.of(true));
            for (String type : List.of("mousePressed", "mouseReleased")) {
                call(
                    "Input.dispatchMouseEvent",
                    "type",
                    type,
                    "x",
                    at.at("x"),
                    "y",
                    at.at("y"),
                    "button",
                    "left",
                    "clickCount",
                    1);
            }
        }

        /** Types text where the focus is. */
        void type(String text) {
            call("Input.insertText", "text", text);
        }

        /** Presses a key, like {@code Tab}, {@code Enter}, {@code Escape}. */
        void key(String key) {
            Map<String, Integer> codes =
                Map.of("Tab", 9, "Enter", 13, "Escape", 27, " ", 32, "End", 35, "Home", 36);
            String text = key.equals(" ") ? " " : "";
            if (key.equals("Enter")) text = "\r";
            call(
                "Input.dispatchKeyEvent",
                "type",
                text.isEmpty() ? "rawKeyDown" : "keyDown",
                "key",
                key,
                "code",
                key.equals(" ") ? "Space" : key,
                "text",
                text,
                "windowsVirtualKeyCode",
                codes.get(key));
            call(
                "Input.dispatchKeyEvent",
                "type",
                "keyUp",
                "key",
                key,
                "code",
                key.equals(" ") ? "Space" : key,
                "windowsVirtualKeyCode",
                codes.get(key));
        }

        void screenshot(Path file) throws IOException {
            Files.write(
                file,
                Base64.getDecoder()
                    .decode(call("Page.captureScreenshot", "format", "png").text("data")));
        }

        List<String> problems() {
            return problems;
        }

        @Override public void close() {
            try {
                assertThat(problems)
                    .as("errors, violations of the policy, requests to other hosts")
                    .isEmpty();
            } finally {
                pages.remove(session);
                Browser.this.call(null, "Target.closeTarget", "targetId", target);
            }
        }
    }
}
