package llmsnap;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.WebSocket;
import java.net.http.WebSocketHandshakeException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import llmsnap.text.Json;
import org.junit.jupiter.api.Test;

/** WebSockets through llmsnap: what a client says comes back, until either side ends. */
class TunnelTest {
    static final String HANDSHAKE = "Connection: Upgrade\r\nUpgrade: websocket\r\n"
        + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

    /** A client of the JDK, and what it was told. */
    private static final class Client implements WebSocket.Listener {
        private final StringBuffer texts = new StringBuffer();
        private volatile long bytes;
        private volatile boolean ended;
        private final WebSocket socket;

        Client(Running llmsnap, String path) {
            socket = HttpClient.newHttpClient().newWebSocketBuilder()
                .header("Authorization", "Bearer k")
                .buildAsync(URI.create("ws://127.0.0.1:" + llmsnap.port + path), this).join();
        }

        @Override public CompletionStage<?> onText(WebSocket web, CharSequence data, boolean last) {
            texts.append(data);
            web.request(1);
            return null;
        }

        @Override public CompletionStage<?> onBinary(WebSocket web, ByteBuffer data, boolean last) {
            bytes += data.remaining();
            web.request(1);
            return null;
        }

        @Override public CompletionStage<?> onClose(WebSocket web, int status, String reason) {
            ended = true;
            return null;
        }

        @Override public void onError(WebSocket web, Throwable error) {
            ended = true;
        }
    }

    @Test void textBinaryFragmentsAndTenMegabytesComeBack() throws Exception {
        try (EchoServer echo = new EchoServer();
                Running llmsnap = Running.start("apiKeys: [k]\n" + echo.yaml())) {
            Client client = new Client(llmsnap, "/upstream/ws/some/path?x=1");
            assertThat(echo.lastHead).startsWith("GET /some/path?x=1 HTTP/1.1\r\n")
                .doesNotContain("Bearer k");
            client.socket.sendText("hello", true).join();
            client.socket.sendText(" frag", false).join();
            client.socket.sendText("ments", true).join();
            Running.await("the texts", () -> client.texts.toString().equals("hello fragments"));
            client.socket.sendBinary(ByteBuffer.allocate(10 << 20), true).join();
            Running.await("10 MB", () -> client.bytes == 10 << 20);
            client.socket.sendPing(ByteBuffer.wrap(new byte[] {1})).join();
            client.socket.sendClose(WebSocket.NORMAL_CLOSURE, "").join();
            Running.await("the end", () -> client.ended && echo.open.get() == 0);
            Running.await("its line",
                () -> llmsnap.output().contains("/upstream/ws/some/path 101"));
        }
    }

    @Test void eitherEndEndsItAndTheModelIsFree() throws Exception {
        try (EchoServer echo = new EchoServer(); Running llmsnap = Running.start(echo.yaml())) {
            Client left = new Client(llmsnap, "/upstream/ws/");
            Client stays = new Client(llmsnap, "/v1/realtime?model=ws");
            Json.Obj during = Running.json(llmsnap.get("/api/explain?model=ws"));
            assertThat(String.valueOf(during.at("in_flight"))).isEqualTo("2");
            left.socket.abort();
            Running.await("its end", () -> echo.open.get() == 1);
            stays.socket.sendText("bye", true).join();
            Running.await("the end", () -> stays.ended && echo.open.get() == 0);
            Running.await("the leases", () -> String.valueOf(Running.json(
                llmsnap.get("/api/explain?model=ws")).at("in_flight")).equals("0"));
        }
    }

