import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import llmsnap.config.ConfigReader;
import llmsnap.config.Machine;
import llmsnap.models.Effect;
import llmsnap.models.Event;
import llmsnap.models.Scheduler;

/**
 * What llmsnap adds to a simulated model: every figure is measured through it and direct, in the
 * same run. CPU is that of llmsnap's process alone, from /proc. Run by benchmark.sh with the path
 * of java and a filter.
 */
class Benchmark {
    /** The simulated models are always those of the jar that was just built. */
    static final String MODELS_JAR = "build/llmsnap.jar";
    /** What is measured: another one, to compare, with -Djar=PATH. */
    static final String JAR = System.getProperty("jar", MODELS_JAR);
    static String java;
    static int nextPort = 19000;

    interface Body {
        void run() throws Exception;
    }

    /** What can be asked for by name. */
    record Part(String name, Body body) {}

    static final List<Part> PARTS = List.of(
        new Part("start", Benchmark::startAndMemory),
        new Part("swap", Benchmark::swap),
        new Part("wake", Benchmark::wake),
        new Part("thrash", Benchmark::thrash),
        new Part("stampede", Benchmark::stampede),
        new Part("latency", Benchmark::latency),
        new Part("reload", Benchmark::reload),
        new Part("load", Benchmark::load),
        new Part("stream", Benchmark::stream),
        new Part("many-streams", Benchmark::manyStreams),
        new Part("burst", Benchmark::burst),
        new Part("first-token", Benchmark::firstToken),
        new Part("hang-up", Benchmark::hangUp),
        new Part("idle", Benchmark::idle),
        new Part("large", Benchmark::large),
        new Part("insight", Benchmark::insight),
        new Part("placement", Benchmark::placement),
        new Part("prompt-cache", Benchmark::promptCache));

    /** A process that is ended by its pid. */
    record Server(Process process, int port) implements AutoCloseable {
        @Override public void close() throws Exception {
            process.toHandle().destroy();
            process.waitFor();
        }

        /** CPU seconds of the process so far. */
        double cpu() throws IOException {
            String stat = Files.readString(Path.of("/proc/" + process.pid() + "/stat"));
            String[] fields = stat.substring(stat.lastIndexOf(')') + 2).split(" ");
            return (Long.parseLong(fields[11]) + Long.parseLong(fields[12])) / 100.0;
        }

        long residentMb() throws IOException {
            for (String line : Files.readAllLines(Path.of("/proc/" + process.pid() + "/status"))) {
                if (line.startsWith("VmRSS:")) {
                    return Long.parseLong(line.replaceAll("[^0-9]", "")) / 1024;
                }
            }
            return 0;
        }
    }

    /** One keep-alive connection. */
    static final class Connection implements AutoCloseable {
        final Socket socket;
        final InputStream in;

        Connection(int port) throws IOException {
            socket = new Socket("127.0.0.1", port);
            socket.setTcpNoDelay(true);
            in = new BufferedInputStream(socket.getInputStream(), 1 << 16);
        }

        void send(String path, byte[] body) throws IOException {
            byte[] head =
                ("POST "
                                + path
                                + " HTTP/1.1\r\n"
                                + "Host: x\r\n"
                                + "Content-Type: application/json\r\n"
                                + "Content-Length: "
                                + body.length
                                + "\r\n\r\n")
                    .getBytes(StandardCharsets.US_ASCII);
            byte[] all = Arrays.copyOf(head, head.length + body.length);
            System.arraycopy(body, 0, all, head.length, body.length);
            socket.getOutputStream().write(all);
        }

        /** Reads one answer. @return when its first byte came, by nanoTime */
        long receive() throws IOException {
            in.mark(1);
            in.read();
            long first = System.nanoTime();
            in.reset();
            String status = line();
            int length = -1;
            for (String header; !(header = line()).isEmpty(); ) {
                if (header.toLowerCase().startsWith("content-length:")) {
                    length = Integer.parseInt(header.substring(15).strip());
                }
            }
            if (!status.contains(" 200")) throw new IOException(status);
            if (length >= 0) {
                in.skipNBytes(length);
            } else {
                for (int chunk; (chunk = Integer.parseInt(line(), 16)) > 0; ) {
                    in.skipNBytes(chunk + 2);
                }
                line();
            }
            return first;
        }

        long call(String path, byte[] body) throws IOException {
            send(path, body);
            return receive();
        }

