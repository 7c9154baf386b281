package llmsnap;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.net.httpserver.HttpServer;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.atomic.AtomicReference;
import llmsnap.text.Json;
import org.junit.jupiter.api.Test;

/** What a page of another site gets a real browser to do. */
class ForeignPageTest extends UiFixture {
    /** A server of another origin, whose only page is that. */
    private static HttpServer site(AtomicReference<String> page) throws Exception {
        HttpServer site = HttpServer.create(
            new InetSocketAddress(InetAddress.getByName("127.0.0.2"), 0), 0);
        site.createContext("/", exchange -> {
            byte[] body = page.get().getBytes(StandardCharsets.UTF_8);
            exchange.getResponseHeaders().set("Content-Type", "text/html");
            exchange.getResponseHeaders().set("Referrer-Policy", "no-referrer");
            exchange.sendResponseHeaders(200, body.length);
            exchange.getResponseBody().write(body);
            exchange.close();
        });
        site.start();
        return site;
    }

    @Test void imagesAndScriptsOfAForeignPageChangeNothing() throws Exception {
        AtomicReference<String> page = new AtomicReference<>();
        HttpServer site = site(page);
        try (Running llmsnap = Running.start(MODELS)) {
            llmsnap.chat("alpha");
            String ours = "http://127.0.0.1:" + llmsnap.port;
            page.set("""
                <!doctype html><title>0</title><script>
                const done = () => { document.title = Number(document.title) + 1; };
                for (const [tag, path] of [['img', '/unload'], ['script', '/upstream/beta/x'],
                    ['iframe', '/upstream/beta/page'], ['img', '/v1/audio/voices?model=beta']]) {
                    const each = document.createElement(tag);
                    each.onload = done;
                    each.onerror = done;
                    each.src = '%1$s' + path;
                    document.documentElement.append(each);
                }
                fetch('%1$s/running').then(r => r.text()).catch(() => 'refused').then(text => {
                    window.said = text;
                    done();
                });
                fetch('%1$s/unload', {headers: {'X-Llmsnap-Page': '1'}}).catch(done);
                fetch('%1$s/api/models/unload', {method: 'POST', mode: 'no-cors'}).then(done);
                </script>""".formatted(ours));
            try (Browser.Page foreign = browser.open("http://127.0.0.2:"
                    + site.getAddress().getPort() + "/", null)) {
                foreign.await("document.title === '7'");
                assertThat(foreign.eval("window.said")).isEqualTo(Json.of("refused"));
                foreign.problems().clear();     // what it was refused
            }
            assertThat(llmsnap.running()).containsExactly("alpha:ready");
        } finally {
            site.stop(0);
        }
    }

    @Test void aWebSocketOfABrowserPassesAndAForeignOneDoesNot() throws Exception {
        AtomicReference<String> page = new AtomicReference<>("<!doctype html><title>x</title>");
        HttpServer site = site(page);
        try (EchoServer echo = new EchoServer(); Running llmsnap = Running.start(echo.yaml())) {
            llmsnap.post("/api/models/load/ws", "");
            String talk = """
                new Promise(done => {
                    const socket = new WebSocket('ws://127.0.0.1:%d/upstream/ws/x');
                    socket.onopen = () => socket.send('hello');
                    socket.onmessage = message => done(message.data);
                    socket.onerror = () => done('refused');
                })""".formatted(llmsnap.port);
            try (Browser.Page own = open(llmsnap, "/ui/models")) {
                assertThat(own.eval(talk)).isEqualTo(Json.of("hello"));
            }
            try (Browser.Page foreign = browser.open("http://127.0.0.2:"
                    + site.getAddress().getPort() + "/", null)) {
                assertThat(foreign.eval(talk)).isEqualTo(Json.of("refused"));
                foreign.problems().clear();
            }
        } finally {
            site.stop(0);
        }
    }

    @Test void theButtonOfAnUnloadedModelsPageLoadsIt() throws Exception {
        try (Running llmsnap = Running.start(MODELS);
                Browser.Page page = open(llmsnap, "/upstream/beta/v1/models")) {
            page.await("document.querySelector('button')?.textContent === 'Load it'");
            assertThat(llmsnap.running()).isEmpty();
            page.eval("String(document.querySelector('button').click())");
            Running.await("the load", () -> llmsnap.running().contains("beta:ready"));
            page.await("document.body.textContent.includes('beta')"
                + " && !document.querySelector('button')");
            page.problems().clear();        // its first status, 409
        }
    }
}
