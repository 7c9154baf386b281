package llmsnap;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.SecureRandom;
import java.security.cert.X509Certificate;
import java.util.List;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManager;
import javax.net.ssl.X509TrustManager;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** HTTPS with keys of every form that openssl writes. */
class TlsTest {
    private Path folder;

    @BeforeEach
    void openssl() throws Exception {
        folder = Files.createTempDirectory("llmsnap-test");
        assumeTrue(exec("openssl", "version") == 0, "no openssl here");
    }

    private int exec(String... command) throws Exception {
        try {
            return new ProcessBuilder(command)
                .directory(folder.toFile())
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .start()
                .waitFor();
        } catch (IOException e) {
            return -1;
        }
    }

    private void openssl(String arguments) throws Exception {
        assertThat(exec(("openssl " + arguments).split(" "))).as(arguments).isZero();
    }

    private static void hangUp(Running llmsnap) throws Exception {
        new ProcessBuilder("kill", "-HUP", String.valueOf(llmsnap.process.pid())).start().waitFor();
    }

    private SSLSocket connect(Running llmsnap) throws Exception {
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(
            null,
            new TrustManager[] {
                new X509TrustManager() {
                    @Override public void checkClientTrusted(X509Certificate[] chain,
                        String type) {}

                    @Override public void checkServerTrusted(X509Certificate[] chain,
                        String type) {}

                    @Override public X509Certificate[] getAcceptedIssuers() {
                        return new X509Certificate[0];
                    }
                }
            },
            new SecureRandom());
        SSLSocket socket =
            (SSLSocket) context.getSocketFactory().createSocket("127.0.0.1", llmsnap.port);
        socket.setSoTimeout(20_000);
        return socket;
    }

    private String get(Running llmsnap) throws Exception {
        try (SSLSocket socket = connect(llmsnap)) {
            socket.getOutputStream()
                .write(
                    "GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
                        .getBytes());
            return socket.getSession().getPeerCertificates().length
                + " "
                + new String(socket.getInputStream().readAllBytes());
        }
    }

    @Test void aWebSocketPasses() throws Exception {
        openssl("req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj"
            + " /CN=localhost");
        try (EchoServer echo = new EchoServer();
                Running llmsnap = Running.start(echo.yaml(),
                    "--tls-cert-file", folder.resolve("cert.pem").toString(),
                    "--tls-key-file", folder.resolve("key.pem").toString());
                SSLSocket socket = connect(llmsnap)) {
            socket.getOutputStream().write(("GET /upstream/ws/x HTTP/1.1\r\nHost: x\r\n"
                + TunnelTest.HANDSHAKE).getBytes());
            var head = new StringBuilder();
            while (head.indexOf("\r\n\r\n") < 0) head.append((char) socket.getInputStream().read());
            assertThat(head).startsWith("HTTP/1.1 101");
            // A frame: "hi" under the mask 0.
            socket.getOutputStream().write(
                new byte[] {(byte) 0x81, (byte) 0x82, 0, 0, 0, 0, 'h', 'i'});
            assertThat(socket.getInputStream().readNBytes(4))
                .isEqualTo(new byte[] {(byte) 0x81, 2, 'h', 'i'});
        }
    }

    @Test void aBrokenConfigurationKeepsNoCertificateFromBeingTaken() throws Exception {
        for (String name : List.of("first", "second")) {
            openssl("req -x509 -newkey rsa:2048 -nodes -keyout " + name + "-key.pem -out " + name
                + ".pem -days 2 -subj /CN=" + name);
        }
        Path certificate = folder.resolve("first.pem");
        Path key = folder.resolve("first-key.pem");
        try (Running llmsnap = Running.start("models: {}\n", "--tls-cert-file",
                certificate.toString(), "--tls-key-file", key.toString())) {
            Files.copy(folder.resolve("second.pem"), certificate,
                StandardCopyOption.REPLACE_EXISTING);
            Files.copy(folder.resolve("second-key.pem"), key, StandardCopyOption.REPLACE_EXISTING);
            Files.writeString(llmsnap.config, "models: [");
            hangUp(llmsnap);
            Running.await("the refusal",
                () -> llmsnap.output().contains("configuration not reloaded"));
            try (SSLSocket socket = connect(llmsnap)) {
                assertThat(socket.getSession().getPeerPrincipal().getName()).contains("second");
            }
        }
    }