        private String line() throws IOException {
            StringBuilder line = new StringBuilder();
            for (int c; (c = in.read()) != '\n'; ) {
                if (c < 0) throw new IOException("cut");
                if (c != '\r') line.append((char) c);
            }
            return line.toString();
        }

        @Override public void close() throws IOException {
            socket.close();
        }
    }

    static byte[] chat(String model, String more) {
        return ("{\"model\":\""
                        + model
                        + "\",\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]"
                        + more
                        + "}")
            .getBytes(StandardCharsets.UTF_8);
    }

    static List<String> sim(String name, int port, String... more) {
        List<String> words =
            new ArrayList<>(
                List.of(
                    java,
                    "-Xrs",
                    "-XX:TieredStopAtLevel=1",
                    "-XX:+UseSerialGC",
                    "-Xmx256m",
                    "-cp",
                    MODELS_JAR,
                    "llmsnap.demo.SimulatedModel",
                    "--port",
                    String.valueOf(port),
                    "--name",
                    name));
        words.addAll(List.of(more));
        return words;
    }

    static Server start(List<String> command) throws IOException {
        int port = Integer.parseInt(command.get(command.indexOf("--port") + 1));
        return new Server(
            new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .start(),
            port);
    }

    static Server direct(String... more) throws Exception {
        Server server = start(sim("m", nextPort++, more));
        awaitHealth(server.port);
        return server;
    }

    static Server llmsnap(String yaml) throws Exception {
        Path config = Files.createTempFile("benchmark", ".yaml");
        nextPort += 20;
        Files.writeString(
            config,
            "startPort: "
                + (nextPort - 20)
                + "\nmacros:\n  sim: '"
                + String.join(" ", sim("${MODEL_ID}", 0))
                    .replace("--port 0", "--port ${PORT}")
                + "'\n"
                + yaml);
        Process process =
            new ProcessBuilder(
                            java,
                            "-jar",
                            JAR,
                            "--config",
                            config.toString(),
                            "--listen",
                            "127.0.0.1:0")
                .redirectErrorStream(true)
                .start();
        BufferedReader out = new BufferedReader(new InputStreamReader(process.getInputStream()));
        for (String line; (line = out.readLine()) != null; ) {
            if (!line.startsWith("listening")) continue;
            Thread drain = new Thread(() -> out.lines().forEach(each -> {}));
            drain.setDaemon(true);
            drain.start();
            return new Server(process, Integer.parseInt(line.substring(line.lastIndexOf(':') + 1)));
        }
        throw new IOException("llmsnap did not start");
    }

    static void awaitHealth(int port) throws Exception {
        byte[] request =
            "GET /health HTTP/1.1\r\nHost: x\r\n\r\n".getBytes(StandardCharsets.US_ASCII);
        for (long end = System.nanoTime() + 30_000_000_000L;
            System.nanoTime() < end;
            Thread.sleep(1)) {
            try (Connection connection = new Connection(port)) {
                connection.socket.getOutputStream().write(request);
                connection.receive();
                return;
            } catch (IOException e) {
                // not yet
            }
        }
        throw new IOException("not healthy");
    }

    static double median(List<Double> values) {
        List<Double> sorted = values.stream().sorted().toList();
        return sorted.get(sorted.size() / 2);
    }

    static double ms(long fromNanos, long toNanos) {
        return (toNanos - fromNanos) / 1e6;
    }

    static void row(String what, String through, String direct, String ratio) {
        System.out.printf("| %-46s | %14s | %14s | %16s |%n", what, through, direct, ratio);
    }

    static String f(String format, Object... values) {
        return String.format(format, values);
    }

    public static void main(String[] args) throws Exception {
        java = args[0];
        System.out.println("""
            | what | through llmsnap | direct | added or ratio |
            |---|---|---|---|""");
        String filter = args.length > 1 ? args[1] : "";
        for (Part part : PARTS) {
            if (part.name.contains(filter)) part.body.run();
        }
        System.exit(0);
    }

    static void startAndMemory() throws Exception {
        List<Double> times = new ArrayList<>();
        for (int i = 0; i < 7; i++) {
            Path config = Files.createTempFile("benchmark", ".yaml");
            Files.writeString(config, "models:\n  a: {cmd: 'x ${PORT}'}\n");
            int port = nextPort++;
            long from = System.nanoTime();
            Process process =
                new ProcessBuilder(
                                java,
                                "-jar",
                                JAR,
                                "--config",
                                config.toString(),
                                "--listen",
                                "127.0.0.1:" + port)
                    .redirectErrorStream(true)
                    .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                    .start();
            awaitHealth(port);
            times.add(ms(from, System.nanoTime()));
            try (Server server = new Server(process, port)) {
                if (i < 6) continue;
                Thread.sleep(1500);
                row("resident when idle", server.residentMb() + " MB", "-", "-");
            }
        }
        row("start to the first 200 on /health", f("%.0f ms", median(times)), "-", "-");
    }

