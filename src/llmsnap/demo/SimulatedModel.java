package llmsnap.demo;

import static java.nio.charset.StandardCharsets.UTF_8;
import static llmsnap.text.Json.obj;

import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.IntFunction;
import llmsnap.text.Json;
import llmsnap.text.Malformed;

/**
 * A small model server without a model: it speaks enough of the OpenAI API to show llmsnap at
 * work, to test it and to measure it. Plain sockets, so that it starts quickly; tests
 * extend it to misbehave.
 *
 * <p>Flags: {@code --port N}, {@code --name TEXT}, {@code --ready-ms N} (503 on /health until
 * then), {@code --tokens N}, {@code --token-ms N}, {@code --take-mb N} of memory. A request may
 * carry {@code "sim": {...}} with tokens, token_ms and reply_ms. Start it with {@code java -Xrs},
 * so that SIGTERM ends it at once, as it does a native server: otherwise a JVM takes 300 ms.
 */
public class SimulatedModel {
    private static final String[] WORDS =
        ("this answer comes from a simulated model which counts its"
        + " words and means none of them but streams them one by one like a real one would")
        .split(" ");
    protected static final int PROMPT_TOKENS = 7;
    private static final int MAX_KEPT_BYTES = 1 << 20;

    /** One request; of its body only the first megabyte is kept. */
    public record Request(String method, String path, Map<String, String> headers, byte[] body,
            long length) {
        public String text() {
            return new String(body, UTF_8);
        }

        /** What it asks for; empty when that is no JSON object. */
        public Json.Obj json() {
            try {
                boolean whole = length == body.length;
                return whole && Json.parse(text()) instanceof Json.Obj object ? object : Json.EMPTY;
            } catch (Malformed e) {
                return Json.EMPTY;
            }
        }

        /** What it asks of the simulation. */
        public Json.Obj sim() {
            return json().at("sim") instanceof Json.Obj sim ? sim : Json.EMPTY;
        }
    }

    protected final Map<String, String> flags;
    protected final String name;
    private final long readyAtNanos;
    private final byte[] taken;     // and written to, or the kernel gives it only then

    protected SimulatedModel(Map<String, String> flags) {
        this.flags = flags;
        this.name = flags.getOrDefault("name", "simulated");
        this.taken = new byte[number("take-mb", 0) << 20];
        Arrays.fill(taken, (byte) 1);
        this.readyAtNanos = System.nanoTime() + number("ready-ms", 0) * 1_000_000L;
    }

    /** Serves until it is ended. */
    public static void main(String[] args) throws IOException {
        new SimulatedModel(flags(args)).serve();
    }

    /** {@code --name value} pairs; "" where there is no value. */
    protected static Map<String, String> flags(String[] args) {
        Map<String, String> flags = new HashMap<>();
        for (int i = 0; i < args.length; i++) {
            boolean hasValue = i + 1 < args.length && !args[i + 1].startsWith("--");
            flags.put(args[i].substring(2), hasValue ? args[++i] : "");
        }
        return flags;
    }

    protected final int number(String flag, int otherwise) {
        return Integer.parseInt(flags.getOrDefault(flag, String.valueOf(otherwise)));
    }

    protected static int number(Json.Obj from, String key, int otherwise) {
        return from.at(key) instanceof Json.Num given ? (int) given.value() : otherwise;
    }

    protected static void pause(long millis) {
        try {
            Thread.sleep(millis);
        } catch (InterruptedException e) {
            // nobody interrupts it
        }
    }

    /** Listens, and answers for ever. */
    protected final void serve() throws IOException {
        InetAddress local = InetAddress.getLoopbackAddress();
        try (var listener = new ServerSocket()) {
            listener.setReuseAddress(true);
            listener.bind(new InetSocketAddress(local, number("port", 8080)), 1024);
            System.out.println(name + ": listening");
            while (true) {
                Socket socket = listener.accept();
                Thread.ofVirtual().start(() -> serve(socket));
            }
        }
    }

    private void serve(Socket socket) {
        try (socket; InputStream in = new BufferedInputStream(socket.getInputStream(), 1 << 16)) {
            socket.setTcpNoDelay(true);
            for (Request request; (request = read(in)) != null; ) {
                answer(request, socket.getOutputStream());
            }
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
            int colon = header.indexOf(':');
            String value = header.substring(colon + 1).strip();
            headers.merge(header.substring(0, colon), value, (a, b) -> a + ", " + b);
        }
        long length = Long.parseLong(headers.getOrDefault("Content-Length", "0"));
        byte[] body = in.readNBytes((int) Math.min(length, MAX_KEPT_BYTES));
        in.skipNBytes(length - body.length);
        return new Request(parts[0], parts[1], headers, body, length);
    }

