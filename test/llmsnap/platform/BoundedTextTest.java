package llmsnap.platform;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpTimeoutException;
import org.junit.jupiter.api.Test;

/** Answers of other servers that are asked on the side: whole, too long, or without an end. */
class BoundedTextTest {
    @Test void anAnswerIsWholeOrGivenUp() throws Exception {
        HttpServer server =
            HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.setExecutor(task -> Thread.ofVirtual().start(task));
        server.createContext("/whole", exchange -> {
            exchange.sendResponseHeaders(200, 3);
            exchange.getResponseBody().write("yes".getBytes(UTF_8));
            exchange.close();
        });
        server.createContext("/endless", exchange -> {
            exchange.sendResponseHeaders(200, 0);
            var zeros = new byte[1 << 16];
            try (OutputStream out = exchange.getResponseBody()) {
                while (true) out.write(zeros);
            } catch (IOException e) {
                exchange.close();       // as it should
            }
        });
        server.createContext("/begun", exchange -> exchange.sendResponseHeaders(200, 10));
        server.start();
        try (HttpClient client = HttpClient.newHttpClient()) {
            String base = "http://127.0.0.1:" + server.getAddress().getPort();
            assertThat(BoundedText.of(client, request(base + "/whole"), 5_000).body())
                .isEqualTo("yes");
            assertThatThrownBy(() -> BoundedText.of(client, request(base + "/endless"), 20_000))
                .isInstanceOf(IOException.class).hasMessageContaining("over 4 MB");
            assertThatThrownBy(() -> BoundedText.of(client, request(base + "/begun"), 300))
                .isInstanceOf(HttpTimeoutException.class);
            client.shutdownNow();
        } finally {
            server.stop(0);
        }
    }

    private static HttpRequest request(String uri) {
        return HttpRequest.newBuilder(URI.create(uri)).build();
    }
}