    /**
     * Request to first byte of a swap, less what the same command takes when started and asked by
     * hand.
     */
    static void swap() throws Exception {
        for (int readyMs : new int[] {0, 50, 400, 1500}) {
            List<Double> own = new ArrayList<>();
            List<Double> swapped = new ArrayList<>();
            try (Server llmsnap =
                            llmsnap(
                                "models:\n  a: {cmd: '${sim} --ready-ms "
                                    + readyMs
                                    + "'}\n  b: {cmd: '${sim} --ready-ms "
                                    + readyMs
                                    + "'}\n");
                Connection connection = new Connection(llmsnap.port)) {
                Thread.sleep(1000);
                for (int i = 0; i < 4; i++) {
                    connection.call("/v1/chat/completions", chat(i % 2 == 0 ? "a" : "b", ""));
                }
                load(llmsnap.port, 8, 5000, "b");
                for (int i = 0; i < (readyMs > 1000 ? 5 : 9); i++) {
                    long from = System.nanoTime();
                    try (Server server =
                        start(sim("m", nextPort++, "--ready-ms", String.valueOf(readyMs)))) {
                        awaitHealth(server.port);
                        try (Connection client = new Connection(server.port)) {
                            own.add(ms(from, client.call("/v1/chat/completions", chat("m", ""))));
                        }
                    }
                    from = System.nanoTime();
                    swapped.add(
                        ms(
                            from,
                            connection.call(
                                "/v1/chat/completions",
                                chat(i % 2 == 0 ? "a" : "b", ""))));
                }
            }
            row(
                "swap, model ready after " + readyMs + " ms: first byte",
                f("%.0f ms", median(swapped)),
                f("%.0f ms", median(own)),
                f("%+.0f ms", median(swapped) - median(own)));
        }
    }

    /** A request for a model that sleeps, against the wake call and the request by hand. */
    static void wake() throws Exception {
        List<Double> own = new ArrayList<>();
        List<Double> through = new ArrayList<>();
        String yaml = """
            models:
              a:
                cmd: ${sim}
                sleepMode: enable
                sleepEndpoints: [{endpoint: /sleep}]
                wakeEndpoints: [{endpoint: /wake_up}]
            """;
        try (Server direct = direct();
            Server llmsnap = llmsnap(yaml);
            Connection near = new Connection(direct.port);
            Connection far = new Connection(llmsnap.port)) {
            byte[] none = new byte[0];
            for (int i = 0; i < 200; i++) {
                near.call("/sleep", none);
                long from = System.nanoTime();
                near.call("/wake_up", none);
                own.add(ms(from, near.call("/v1/chat/completions", chat("m", ""))));
                if (i == 0) far.call("/v1/chat/completions", chat("a", ""));
                far.call("/api/models/sleep/a", none);
                from = System.nanoTime();
                through.add(ms(from, far.call("/v1/chat/completions", chat("a", ""))));
            }
        }
        double a = median(through.subList(100, 200));
        double b = median(own.subList(100, 200));
        row(
            "request for a sleeping model: first byte",
            f("%.1f ms", a),
            f("%.1f ms", b),
            f("%+.1f ms", a - b));
    }

    /**
     * The slowest of the requests that are made while the unchanged configuration is read five
     * times a second.
     */
    static void reload() throws Exception {
        try (Server direct = direct();
            Server llmsnap = llmsnap("models:\n  a: {cmd: '${sim}'}\n");
            ExecutorService pool = Executors.newCachedThreadPool()) {
            latencies(llmsnap.port, 30000);
            double[] without = latencies(llmsnap.port, 10000);
            Future<?> reloads =
                pool.submit(
                    () -> {
                        try (Connection connection = new Connection(llmsnap.port)) {
                            while (!Thread.interrupted()) {
                                connection.call("/api/reload", new byte[0]);
                                Thread.sleep(200);
                            }
                        } catch (InterruptedException e) {
                            // over
                        }
                        return null;
                    });
            double[] during = latencies(llmsnap.port, 10000);
            reloads.cancel(true);
            row(
                "slowest of 10,000 requests, reloading 5 times a second",
                f("%.1f ms", during[9999] / 1000),
                f("%.1f ms (no reload)", without[9999] / 1000),
                f("%+.1f ms", (during[9999] - without[9999]) / 1000));
        }
    }

