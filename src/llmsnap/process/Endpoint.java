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
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import java.util.List;
import java.util.function.Function;
import llmsnap.config.Config.Address;
import llmsnap.config.Config.Call;
import llmsnap.platform.Ports;

/** Where a model's server answers: its port, and the calls that ask how it is. */
final class Endpoint {
    private static final int CONNECT_MS = 1_000;

    private final Address proxy;
    private final Function<Boolean, HttpClient> client;
    private volatile URI base = URI.create("http://127.0.0.1:1");

    Endpoint(Address proxy, Function<Boolean, HttpClient> client) {
        this.proxy = proxy;
        this.client = client;
    }

    /** The address that answered last; TLS needs the host's name, to check the certificate. */
    URI base() {
        return base;
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

    /** Makes a call to it. @return the status of its answer */
    int status(Call call, long timeoutMs) throws IOException, InterruptedException {
        String body = call.body();
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(base + call.path()))
            .timeout(Duration.ofMillis(timeoutMs))
            .method(call.method(), body.isEmpty() ? BodyPublishers.noBody()
            : BodyPublishers.ofString(body));
        if (!proxy.isHttps()) request.header("Host", proxy.authority());
        if (!body.isEmpty()) request.header("Content-Type", "application/json");
        return client.apply(proxy.isHttps())
            .send(request.build(), BodyHandlers.discarding()).statusCode();
    }
}