    private static String line(InputStream in) throws IOException {
        var line = new StringBuilder();
        for (int c; (c = in.read()) != '\n'; ) {
            if (c < 0) return null;
            if (c != '\r') line.append((char) c);
        }
        return line.toString();
    }

    /** Answers one request. @throws IOException to end the connection */
    protected void answer(Request request, OutputStream out) throws IOException {
        String path = request.path.split("\\?")[0];
        if (path.equals("/health")) {
            if (System.nanoTime() - readyAtNanos >= 0) send(out, "200 OK", obj("status", "ok"));
            else send(out, "503 Service Unavailable", obj("error", "loading"));
            return;
        }
        System.out.println(name + ": " + request.method + " " + request.path);
        pause(number(request.sim(), "reply_ms", 0));
        Json.Obj body = request.json();
        if (!path.equals("/v1/chat/completions")) {
            send(out, "200 OK", obj("name", name));
        } else if (body.at("stream") == Json.TRUE) {
            boolean counted = body.at("stream_options", "include_usage") == Json.TRUE;
            Json.Obj usage = obj("choices", List.of(), "usage", usage(pieces(request)));
            String end = (counted ? "data: " + usage + "\n\n" : "") + "data: [DONE]\n\n";
            stream(request, out, i -> event(completion("chat.completion.chunk", body,
                obj("index", 0, "delta", delta(i)))), end);
        } else {
            Json.Obj choice = obj(
                "index", 0,
                "message", obj("role", "assistant", "content", text(request)),
                "finish_reason", "stop");
            send(out, "200 OK", completion("chat.completion", body, choice)
                .with("usage", usage(pieces(request))));
        }
    }

    // ---- what it says

    /** How many pieces the answer has. */
    protected int pieces(Request request) {
        int asked = number(request.json(), "max_tokens", number("tokens", 20));
        return number(request.sim(), "tokens", asked);
    }

    /** One piece of the answer. */
    protected String piece(int i) {
        return (i == 0 ? "" : " ") + WORDS[i % WORDS.length];
    }

    /** A piece of a stream is about to be sent. @throws IOException to break the stream off */
    protected void beforePiece(Request request, int i) throws IOException {
        int tokenMs = number(request.sim(), "token_ms", number("token-ms", 0));
        if (i > 0 && tokenMs > 0) pause(tokenMs);
    }

    /** What the answer takes. */
    protected static Json.Obj usage(int tokens) {
        return obj(
            "prompt_tokens", PROMPT_TOKENS,
            "completion_tokens", tokens,
            "total_tokens", PROMPT_TOKENS + tokens);
    }

    /** All of an answer that is not streamed. */
    protected String text(Request request) {
        var text = new StringBuilder(name + ": ");
        for (int i = 0; i < pieces(request); i++) text.append(piece(i));
        return text.toString();
    }

    /** An answer in OpenAI's form, or a piece of one. */
    protected static Json.Obj completion(String object, Json.Obj request, Json.Obj choice) {
        return obj(
            "id", "chatcmpl-1",
            "object", object,
            "model", request.text("model"),
            "choices", List.of(choice));
    }

    /** What a piece adds to a chat. */
    protected Json.Obj delta(int i) {
        return obj("content", piece(i));
    }

    /** An event of a stream. */
    protected static String event(Json.Obj data) {
        return "data: " + data + "\n\n";
    }

    /** Answers with an event stream: the text for each piece, and what ends it. */
    protected final void stream(Request request, OutputStream out, IntFunction<String> piece,
            String end) throws IOException {
        out.write(("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
            + "Transfer-Encoding: chunked\r\n\r\n").getBytes(UTF_8));
        for (int i = 0; i < pieces(request); i++) {
            beforePiece(request, i);
            chunk(out, piece.apply(i));
        }
        chunk(out, end);
        out.write("0\r\n\r\n".getBytes(UTF_8));
    }

    private static void chunk(OutputStream out, String text) throws IOException {
        String length = Integer.toHexString(text.getBytes(UTF_8).length);
        out.write((length + "\r\n" + text + "\r\n").getBytes(UTF_8));
    }

    /** In one piece: what is measured is llmsnap, not the kernel. */
    protected static void send(OutputStream out, String status, Json body) throws IOException {
        String text = body.toString();
        out.write(("HTTP/1.1 " + status + "\r\nContent-Type: application/json\r\nContent-Length: "
            + text.getBytes(UTF_8).length + "\r\n\r\n" + text).getBytes(UTF_8));
    }
}