    static void thrash() throws Exception {
        try (Server llmsnap = llmsnap("""
            models:
              a: {cmd: '${sim} --ready-ms 300'}
              b: {cmd: '${sim} --ready-ms 300'}
            """);
            ExecutorService pool = Executors.newCachedThreadPool()) {
            Thread.sleep(1000);
            String slow = ",\"sim\":{\"reply_ms\":50}";
            AtomicInteger next = new AtomicInteger();
            long from = System.nanoTime();
            List<Future<Integer>> clients = new ArrayList<>();
            for (int c = 0; c < 8; c++) {
                clients.add(
                    pool.submit(
                        () -> {
                            int errors = 0;
                            try (Connection connection = new Connection(llmsnap.port)) {
                                for (int i; (i = next.getAndIncrement()) < 60; ) {
                                    connection.call(
                                        "/v1/chat/completions",
                                        chat(i % 2 == 0 ? "a" : "b", slow));
                                }
                            } catch (IOException e) {
                                errors++;
                            }
                            return errors;
                        }));
            }
            int errors = 0;
            for (Future<Integer> client : clients) errors += client.get();
            row(
                "60 requests alternating over 2 models, 8 clients",
                f("%.1f s", ms(from, System.nanoTime()) / 1000),
                "-",
                errors + " errors");
        }
    }

    /** 50 connections at once. @return when the last answer's first byte came, by nanoTime */
    static long fifty(int port) throws Exception {
        try (ExecutorService pool = Executors.newCachedThreadPool()) {
            List<Future<Long>> clients = new ArrayList<>();
            for (int c = 0; c < 50; c++) {
                clients.add(
                    pool.submit(
                        () -> {
                            try (Connection connection = new Connection(port)) {
                                return connection.call(
                                    "/v1/chat/completions", chat("a", ""));
                            }
                        }));
            }
            long end = 0;
            for (Future<Long> client : clients) end = Math.max(end, client.get());
            return end;
        }
    }

    /** Direct: started by hand, 50 requests as soon as it is ready. */
    static void stampede() throws Exception {
        List<Double> own = new ArrayList<>();
        List<Double> last = new ArrayList<>();
        try (Server llmsnap = llmsnap("models:\n  a: {cmd: '${sim} --ready-ms 300'}\n")) {
            for (int i = 0; i < 9; i++) {
                long from = System.nanoTime();
                try (Server server = start(sim("m", nextPort++, "--ready-ms", "300"))) {
                    awaitHealth(server.port);
                    own.add(ms(from, fifty(server.port)));
                }
                load(llmsnap.port, 32, i == 0 ? 8000 : 500);
                try (Socket socket = new Socket("127.0.0.1", llmsnap.port)) {
                    socket.getOutputStream()
                        .write(
                            "GET /unload HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
                                .getBytes(StandardCharsets.US_ASCII));
                    socket.getInputStream().readAllBytes();
                }
                from = System.nanoTime();
                last.add(ms(from, fifty(llmsnap.port)));
            }
        }
        row(
            "50 at once for one cold model: the last answer",
            f("%.0f ms", median(last)),
            f("%.0f ms", median(own)),
            f("%+.0f ms", median(last) - median(own)));
    }

    static double[] latencies(int port, int count) throws IOException {
        double[] times = new double[count];
        byte[] body = chat("a", ",\"max_tokens\":5");
        try (Connection connection = new Connection(port)) {
            for (int i = 0; i < count; i++) {
                long from = System.nanoTime();
                times[i] = ms(from, connection.call("/v1/chat/completions", body)) * 1000;
            }
        }
        Arrays.sort(times);
        return times;
    }

    static void latency() throws Exception {
        try (Server direct = direct();
            Server llmsnap = llmsnap("models:\n  a: {cmd: '${sim}'}\n")) {
            latencies(direct.port, 5000);
            latencies(llmsnap.port, 40000);
            double[] without = latencies(direct.port, 5000);
            double cpu = llmsnap.cpu();
            double[] through = latencies(llmsnap.port, 5000);
            row(
                "one connection, small JSON: CPU of llmsnap per request",
                f("%.0f us", (llmsnap.cpu() - cpu) / 5000 * 1e6),
                "-",
                "-");
            row(
                "one connection, small JSON: median latency",
                f("%.0f us", through[2500]),
                f("%.0f us", without[2500]),
                f("%+.0f us", through[2500] - without[2500]));
            row(
                "  the same, 99th percentile",
                f("%.0f us", through[4950]),
                f("%.0f us", without[4950]),
                f("%+.0f us", through[4950] - without[4950]));
        }
    }