    @Test void anUnloadAndACancelCutIt() throws Exception {
        try (EchoServer echo = new EchoServer(); Running llmsnap = Running.start(echo.yaml())) {
            Client first = new Client(llmsnap, "/upstream/ws/");
            assertThat(llmsnap.post("/api/models/unload/ws", "").statusCode()).isEqualTo(200);
            Running.await("the cut", () -> first.ended && echo.open.get() == 0);
            Client second = new Client(llmsnap, "/upstream/ws/");
            assertThat(llmsnap.post("/api/inflight/2/cancel", "").statusCode()).isEqualTo(200);
            Running.await("the cut", () -> second.ended && echo.open.get() == 0);
        }
    }

    @Test void aHundredAtOnce() throws Exception {
        try (EchoServer echo = new EchoServer();
                Running llmsnap = Running.start(
                    echo.yaml().replace("checkEndpoint", "concurrencyLimit: 200, checkEndpoint"))) {
            List<Client> clients = new ArrayList<>();
            for (int i = 0; i < 100; i++) clients.add(new Client(llmsnap, "/upstream/ws/"));
            for (Client each : clients) each.socket.sendText("x", true).join();
            Running.await("all", () -> clients.stream()
                .allMatch(each -> each.texts.toString().equals("x")));
            clients.forEach(each -> each.socket.abort());
            Running.await("the end", () -> echo.open.get() == 0);
        }
    }

    @Test void otherOffersAreIgnored() throws Exception {
        try (EchoServer echo = new EchoServer(); Running llmsnap = Running.start(echo.yaml())) {
            for (String upgrade : List.of("h2c", "", "TLS/1.0")) {
                assertThat(llmsnap.raw("GET /upstream/ws/x HTTP/1.1\r\nHost: x\r\nUpgrade: "
                    + upgrade + "\r\nConnection: Upgrade, close\r\n\r\n")).as(upgrade)
                    .startsWith("HTTP/1.1 200");
            }
        }
    }

    @Test void whatIsNoWebSocketServerIsSaid() throws Exception {
        try (Running llmsnap = Running.start("models: {a: {cmd: '${sim}'}}\n")) {
            assertThat(llmsnap.raw("GET /upstream/a/x HTTP/1.1\r\nHost: x\r\n"
                + HANDSHAKE.replace("Upgrade\r\nUp", "Upgrade, close\r\nUp")))
                .startsWith("HTTP/1.1 502").contains("answered 200 where a WebSocket was asked");
            assertThat(llmsnap.chat("a").statusCode()).isEqualTo(200);
        }
    }

    /** From a class path nothing of the JDK is opened. */
    @Test void withoutTheInternalsItIsRefusedAndAllElseWorks() throws Exception {
        try (EchoServer echo = new EchoServer()) {
            var file = Files.createTempFile("llmsnap-test", ".yaml");
            Files.writeString(file, echo.yaml());
            Process process = new ProcessBuilder(Running.JAVA, "-cp", Running.JAR.toString(),
                "llmsnap.Launcher", "--config", file.toString(), "--listen", "127.0.0.1:0")
                .redirectErrorStream(true).start();
            try (Running llmsnap = Running.of(process, file)) {
                assertThat(llmsnap.raw("GET /upstream/ws/x HTTP/1.1\r\nHost: x\r\nConnection: close"
                    + "\r\n" + HANDSHAKE.replace("Connection: Upgrade\r\n", "")))
                    .startsWith("HTTP/1.1 501");
                assertThat(llmsnap.get("/upstream/ws/x").statusCode()).isEqualTo(200);
            }
        }
    }

    @Test void aRefusedHandshakeIsAnAnswer() throws Exception {
        try (EchoServer echo = new EchoServer();
                Running llmsnap = Running.start("apiKeys: [other]\n" + echo.yaml())) {
            assertThat(refusal(llmsnap)).contains("401");
        }
    }

    private static String refusal(Running llmsnap) {
        try {
            new Client(llmsnap, "/upstream/ws/").socket.abort();
            return "let in";
        } catch (CompletionException e) {
            var handshake = (WebSocketHandshakeException) e.getCause();
            return String.valueOf(handshake.getResponse().statusCode());
        }
    }
}