    @Test void keysOfEveryForm() throws Exception {
        openssl(
            "req -x509 -newkey rsa:2048 -nodes -keyout rsa8.pem -out rsa.pem -days 2 -subj"
                + " /CN=localhost");
        openssl("rsa -in rsa8.pem -traditional -out rsa1.pem");
        openssl("ecparam -name prime256v1 -genkey -out ec1.pem");
        openssl("req -x509 -key ec1.pem -out ec.pem -days 2 -subj /CN=localhost");
        openssl("pkcs8 -topk8 -nocrypt -in ec1.pem -out ec8.pem");
        openssl("req -newkey rsa:2048 -nodes -keyout leaf-key.pem -out leaf.csr -subj /CN=leaf");
        openssl(
            "x509 -req -in leaf.csr -CA rsa.pem -CAkey rsa8.pem -CAcreateserial -out leaf.pem"
                + " -days 2");
        Files.writeString(
            folder.resolve("chain.pem"),
            Files.readString(folder.resolve("leaf.pem"))
                + Files.readString(folder.resolve("rsa.pem")));
        assertThat(Files.readString(folder.resolve("rsa1.pem"))).contains("BEGIN RSA PRIVATE KEY");
        for (List<String> pair :
            List.of(
                List.of("rsa.pem", "rsa8.pem", "1"),
                List.of("rsa.pem", "rsa1.pem", "1"),
                List.of("ec.pem", "ec1.pem", "1"),
                List.of("ec.pem", "ec8.pem", "1"),
                List.of("chain.pem", "leaf-key.pem", "2"))) {
            try (Running llmsnap =
                Running.start(
                    "models: {}\n",
                    "--tls-cert-file",
                    folder.resolve(pair.get(0)).toString(),
                    "--tls-key-file",
                    folder.resolve(pair.get(1)).toString())) {
                assertThat(get(llmsnap))
                    .as(pair.toString())
                    .startsWith(pair.get(2) + " HTTP/1.1 200")
                    .endsWith("OK");
                assertThat(llmsnap.output()).contains("listening on https://");
            }
        }
        Files.copy(folder.resolve("rsa.pem"), folder.resolve("live.pem"));
        Files.copy(folder.resolve("rsa8.pem"), folder.resolve("live-key.pem"));
        try (Running llmsnap =
            Running.start(
                "models: {}\n",
                "--tls-cert-file",
                folder.resolve("live.pem").toString(),
                "--tls-key-file",
                folder.resolve("live-key.pem").toString())) {
            assertThat(get(llmsnap)).startsWith("1 ");
            Files.copy(
                folder.resolve("chain.pem"),
                folder.resolve("live.pem"),
                StandardCopyOption.REPLACE_EXISTING);
            hangUp(llmsnap);
            Running.await(
                "a key that does not fit is said",
                () -> llmsnap.output().contains("live-key.pem does not go with"));
            assertThat(get(llmsnap)).startsWith("1 ");
            Files.copy(
                folder.resolve("leaf-key.pem"),
                folder.resolve("live-key.pem"),
                StandardCopyOption.REPLACE_EXISTING);
            hangUp(llmsnap);
            Running.await(
                "reloaded",
                () -> {
                    try {
                        return get(llmsnap).startsWith("2 ");
                    } catch (Exception e) {
                        return false;
                    }
                });
        }
        openssl("pkcs8 -topk8 -in rsa8.pem -out secret.pem -passout pass:x");
        assertThat(refusal("rsa.pem", "secret.pem")).contains("secret.pem is encrypted");
        assertThat(refusal("rsa.pem", "ec8.pem")).contains("holds no key that can be used (RSA)");
        assertThat(refusal("rsa.pem", "leaf-key.pem")).contains("it is another certificate's key");
        assertThat(refusal("rsa8.pem", "rsa8.pem")).contains("certificate");
        assertThat(refusal("none.pem", "rsa8.pem")).contains("there is no file");
    }

    private String refusal(String certificate, String key) throws Exception {
        Path config = Files.writeString(folder.resolve("config.yaml"), "models: {}\n");
        String text =
            Running.run(
                Running.JAVA,
                "--config",
                config.toString(),
                "--listen",
                "127.0.0.1:0",
                "--tls-cert-file",
                folder.resolve(certificate).toString(),
                "--tls-key-file",
                folder.resolve(key).toString());
        assertThat(text).as(certificate + " " + key).startsWith("1 ").doesNotContain("\tat ");
        return text;
    }

    /** What is sent to a peer carries its key: it goes to nobody else, by whatever way. */
    @Test void theNameOfAPeerIsCheckedForWebSocketsToo() throws Exception {
        openssl("req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2"
            + " -subj /CN=evil -addext subjectAltName=DNS:evil.example");
        Path store = folder.resolve("trusted");
        String keytool = Path.of(Running.JAVA).resolveSibling("keytool").toString();
        assertThat(exec(keytool, "-importcert", "-noprompt", "-file", "cert.pem", "-keystore",
            store.toString(), "-storepass", "secret")).isZero();
        try (EchoServer echo = new EchoServer();
                Running evil = Running.start(echo.yaml(), "--tls-cert-file",
                    folder.resolve("cert.pem").toString(), "--tls-key-file",
                    folder.resolve("key.pem").toString());
                Running llmsnap = Running.start(Running.config("""
                    peers: {p: {proxy: 'https://localhost:%d', models: [ws]}}
                    """.formatted(evil.port)), 0, List.of(Running.JAVA,
                        "-Djavax.net.ssl.trustStore=" + store,
                        "-Djavax.net.ssl.trustStorePassword=secret"))) {
            assertThat(llmsnap.chat("ws").statusCode()).isEqualTo(502);
            assertThat(llmsnap.raw("GET /v1/realtime?model=ws HTTP/1.1\r\nHost: x\r\n"
                + TunnelTest.HANDSHAKE.replace("Upgrade\r\nUp", "Upgrade, close\r\nUp")))
                .contains(" 502 ");
            assertThat(echo.lastHead).isEmpty();
        }
    }
}