    /** Requests per second over {@code connections} for {@code millis}. */
    static long load(int port, int connections, long millis) throws Exception {
        return load(port, connections, millis, "a");
    }

    static long load(int port, int connections, long millis, String model) throws Exception {
        byte[] body = chat(model, ",\"max_tokens\":5");
        long end = System.nanoTime() + millis * 1_000_000;
        try (ExecutorService pool = Executors.newCachedThreadPool()) {
            List<Future<Long>> clients = new ArrayList<>();
            for (int c = 0; c < connections; c++) {
                clients.add(
                    pool.submit(
                        () -> {
                            long done = 0;
                            try (Connection connection = new Connection(port)) {
                                for (; System.nanoTime() < end; done++) {
                                    connection.call("/v1/chat/completions", body);
                                }
                            }
                            return done;
                        }));
            }
            long done = 0;
            for (Future<Long> client : clients) done += client.get();
            return done;
        }
    }

    static void load() throws Exception {
        try (Server direct = direct();
            Server llmsnap = llmsnap("models:\n  a: {cmd: '${sim}'}\n")) {
            load(direct.port, 32, 2000);
            load(llmsnap.port, 32, 15000);
            long without = load(direct.port, 32, 4000) / 4;
            double cpu = llmsnap.cpu();
            long done = load(llmsnap.port, 32, 6000);
            row(
                "32 connections, small JSON: requests/s",
                String.valueOf(done / 6),
                String.valueOf(without),
                f("%.2f", done / 6.0 / without));
            row(
                "  CPU of llmsnap per request",
                f("%.0f us", (llmsnap.cpu() - cpu) / done * 1e6),
                "-",
                "-");
            long busyMb = llmsnap.residentMb();
            Thread.sleep(4000);
            row(
                "  resident under that load, and 4 s after it",
                busyMb + ", " + llmsnap.residentMb() + " MB",
                "-",
                "-");
        }
    }

    static void stream() throws Exception {
        try (Server llmsnap = llmsnap("models:\n  a: {cmd: '${sim}'}\n")) {
            for (int round = 0; round < 3; round++) cpuPerToken(llmsnap);
            row(
                "64 streams of 200 tokens/s: CPU per token",
                f("%.1f us", cpuPerToken(llmsnap)),
                "-",
                "-");
        }
    }

    static void manyStreams() throws Exception {
        try (Server llmsnap = llmsnap("models:\n  a: {cmd: '${sim}', concurrencyLimit: 600}\n")) {
            for (int round = 0; round < 3; round++) cpuPerToken(llmsnap, 500, 200, 50);
            row("500 streams of 20 tokens/s: CPU per token",
                f("%.1f us", cpuPerToken(llmsnap, 500, 200, 50)), "-", "-");
        }
    }

    /** One stream of 32 MB of events, written as fast as a socket takes them. */
    static void burst() throws Exception {
        byte[] events = ("data: {\"id\":\"chatcmpl-5f0a\",\"object\":\"chat.completion.chunk\","
            + "\"created\":1700000000,\"model\":\"a\",\"choices\":[{\"index\":0,\"delta\":"
            + "{\"content\":\" word\"},\"logprobs\":null,\"finish_reason\":null}]}\n\n")
            .repeat(80).getBytes(StandardCharsets.US_ASCII);
        int pieces = (32 << 20) / events.length;
        double mb = events.length * (double) pieces / (1 << 20);
        try (var listener = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
                Server llmsnap = llmsnap("peers:\n  p: {models: [a], proxy: 'http://127.0.0.1:"
                    + listener.getLocalPort() + "'}\n");
                Connection connection = new Connection(llmsnap.port)) {
            Thread.ofPlatform().daemon().start(() -> writeEvents(listener, events, pieces));
            byte[] body = "{\"model\":\"a\",\"stream\":true}".getBytes();
            for (int i = 0; i < 10; i++) connection.call("/v1/chat/completions", body);
            double cpu = llmsnap.cpu();
            long start = System.nanoTime();
            for (int i = 0; i < 10; i++) connection.call("/v1/chat/completions", body);
            double each = ms(start, System.nanoTime()) / 10;
            row("one stream of 32 MB without a pause: MB/s",
                f("%.0f", mb / each * 1000), "-", "-");
            row("  CPU of llmsnap per MB",
                f("%.2f ms", (llmsnap.cpu() - cpu) * 1000 / 10 / mb), "-", "-");
        }
    }

