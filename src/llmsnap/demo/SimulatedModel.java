package llmsnap.demo;

import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import llmsnap.text.Json;

/**
 * A small model server without a model: it speaks enough of the OpenAI and Anthropic APIs to show llmsnap at work, to
 * test it and to measure it, and it can misbehave. Plain sockets, so that it starts quickly and can break HTTP's rules.
 *
 * <p>Flags: {@code --port N}, {@code --name TEXT}, {@code --ready-ms N} (503 on /health until then), {@code --bind-late}
 * (not even listening until then), {@code --reply-ms N}, {@code --tokens N}, {@code --token-ms N}, {@code --exit CODE}
 * (instead of getting ready), {@code --ignore-term}, {@code --hang-health}, {@code --flood BYTES} (of log at start),
 * {@code --stop-ms N} (to exit), {@code --fail PATH} (of the sleep and wake calls), {@code --print FILE} (at start), {@code --say FILE}
 * (the text to answer with, which is streamed in pieces of eight characters), {@code --think N} (so many tokens of a chat are reasoning). Start it with {@code java -Xrs}, so that SIGTERM ends it at once, as it does a native
 * server: otherwise a JVM takes 300 ms to exit. A request may carry {@code "sim": {...}} with tokens, token_ms, reply_ms, and
 * {@code die_after}, {@code cut_after} (tokens), {@code die_once} (before the answer, unless that file is there; it is made),
 * {@code raw} (sent as the whole answer).
 */
public final class SimulatedModel {
    private static final String[] WORDS = ("this answer comes from a simulated model which counts its words and means none of them"
        + " but streams them one by one like a real one would").split(" ");

    private final Map<String, String> flags;
    private final String name;
    private final long readyAtNanos;
    private volatile String awake = "awake";
    private String said;        // what every answer says, or null for words

    private SimulatedModel(Map<String, String> flags) {
        this.flags = flags;
        this.name = flags.getOrDefault("name", "simulated");
        this.readyAtNanos = System.nanoTime() + number("ready-ms", 0) * 1_000_000L;
    }

    /** Serves until it is ended. */
    public static void main(String[] args) throws IOException, InterruptedException {
        Map<String, String> flags = new HashMap<>();
        for (int i = 0; i < args.length; i++) {
            boolean hasValue = i + 1 < args.length && !args[i + 1].startsWith("--");
            flags.put(args[i].replaceFirst("^--", ""), hasValue ? args[++i] : "");
        }
        new SimulatedModel(flags).run();
    }

    private int number(String flag, int otherwise) {
        return Integer.parseInt(flags.getOrDefault(flag, String.valueOf(otherwise)));
    }

