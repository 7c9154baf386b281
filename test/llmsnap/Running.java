package llmsnap;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import llmsnap.text.Json;
import llmsnap.text.Malformed;

/**
 * The real jar as a process, with a configuration of its own, on a port of its own. Closing it
 * stops it and sees that nothing is left.
 */
public final class Running implements AutoCloseable {
    public static final Path JAR = Path.of("build", "llmsnap.jar").toAbsolutePath();
    /** Made by scripts/test.sh: a start takes two thirds of the CPU with it, and goes without. */
    private static final Path ARCHIVE = Path.of("build", "test.jsa").toAbsolutePath();
    public static final String JAVA =
        Path.of(System.getProperty("java.home"), "bin", "java").toString();
    private static final String SIM_ARGS =
        " -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xmx64m -cp "
            + JAR
            + ":"
            + Path.of("build", "test-classes").toAbsolutePath()
            + " llmsnap.TestModel --port ${PORT} --name ${MODEL_ID}'\n";

    /**
     * Macros: the start of a simulated model's command, that ends at once at SIGTERM, or that may
     * stop as slowly as it likes.
     */
    public static final String SIM =
        "macros:\n  sim: '" + JAVA + " -Xrs" + SIM_ARGS + "  slow_sim: '" + JAVA + SIM_ARGS;

    private static final AtomicInteger NEXT_PORT =
        new AtomicInteger(20_000 + (int) (ProcessHandle.current().pid() % 400) * 25);
    private static final HttpClient CLIENT =
        HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
    private static final Duration PATIENCE = Duration.ofSeconds(60);

    public final Process process;
    public final int port;
    public final Path config;
    private final StringBuffer output = new StringBuffer();

    private Running(Path config, Process process) throws IOException {
        this.config = config;
        this.process = process;
        Thread.ofPlatform()
            .daemon()
            .start(
                () -> {
                    try (InputStream in = process.getInputStream()) {
                        byte[] buffer = new byte[8192];
                        for (int n; (n = in.read(buffer)) >= 0; ) {
                            output.append(new String(buffer, 0, n, StandardCharsets.UTF_8));
                        }
                    } catch (IOException e) {
                        // it ended
                    }
                });
        Pattern address = Pattern.compile("listening on https?://\\S*:(\\d+)\n");
        await("listening", () -> address.matcher(output).find() || !process.isAlive());
        Matcher matcher = address.matcher(output);
        assertThat(matcher.find()).as(output.toString()).isTrue();
        this.port = Integer.parseInt(matcher.group(1));
    }

    /**
     * Starts with {@code yaml}, in front of which a free startPort and the macro {@code sim} are
     * put.
     */
    public static Running start(String yaml, String... flags) throws IOException {
        return start(config(yaml), flags);
    }

    /** A file with {@code yaml} behind the same. */
    public static Path config(String yaml) throws IOException {
        Path file = Files.createTempFile("llmsnap-test", ".yaml");
        return Files.writeString(file, "startPort: " + freePorts(10) + "\n" + SIM + yaml);
    }

    public static Running start(Path config, String... flags) throws IOException {
        // None lives long enough to get back what the second compiler takes: a third of all CPU.
        // Those that are started by a command of their own do without the flag.
        // A script's background jobs ignore SIGINT, those of nohup SIGHUP, and a JVM that is born
        // so can never be told to listen.
        boolean archived = Files.exists(ARCHIVE);
        String archive = archived ? "-XX:SharedArchiveFile=" + ARCHIVE : "-Xshare:auto";
        List<String> java = List.of("env", "--default-signal=INT", "--default-signal=HUP", JAVA,
            "-XX:TieredStopAtLevel=1", archive);
        return start(config, 0, java, flags);
    }

    /** On a port, 0 for any, by a command whose end is a JVM and its options. */
    public static Running start(Path config, int port, List<String> java, String... flags)
            throws IOException {
        List<String> command = new ArrayList<>(java);
        command.addAll(List.of("-jar", JAR.toString(), "--config", config.toString(), "--listen",
            "127.0.0.1:" + port));
        command.addAll(List.of(flags));
        return of(new ProcessBuilder(command).redirectErrorStream(true).start(), config);
    }

    /** One that was started by hand. */
    public static Running of(Process process, Path config) throws IOException {
        return new Running(config, process);
    }

    /**
     * The first of {@code count} ports in a row that nobody listens on, below those that the system
     * hands out.
     */
    public static int freePorts(int count) {
        while (true) {
            int first = NEXT_PORT.getAndAdd(count);
            if (first + count > 32_000) NEXT_PORT.set(20_000);
            boolean free = true;
            for (int port = first; port < first + count; port++) {
                try (ServerSocket socket =
                    new ServerSocket(port, 1, InetAddress.getLoopbackAddress())) {
                    free &= socket.isBound();
                } catch (IOException e) {
                    free = false;
                }
            }
            if (free) return first;
        }
    }

    // ---- requests