    /** Answers every request with that many chunks. */
    static void writeEvents(ServerSocket listener, byte[] events, int pieces) {
        byte[] before = (Integer.toHexString(events.length) + "\r\n").getBytes();
        while (true) {
            try (Socket socket = listener.accept()) {
                while (socket.getInputStream().read() != '}') continue;     // the body's end
                var out = new BufferedOutputStream(socket.getOutputStream(), 1 << 16);
                out.write(("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                    + "Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n").getBytes());
                for (int i = 0; i < pieces; i++) {
                    out.write(before);
                    out.write(events);
                    out.write("\r\n".getBytes());
                }
                out.write("0\r\n\r\n".getBytes());
                out.flush();
            } catch (IOException e) {
                if (listener.isClosed()) return;
            }
        }
    }

    /** Until the first byte of each of 64 streams that begin together, beside as many. */
    static void firstToken() throws Exception {
        try (Server llmsnap = llmsnap("models:\n  a: {cmd: '${sim}', concurrencyLimit: 200}\n")) {
            List<Double> first = new ArrayList<>();
            for (int round = 0; round < 12; round++) {
                List<Double> times = new ArrayList<>();
                try (ExecutorService pool = Executors.newCachedThreadPool()) {
                    List<Future<Double>> clients = new ArrayList<>();
                    for (int c = 0; c < 64; c++) {
                        clients.add(pool.submit(() -> {
                            try (Connection connection = new Connection(llmsnap.port)) {
                                long start = System.nanoTime();
                                return ms(start, connection.call("/v1/chat/completions",
                                    chat("a", ",\"stream\":true,\"sim\":{\"tokens\":40,"
                                        + "\"token_ms\":5}")));
                            }
                        }));
                    }
                    for (Future<Double> client : clients) times.add(client.get());
                }
                if (round > 3) first.add(median(times));
            }
            row("64 new streams at once: first token",
                f("%.1f ms", median(first)), "-", "-");
        }
    }

    /** From a client's end to the moment that its request is not in flight any more. */
    static void hangUp() throws Exception {
        try (Server llmsnap = llmsnap("models:\n  a: {cmd: '${sim}'}\n");
                Connection look = new Connection(llmsnap.port)) {
            look.call("/v1/chat/completions", chat("a", ""));
            List<Double> times = new ArrayList<>();
            for (int i = 0; i < 15; i++) {
                Connection leaves = new Connection(llmsnap.port);
                leaves.send("/v1/chat/completions", chat("a", ",\"sim\":{\"reply_ms\":20000}"));
                while (inFlight(llmsnap) == 0) Thread.sleep(1);
                Thread.sleep(500);
                long start = System.nanoTime();
                leaves.close();
                while (inFlight(llmsnap) > 0) Thread.sleep(0, 300_000);
                times.add(ms(start, System.nanoTime()));
            }
            row("a client hangs up: seen after", f("%.1f ms", median(times)), "-", "-");
        }
    }

    static int inFlight(Server llmsnap) throws IOException {
        try (Socket socket = new Socket("127.0.0.1", llmsnap.port)) {
            socket.getOutputStream().write(("GET /api/explain?model=a HTTP/1.1\r\nHost: x\r\n"
                + "Connection: close\r\n\r\n").getBytes(StandardCharsets.US_ASCII));
            String answer = new String(socket.getInputStream().readAllBytes());
            return Integer.parseInt(answer.replaceFirst("(?s).*\"in_flight\":([0-9]+).*", "$1"));
        }
    }

    /** A loaded model, a reader of events, and nothing to do, after half a minute. */
    static void idle() throws Exception {
        try (Server llmsnap = llmsnap("models:\n  a: {cmd: '${sim}'}\n");
                Connection connection = new Connection(llmsnap.port);
                Socket events = new Socket("127.0.0.1", llmsnap.port)) {
            connection.call("/v1/chat/completions", chat("a", ""));
            events.getOutputStream().write("GET /api/events HTTP/1.1\r\nHost: x\r\n\r\n"
                .getBytes(StandardCharsets.US_ASCII));
            Thread.sleep(30_000);
            double cpu = llmsnap.cpu();
            Thread.sleep(20_000);
            row("idle, a reader of events: CPU per second",
                f("%.1f ms", (llmsnap.cpu() - cpu) / 20 * 1000), "-", "-");
        }
    }

    static double cpuPerToken(Server llmsnap) throws Exception {
        return cpuPerToken(llmsnap, 64, 1000, 5);
    }

    /** CPU of llmsnap for each of the tokens of that many streams, in microseconds. */
    static double cpuPerToken(Server llmsnap, int streams, int tokens, int tokenMs)
            throws Exception {
        double cpu = llmsnap.cpu();
        try (ExecutorService pool = Executors.newCachedThreadPool()) {
            List<Future<Long>> clients = new ArrayList<>();
            for (int c = 0; c < streams; c++) {
                clients.add(
                    pool.submit(
                        () -> {
                            try (Connection connection = new Connection(llmsnap.port)) {
                                return connection.call(
                                    "/v1/chat/completions",
                                    chat(
                                        "a",
                                        ",\"stream\":true,\"sim\":{\"tokens\":"
                                            + tokens
                                            + ",\"token_ms\":" + tokenMs + "}"));
                            }
                        }));
            }
            for (Future<Long> client : clients) client.get();
        }
        return (llmsnap.cpu() - cpu) / streams / tokens * 1e6;
    }

    static double cpuPerRequest(Server llmsnap) throws Exception {
        double cpu = llmsnap.cpu();
        long done = load(llmsnap.port, 32, 4000);
        return (llmsnap.cpu() - cpu) / done * 1e6;
    }

    /**
     * What it costs to be seen: captures on and a reader of /api/events, against captures off and
     * nobody. In turn, since the machine drifts.
     */
    /**
     * Swapping back to a real llama-server with a long prompt, kept and not kept; MODEL names a
     * GGUF, and llama-server has to be on the PATH.
     */
    static void promptCache() throws Exception {
        String model = System.getenv().getOrDefault("MODEL", "/opt/tiny-models/alpha.gguf");
        if (!Files.exists(Path.of(model))) return;
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < 400; i++) text.append("word ").append(i).append(' ');
        byte[] prompt = ("{\"model\":\"a\",\"max_tokens\":1,\"messages\":[{\"role\":\"user\","
            + "\"content\":\"" + text + "\"}]}").getBytes(StandardCharsets.UTF_8);
        byte[] other = "{\"model\":\"b\",\"max_tokens\":1,\"messages\":[{\"role\":\"user\","
            .concat("\"content\":\"hello\"}]}").getBytes(StandardCharsets.UTF_8);
        Path dir = Files.createTempDirectory("llmsnap-bench");
        String cmd = "llama-server --port ${PORT} -c 8192 --parallel 1 -m " + model;
        double[] millis = new double[2];
        for (int kept = 0; kept < 2; kept++) {
            String a = kept == 0 ? "{cmd: '" + cmd + "'}"
                : "{keepPromptCache: true, cmd: '" + cmd + " --slot-save-path ${CACHE_DIR}'}";
            List<Double> rounds = new ArrayList<>();
            try (Server server = llmsnap("promptCache: {dir: " + dir + "}\nmodels:\n  a: " + a
                    + "\n  b: {cmd: '" + cmd + "'}\n");
                Connection connection = new Connection(server.port)) {
                String path = "/v1/chat/completions";
                connection.call(path, prompt);
                for (int round = 0; round < 5; round++) {
                    connection.call(path, other);
                    long before = System.nanoTime();
                    connection.call(path, prompt);
                    rounds.add((System.nanoTime() - before) / 1e6);
                }
            }
            millis[kept] = median(rounds);
        }
        row("swap back to 4,000 tokens: kept, not kept", f("%.0f ms", millis[1]),
            f("%.0f ms", millis[0]), f("%.2f", millis[1] / millis[0]));
    }

    /** Who goes, of 20 loaded models among 300: the scheduler alone, in this process. */
    static void placement() throws Exception {
        var yaml = new StringBuilder("memory: {p: 20GB}\nmemoryReserve: 0\nmodels:\n");
        for (int i = 0; i < 300; i++) {
            yaml.append("  m" + i + ": {cmd: x" + i + ", proxy: 'http://h', memory: 1GB}\n");
        }
        var config = ConfigReader.read(List.of(
                new ConfigReader.Text("", yaml.toString().getBytes(StandardCharsets.UTF_8))),
            name -> null, Map.of(), Machine.NONE).config();
        var scheduler = new Scheduler(config);
        List<Double> micros = new ArrayList<>();
        for (int i = 0; i < 30_000; i++) {
            String id = "m" + i % 300;
            int run = i / 300 + 1;
            long before = System.nanoTime();
            List<Effect> effects = scheduler.on(new Event.Request(id, i, 0, true),
                i * 1000L);
            if (i > 20_000) micros.add((System.nanoTime() - before) / 1000.0);
            for (Effect effect : effects) {
                if (!(effect instanceof Effect.Stop stop)) continue;
                scheduler.on(new Event.Gone(stop.model().id(), stop.run()), i * 1000L);
            }
            scheduler.on(new Event.Ready(id, run), i * 1000L);
            scheduler.on(new Event.Release(id, i), i * 1000L + 1);
        }
        row("who goes, of 20 loaded among 300", f("%.0f us", median(micros)), "-", "-");
    }

    static void insight() throws Exception {
        String models = "models:\n  a: {cmd: '${sim}'}\n";
        try (Server off = llmsnap("captureBuffer: 0\n" + models);
            Server on = llmsnap(models);
            Socket events = new Socket("127.0.0.1", on.port)) {
            events.getOutputStream()
                .write(
                    "GET /api/events HTTP/1.1\r\nHost: x\r\n\r\n"
                        .getBytes(StandardCharsets.US_ASCII));
            Thread reader =
                new Thread(
                    () -> {
                        try {
                            events.getInputStream()
                                .transferTo(OutputStream.nullOutputStream());
                        } catch (IOException e) {
                            // over
                        }
                    });
            reader.setDaemon(true);
            reader.start();
            for (Server server : List.of(off, on)) load(server.port, 32, 15000);
            List<Double> ratios = new ArrayList<>();
            List<Double> seen = new ArrayList<>();
            List<Double> unseen = new ArrayList<>();
            for (int round = 0; round < 7; round++) {
                pair(ratios, seen, cpuPerRequest(on), unseen, cpuPerRequest(off));
            }
            row(
                "captures and a reader of events: CPU per request",
                f("%.0f us", median(seen)),
                f("%.0f us (without)", median(unseen)),
                f("%.2f", median(ratios)));
            for (Server server : List.of(off, on)) cpuPerToken(server);
            ratios.clear();
            seen.clear();
            unseen.clear();
            for (int round = 0; round < 7; round++) {
                pair(ratios, seen, cpuPerToken(on), unseen, cpuPerToken(off));
            }
            row(
                "captures and a reader of events: CPU per token",
                f("%.1f us", median(seen)),
                f("%.1f us (without)", median(unseen)),
                f("%.2f", median(ratios)));
        }
    }

    static void pair(List<Double> ratios, List<Double> as, double a, List<Double> bs, double b) {
        as.add(a);
        bs.add(b);
        ratios.add(a / b);
    }

    static void large() throws Exception {
        String text = ",\"text\":\"" + "lorem ipsum dolor \\n".repeat((8 << 20) / 20) + "\"";
        byte[] first = ("{\"model\":\"a\"" + text + "}").getBytes(StandardCharsets.UTF_8);
        byte[] last = ("{\"x\":1" + text + ",\"model\":\"a\"}").getBytes(StandardCharsets.UTF_8);
        try (Server direct = direct();
            Server llmsnap = llmsnap("""
                models:
                  a: {cmd: '${sim}', useModelName: other}
                """)) {
            for (byte[] body : List.of(first, last)) {
                List<Double> without = new ArrayList<>();
                List<Double> through = new ArrayList<>();
                try (Connection near = new Connection(direct.port);
                    Connection far = new Connection(llmsnap.port)) {
                    for (int i = 0; i < 30; i++) {
                        long from = System.nanoTime();
                        without.add(ms(from, near.call("/v1/rerank", body)));
                        from = System.nanoTime();
                        through.add(ms(from, far.call("/v1/rerank", body)));
                    }
                }
                double a = median(through.subList(10, 30));
                double b = median(without.subList(10, 30));
                row(
                    "8 MB body, model " + (body == first ? "first" : "last") + ", renamed",
                    f("%.1f ms", a),
                    f("%.1f ms", b),
                    f("%+.1f ms", a - b));
            }
        }
    }
}