    private void run() throws IOException, InterruptedException {
        System.out.println(name + ": loading on port " + flags.get("port"));
        for (int left = number("flood", 0); left > 0; left -= 100) System.out.println("x".repeat(99));
        if (flags.containsKey("ignore-term") || flags.containsKey("stop-ms")) {
            int stopMs = number("stop-ms", Integer.MAX_VALUE);
            Runtime.getRuntime().addShutdownHook(new Thread(() -> pause(stopMs)));
        }
        if (flags.containsKey("print")) System.out.write(Files.readAllBytes(Path.of(flags.get("print"))));
        if (flags.containsKey("say")) said = Files.readString(Path.of(flags.get("say")));
        boolean exits = flags.containsKey("exit");
        if (exits || flags.containsKey("bind-late")) pause(number("ready-ms", 0));
        if (exits) {
            System.out.println(name + ": error: simulated failure");
            System.out.flush();
            Runtime.getRuntime().halt(number("exit", 1));
        }
        try (ServerSocket listener = new ServerSocket()) {
            listener.setReuseAddress(true);
            listener.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), number("port", 8080)), 1024);
            System.out.println(name + ": listening");
            while (true) {
                Socket socket = listener.accept();
                Thread.ofVirtual().start(() -> serve(socket));
            }
        }
    }

    private static void pause(long millis) {
        try {
            Thread.sleep(millis);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** One request's head and body, of which only the first megabyte is kept. */
    private record Request(String method, String path, Map<String, String> headers, byte[] body, long length) {
        String text() {
            return new String(body, StandardCharsets.UTF_8);
        }

        Json.Obj json() {
            try {
                return length > 0 && length == body.length && Json.parse(text()) instanceof Json.Obj object ? object : Json.EMPTY;
            } catch (Json.Malformed e) {
                return Json.EMPTY;
            }
        }
    }

    private void serve(Socket socket) {
        try (socket; InputStream in = new BufferedInputStream(socket.getInputStream(), 1 << 16)) {
            socket.setTcpNoDelay(true);
            OutputStream out = socket.getOutputStream();
            for (Request request; (request = read(in)) != null; ) answer(request, out);
        } catch (IOException e) {
            // the other side is gone
        }
    }

    private static Request read(InputStream in) throws IOException {
        String line = line(in);
        if (line == null || line.isEmpty()) return null;
        String[] parts = line.split(" ");
        Map<String, String> headers = new TreeMap<>(String.CASE_INSENSITIVE_ORDER);
        for (String header; !(header = line(in)).isEmpty(); ) {
            headers.merge(header.substring(0, header.indexOf(':')), header.substring(header.indexOf(':') + 1).strip(), (a, b) -> a + ", " + b);
        }
        long length = Long.parseLong(headers.getOrDefault("Content-Length", "0"));
        byte[] body = in.readNBytes((int) Math.min(length, 1 << 20));
        in.skipNBytes(length - body.length);
        return new Request(parts[0], parts[1], headers, body, length);
    }

    private static String line(InputStream in) throws IOException {
        StringBuilder line = new StringBuilder();
        for (int c; (c = in.read()) != '\n'; ) {
            if (c < 0) return null;
            if (c != '\r') line.append((char) c);
        }
        return line.toString();
    }

    private void answer(Request request, OutputStream out) throws IOException {
        String path = request.path.replaceFirst("\\?.*", "");
        Json.Obj body = request.json();
        Json.Obj sim = body.at("sim") instanceof Json.Obj given ? given : Json.EMPTY;
        if (path.equals("/health")) {
            if (flags.containsKey("hang-health")) pause(Long.MAX_VALUE);
            boolean ready = System.nanoTime() - readyAtNanos >= 0;
            send(out, ready ? "200 OK" : "503 Service Unavailable", "application/json", ready ? "{\"status\":\"ok\"}" : "{\"error\":\"loading\"}");
            return;
        }
        System.out.println(name + ": " + request.method + " " + request.path);
        if (sim.text("raw") != null) {
            out.write(sim.text("raw").getBytes(StandardCharsets.ISO_8859_1));
            out.flush();
            throw new IOException("raw answers end the connection");
        }
        pause(number(sim, "reply_ms", number("reply-ms", 0)));
        if (sim.text("die_once") != null && new java.io.File(sim.text("die_once")).createNewFile()) Runtime.getRuntime().halt(9);
        if (!awake.equals("awake") && path.startsWith("/v1/")) {
            send(out, "500 Internal Server Error", "application/json", "{\"error\":\"the model is " + awake + "\"}");
            return;
        }
        boolean stream = body.at("stream") instanceof Json.Bool flag && flag.value();
        switch (path) {
            case "/v1/chat/completions", "/v1/completions", "/v1/messages" -> {
                if (stream) stream(path, sim, body, out);
                else send(out, "200 OK", "application/json", whole(path, sim, body).toString());
            }
            case "/v1/embeddings" -> send(out, "200 OK", "application/json", Json.obj("object", "list", "model", body.text("model"),
                "data", List.of(Json.obj("object", "embedding", "index", 0, "embedding", List.of(0.25, -0.5))),
                "usage", Json.obj("prompt_tokens", 3, "total_tokens", 3)).toString());
            case "/sleep", "/wake_up", "/collective_rpc", "/reset_prefix_cache" -> sleepCall(request, path, out);
            default -> send(out, "200 OK", "application/json", Json.obj("name", name, "method", request.method, "path", request.path,
                "headers", request.headers, "length", request.length,
                "body", request.length == request.body.length ? request.text() : "").toString());
        }
    }

    /** As vLLM does it: after level 2 the weights have to be loaded again, and the cache reset, in that order. */
    private void sleepCall(Request request, String path, OutputStream out) throws IOException {
        String next = switch (path) {
            case "/sleep" -> awake.equals("awake") ? request.path.contains("level=2") ? "asleep, empty" : "asleep" : null;
            case "/wake_up" -> awake.equals("asleep") ? "awake" : awake.equals("asleep, empty") ? "without weights" : null;
            case "/collective_rpc" -> awake.equals("without weights") && request.text().contains("reload_weights") ? "with an old cache" : null;
            default -> awake.equals("with an old cache") ? "awake" : null;
        };
        boolean fails = next == null || flags.getOrDefault("fail", "").equals(path);
        if (!fails) awake = next;
        send(out, fails ? "500 Internal Server Error" : "200 OK", "application/json", "{}");
    }

    private static int number(Json.Obj from, String key, int otherwise) {
        return from.at(key) instanceof Json.Num given ? (int) given.value() : otherwise;
    }

    private int tokens(Json.Obj sim, Json.Obj body) {
        return number(sim, "tokens", said == null ? number(body, "max_tokens", number("tokens", 20)) : (said.length() + 7) / 8);
    }

    private String word(int i) {
        if (said != null) return said.substring(i * 8, Math.min(said.length(), i * 8 + 8));
        return (i == 0 ? "" : " ") + WORDS[i % WORDS.length];
    }

    private Json.Obj whole(String path, Json.Obj sim, Json.Obj body) {
        StringBuilder text = new StringBuilder(said == null ? name + ": " : "");
        int tokens = tokens(sim, body);
        for (int i = 0; i < tokens; i++) text.append(word(i));
        Json usage = Json.obj("prompt_tokens", 7, "completion_tokens", tokens, "total_tokens", 7 + tokens);
        return switch (path) {
            case "/v1/messages" -> Json.obj("id", "msg_1", "type", "message", "role", "assistant", "model", body.text("model"),
                "content", List.of(Json.obj("type", "text", "text", text.toString())), "stop_reason", "end_turn",
                "usage", Json.obj("input_tokens", 7, "output_tokens", tokens));
            case "/v1/completions" -> Json.obj("id", "cmpl-1", "object", "text_completion", "model", body.text("model"),
                "choices", List.of(Json.obj("index", 0, "text", text.toString(), "finish_reason", "stop")), "usage", usage);
            default -> Json.obj("id", "chatcmpl-1", "object", "chat.completion", "model", body.text("model"),
                "choices", List.of(Json.obj("index", 0, "message", Json.obj("role", "assistant", "content", text.toString()),
                    "finish_reason", "stop")), "usage", usage);
        };
    }

    private void stream(String path, Json.Obj sim, Json.Obj body, OutputStream out) throws IOException {
        out.write(("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n").getBytes(StandardCharsets.US_ASCII));
        int tokens = tokens(sim, body);
        boolean messages = path.equals("/v1/messages");
        if (messages) {
            chunk(out, "event: message_start\ndata: " + Json.obj("type", "message_start", "message", Json.obj("id", "msg_1", "type", "message", "role", "assistant",
                "content", List.of(), "model", body.text("model"), "usage", Json.obj("input_tokens", 7, "output_tokens", 1))) + "\n\n");
        }
        int tokenMs = number(sim, "token_ms", number("token-ms", 0));
        for (int i = 0; i < tokens; i++) {
            if (i > 0 && tokenMs > 0) pause(tokenMs);
            if (i == number(sim, "die_after", -1)) Runtime.getRuntime().halt(9);
            if (i == number(sim, "cut_after", -1)) throw new IOException("cut");
            Json event = messages
                ? Json.obj("type", "content_block_delta", "index", 0, "delta", Json.obj("type", "text_delta", "text", word(i)))
                : path.equals("/v1/completions") ? Json.obj("choices", List.of(Json.obj("index", 0, "text", word(i))))
                : Json.obj("id", "chatcmpl-1", "object", "chat.completion.chunk", "model", body.text("model"),
                    "choices", List.of(Json.obj("index", 0, "delta", Json.obj(i < number("think", 0) ? "reasoning_content" : "content", word(i)))));
            chunk(out, (messages ? "event: content_block_delta\n" : "") + "data: " + event + "\n\n");
        }
        if (messages) {
            chunk(out, "event: message_delta\ndata: " + Json.obj("type", "message_delta", "delta", Json.obj("stop_reason", "end_turn"), "usage", Json.obj("output_tokens", tokens))
                + "\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
        } else {
            boolean counted = body.at("stream_options", "include_usage") instanceof Json.Bool wanted && wanted.value();
            chunk(out, (counted ? "data: " + Json.obj("object", "chat.completion.chunk", "choices", List.of(),
                "usage", Json.obj("prompt_tokens", 7, "completion_tokens", tokens, "total_tokens", 7 + tokens)) + "\n\n" : "") + "data: [DONE]\n\n");
        }
        out.write("0\r\n\r\n".getBytes(StandardCharsets.US_ASCII));
    }

    private static void chunk(OutputStream out, String text) throws IOException {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        byte[] head = (Integer.toHexString(bytes.length) + "\r\n").getBytes(StandardCharsets.US_ASCII);
        byte[] all = new byte[head.length + bytes.length + 2];
        System.arraycopy(head, 0, all, 0, head.length);
        System.arraycopy(bytes, 0, all, head.length, bytes.length);
        all[all.length - 2] = '\r';
        all[all.length - 1] = '\n';
        out.write(all);
    }

    private static void send(OutputStream out, String status, String type, String body) throws IOException {
        byte[] bytes = body.getBytes(StandardCharsets.UTF_8);
        byte[] head = ("HTTP/1.1 " + status + "\r\nContent-Type: " + type + "\r\nContent-Length: " + bytes.length + "\r\n\r\n").getBytes(StandardCharsets.US_ASCII);
        byte[] all = java.util.Arrays.copyOf(head, head.length + bytes.length);
        System.arraycopy(bytes, 0, all, head.length, bytes.length);
        out.write(all);
    }
}