    public HttpRequest.Builder request(String path) {
        return HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + path))
            .timeout(PATIENCE);
    }

    public static HttpResponse<String> send(HttpRequest.Builder request) {
        try {
            return CLIENT.send(request.build(), HttpResponse.BodyHandlers.ofString());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    public HttpResponse<String> post(String path, String body) {
        return send(request(path).POST(HttpRequest.BodyPublishers.ofString(body)));
    }

    public HttpResponse<String> put(String path, String body) {
        return send(request(path).PUT(HttpRequest.BodyPublishers.ofString(body)));
    }

    public HttpResponse<String> get(String path) {
        return send(request(path).GET());
    }

    /** A chat request for {@code model}; {@code more} is put behind the model, as JSON members. */
    public HttpResponse<String> chat(String model, String... more) {
        return post(
            "/v1/chat/completions",
            "{\"model\":\""
                + model
                + "\""
                + (more.length == 0 ? "" : "," + String.join(",", more))
                + "}");
    }

    /** Sends raw bytes and reads until the server closes or half a minute is over. */
    public String raw(String bytes) throws IOException {
        try (Socket socket = connect()) {
            socket.getOutputStream().write(bytes.getBytes(StandardCharsets.ISO_8859_1));
            return new String(socket.getInputStream().readAllBytes(), StandardCharsets.ISO_8859_1);
        } catch (SocketException e) {
            return "reset";
        }
    }

    public Socket connect() throws IOException {
        Socket socket = new Socket(InetAddress.getLoopbackAddress(), port);
        socket.setSoTimeout((int) PATIENCE.toMillis());
        return socket;
    }

    /** The bytes of a chat request; the connection is closed after its answer. */
    public static String rawChat(String body) {
        return "POST /v1/chat/completions HTTP/1.1\r\n"
                   + "Host: x\r\n"
                   + "Connection: close\r\n"
                   + "Content-Length: "
            + body.length()
            + "\r\n\r\n"
            + body;
    }

    // ---- what is going on

    public static Json.Obj json(HttpResponse<String> response) {
        try {
            return (Json.Obj) Json.parse(response.body());
        } catch (Malformed e) {
            throw new AssertionError(response.statusCode() + " " + response.body(), e);
        }
    }

    /** The names and states of the models that are not stopped, like {@code a:ready}. */
    public List<String> running() {
        return ((Json.Arr) json(get("/running")).at("running"))
            .items().stream()
                .map(
                    each ->
                        ((Json.Obj) each).text("model")
                            + ":"
                            + ((Json.Obj) each).text("state"))
                .toList();
    }

    public String output() {
        return output.toString();
    }

    /** How often {@code text} was printed. */
    public int count(String text) {
        return output().split(Pattern.quote(text), -1).length - 1;
    }

    /** Waits for a condition, at most half a minute. */
    public static void await(String what, BooleanSupplier condition) {
        long end =
            System.nanoTime() + PATIENCE.toNanos(); // the condition may itself ask the server
        while (!condition.getAsBoolean()) {
            if (System.nanoTime() > end) throw new AssertionError("waited too long for: " + what);
            LockSupport.parkNanos(2_000_000);
        }
    }

    /** The processes whose environment or command line holds {@code text}. */
    public static List<Long> processesWith(String text) {
        List<Long> pids = new ArrayList<>();
        ProcessHandle.allProcesses()
            .forEach(
                process -> {
                    try {
                        Path proc = Path.of("/proc", String.valueOf(process.pid()));
                        String all =
                            Files.readString(
                                            proc.resolve("environ"),
                                            StandardCharsets.ISO_8859_1)
                                + Files.readString(
                                    proc.resolve("cmdline"),
                                    StandardCharsets.ISO_8859_1);
                        if (all.contains(text)) pids.add(process.pid());
                    } catch (IOException e) {
                        // gone
                    }
                });
        return pids;
    }

    /** Sends SIGTERM. Not by Process.destroy, which also closes the pipe of its output. */
    public void terminate() {
        process.toHandle().destroy();
    }

    /** Ends it with SIGTERM and checks that it exits with 0 and leaves nothing behind. */
    @Override public void close() {
        if (process.isAlive()) {
            terminate();
            try {
                assertThat(process.waitFor(30, TimeUnit.SECONDS))
                    .as("it ends: " + output())
                    .isTrue();
            } catch (InterruptedException e) {
                throw new IllegalStateException(e);
            }
            assertThat(process.exitValue()).as(output()).isZero();
        }
        assertThat(processesWith("LLMSNAP_RUN=" + process.pid() + "-"))
            .as("processes left behind")
            .isEmpty();
        assertThat(output()).doesNotContain("Exception").doesNotContain("\tat ");
    }

    /** Runs the jar to its end. @return exit status, then what it printed */
    public static String run(String java, String... flags)
        throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of(java, "-jar", JAR.toString()));
        command.addAll(List.of(flags));
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        StringBuilder text = new StringBuilder();
        try (BufferedReader reader =
            new BufferedReader(
                new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8))) {
            for (String line; (line = reader.readLine()) != null; ) text.append(line).append('\n');
        }
        assertThat(process.waitFor(30, TimeUnit.SECONDS)).isTrue();
        return process.exitValue() + " " + text;
    }
}
