package llmsnap.process;


import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.URI;
import java.net.UnknownHostException;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpTimeoutException;
import java.time.Duration;
import java.util.List;
import java.util.function.Function;
import llmsnap.config.Config.Address;
import llmsnap.config.Config.Call;
import llmsnap.platform.BoundedText;
import llmsnap.platform.Ports;
import llmsnap.record.Log;

/** Where a model's server answers: its port, and the calls that ask how it is. */
final class Endpoint {
    private static final int CONNECT_MS = 1_000;

    private final Address proxy;
    private final String apiKey;
    private final Function<Boolean, HttpClient> client;
    private static final int MAX_SHOWN = 200;
    private volatile URI base = URI.create("http://127.0.0.1:1");

    /** @param apiKey that it wants, or "" */
    Endpoint(Address proxy, String apiKey, Function<Boolean, HttpClient> client) {
        this.proxy = proxy;
        this.apiKey = apiKey;
        this.client = client;
    }

    /** The address that answered last; TLS needs the host's name, to check the certificate. */
    URI base() {
        return base;
    }

    String authority() {
        return proxy.authority();
    }

    /** Whether somebody listens on its port. */
    boolean isPortTaken() {
        return addresses().stream().anyMatch(address -> Ports.isHeld(address, proxy.port()));
    }

    /** localhost may be 127.0.0.1 or ::1: servers choose one. */
    private List<InetAddress> addresses() {
        String host = proxy.host();
        try {
            if (!host.equalsIgnoreCase("localhost")) return List.of(InetAddress.getAllByName(host));
            return List.of(InetAddress.getByName("127.0.0.1"), InetAddress.getByName("::1"));
        } catch (UnknownHostException e) {
            return List.of();
        }
    }

    /** Whether it accepts a connection. */
    boolean accepts() throws InterruptedException {
        for (InetAddress address : addresses()) {
            if (Thread.interrupted()) throw new InterruptedException();
            try (var socket = new Socket()) {
                socket.connect(new InetSocketAddress(address, proxy.port()), CONNECT_MS);
                base = URI.create(proxy.isHttps() ? proxy.toString()
                    : proxy.at(address.getHostAddress()));
                return true;
            } catch (IOException e) {
                // not here, or not yet
            }
        }
        return false;
    }

    /** What it answered. */
    record Answer(int status, String text) {
        @Override public String toString() {
            return status + " " + Log.cut(text.strip(), MAX_SHOWN);
        }
    }

    /** Makes a call to it, its answer's body included. */
    Answer answer(Call call, long timeoutMs) throws IOException, InterruptedException {
        HttpResponse<String> answer = BoundedText.of(client.apply(proxy.isHttps()),
            request(call, timeoutMs), timeoutMs);
        return new Answer(answer.statusCode(), answer.body());
    }

    /**
     * Asks whether it is ready.
     *
     * @param check answers 200 then; null: an accepted connection is enough
     * @return what was met, for people; null when it is
     */
    String probe(String check, long patienceMs) throws InterruptedException {
        if (!accepts()) return "connection refused";
        if (check == null) return null;
        try {
            int status = answer(new Call("GET", check, "", 0), patienceMs).status;
            return status == 200 ? null : "it answered " + status;
        } catch (HttpTimeoutException e) {
            return "it took the connection and did not answer within " + patienceMs + " ms";
        } catch (IOException e) {
            return "it broke the connection off";
        }
    }

    /** Makes a call that has to answer 200. @return what failed, or null; {@code whole}: quoted */
    String failure(Call call, boolean whole) throws InterruptedException {
        try {
            Answer answer = answer(call, call.timeoutSeconds() * 1000L);
            if (answer.status == 200) return null;
            return " answered " + (whole ? answer : answer.status);
        } catch (HttpTimeoutException e) {
            return " did not answer within " + call.timeoutSeconds() + " s";
        } catch (IOException e) {
            return " failed: " + e.getMessage();
        }
    }

    private HttpRequest request(Call call, long timeoutMs) {
        String body = call.body();
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(base + call.path()))
            .timeout(Duration.ofMillis(timeoutMs))
            .method(call.method(), body.isEmpty() ? BodyPublishers.noBody()
            : BodyPublishers.ofString(body));
        if (!proxy.isHttps()) request.header("Host", proxy.authority());
        if (!apiKey.isEmpty()) request.header("Authorization", "Bearer " + apiKey);
        if (!body.isEmpty()) request.header("Content-Type", "application/json");
        return request.build();
    }
}
