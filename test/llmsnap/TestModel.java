package llmsnap;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import java.io.File;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import llmsnap.demo.SimulatedModel;
import llmsnap.text.Json;

/**
 * The simulated model as tests need it: it can misbehave.
 *
 * <p>Flags beside those of the model: {@code --bind-late} (not even listening until it is ready),
 * {@code --exit CODE} (instead of getting ready), {@code --ignore-term}, {@code --stop-ms N} (to
 * exit), {@code --hang-health}, {@code --flood BYTES} (of log at start), {@code --print FILE} (at
 * start), {@code --fail PATH} (of the sleep and wake calls), {@code --say FILE} (the text to answer
 * with, streamed in pieces of eight characters), {@code --think N} (so many pieces of a chat are
 * reasoning), {@code --reply-ms N}. In {@code "sim"} of a request: {@code die_after}, {@code
 * cut_after} (pieces), {@code die_once} (before the answer, unless that file is there; it is made),
 * {@code raw} (sent as the whole answer).
 */
public final class TestModel extends SimulatedModel {
    private static final int SAID_AT_ONCE = 8;

    private final String said;
    private volatile String awake = "awake";

    private TestModel(Map<String, String> flags) throws IOException {
        super(flags);
        this.said = flags.containsKey("say") ? Files.readString(Path.of(flags.get("say"))) : null;
    }

    public static void main(String[] args) throws IOException {
        TestModel model = new TestModel(flags(args));
        model.prepare();
        model.serve();
    }

    private void prepare() throws IOException {
        System.out.println(name + ": loading on port " + flags.get("port"));
        for (int left = number("flood", 0); left > 0; left -= 100) System.out.println(
            "x".repeat(99));
        if (flags.containsKey("ignore-term") || flags.containsKey("stop-ms")) {
            int stopMs = number("stop-ms", Integer.MAX_VALUE);
            Runtime.getRuntime().addShutdownHook(new Thread(() -> pause(stopMs)));
        }
        if (flags.containsKey("gpu-mb")) takeGpu(Path.of(flags.get("gpu-folder")));
        if (flags.containsKey("print")) System.out.write(
            Files.readAllBytes(Path.of(flags.get("print"))));
        boolean exits = flags.containsKey("exit");
        if (exits || flags.containsKey("bind-late")) pause(number("ready-ms", 0));
        if (!exits) return;
        System.out.println(name + ": error: simulated failure");
        System.out.flush();
        Runtime.getRuntime().halt(number("exit", 1));
    }

    /** Says what it takes to others; with {@code --alone} it takes no other beside it. */
    private void takeGpu(Path folder) throws IOException {
        if (flags.containsKey("alone")) {
            try (var others = Files.list(folder)) {
                if (others.anyMatch(TestModel::lives)) {
                    System.out.println("ggml_cuda: cudaMalloc failed: out of memory");
                    System.out.flush();
                    Runtime.getRuntime().halt(1);
                }
            }
        }
        String pid = String.valueOf(ProcessHandle.current().pid());
        Files.writeString(folder.resolve(pid), flags.get("gpu-mb"));
    }

    private static boolean lives(Path file) {
        long pid = Long.parseLong(file.getFileName().toString());
        return ProcessHandle.of(pid).map(ProcessHandle::isAlive).orElse(false);
    }

    @Override protected void answer(Request request, OutputStream out) throws IOException {
        String path = request.path().split("\\?")[0];
        if (path.equals("/health")) {
            if (flags.containsKey("hang-health")) pause(Long.MAX_VALUE);
            super.answer(request, out);
            return;
        }
        Json.Obj sim = request.sim();
        if (sim.text("raw") != null) {
            out.write(sim.text("raw").getBytes(ISO_8859_1));
            out.flush();
            throw new IOException("raw answers end the connection");
        }
        pause(number("reply-ms", 0));
        String once = sim.text("die_once");
        if (once != null && new File(once).createNewFile()) Runtime.getRuntime().halt(9);
        if (!awake.equals("awake") && path.startsWith("/v1/")) {
            send(out, "500 Internal Server Error", Json.obj("error", "the model is " + awake));
            return;
        }
        switch (path) {
            case "/sleep", "/wake_up", "/collective_rpc", "/reset_prefix_cache" -> {
                System.out.println(name + ": " + request.method() + " " + request.path());
                String next = flags.getOrDefault("fail", "").equals(path) ? null
                    : next(request, path);
                if (next != null) awake = next;
                send(out, next == null ? "500 Internal Server Error" : "200 OK", Json.EMPTY);
            }
            case "/slots", "/slots/0" -> slots(request, out);
            case "/v1/embeddings" -> send(out, "200 OK", Json.obj(
                "object", "list",
                "model", request.json().text("model"),
                "data", List.of(Json.obj(
                    "object", "embedding",
                    "index", 0,
                    "embedding", List.of(0.25, -0.5))),
                "usage", Json.obj("prompt_tokens", 3, "total_tokens", 3)));
            case "/v1/completions" -> complete(request, out);
            case "/v1/messages" -> message(request, out);
            case "/v1/chat/completions" -> super.answer(request, out);
            default -> echo(request, out);
        }
    }

    /** llama.cpp's slots, one of them, with a long prompt; {@code --slots} says how it fails. */
    private void slots(Request request, OutputStream out) throws IOException {
        String how = flags.getOrDefault("slots", "none");
        String action = request.path().replaceAll(".*action=", "");
        if (how.equals("none") || how.equals(action + "-fails")) {
            send(out, "501 Not Implemented", Json.obj("error", "no slots"));
            return;
        }
        if (how.equals(action + "-hangs")) pause(Long.MAX_VALUE);
        if (action.equals("/slots")) {
            String slots = "[{\"id\":0,\"n_prompt_tokens\":1000,\"is_processing\":false}]";
            out.write(("HTTP/1.1 200 OK\r\nContent-Length: " + slots.length() + "\r\n\r\n"
                + slots).getBytes(ISO_8859_1));
            return;
        }
        boolean lies = how.equals(action + "-lies");
        Path file = Path.of(flags.get("slot-save-path"), request.json().text("filename"));
        if (action.equals("save") && !lies) Files.writeString(file, "what was said");
        send(out, "200 OK", lies && action.equals("restore") ? Json.EMPTY
            : Json.obj("n_" + action + "d", 1000, "n_saved", 1000));
    }

    private void log(Request request) {
        System.out.println(name + ": " + request.method() + " " + request.path());
        pause(number(request.sim(), "reply_ms", 0));
    }

    private void echo(Request request, OutputStream out) throws IOException {
        log(request);
        send(out, "200 OK", Json.obj(
            "name", name,
            "method", request.method(),
            "path", request.path(),
            "headers", request.headers(),
            "length", request.length(),
            "body", request.length() == request.body().length ? request.text() : ""));
    }

    private void complete(Request request, OutputStream out) throws IOException {
        log(request);
        Json.Obj body = request.json();
        if (body.at("stream") == Json.TRUE) {
            stream(request, out, i -> event(completion("text_completion", body,
                Json.obj("index", 0, "text", piece(i)))), "data: [DONE]\n\n");
            return;
        }
        Json.Obj choice = Json.obj("index", 0, "text", text(request), "finish_reason", "stop");
        send(out, "200 OK", completion("text_completion", body, choice)
            .with("usage", usage(pieces(request))));
    }

    private void message(Request request, OutputStream out) throws IOException {
        log(request);
        int tokens = pieces(request);
        Json.Obj message = Json.obj(
            "id", "msg_1",
            "type", "message",
            "role", "assistant",
            "model", request.json().text("model"),
            "content", List.of());
        if (request.json().at("stream") != Json.TRUE) {
            send(out, "200 OK", message
                .with("content", List.of(Json.obj("type", "text", "text", text(request))))
                .with("stop_reason", "end_turn")
                .with("usage", Json.obj("input_tokens", PROMPT_TOKENS, "output_tokens", tokens)));
            return;
        }
        Json.Obj usage = Json.obj("input_tokens", PROMPT_TOKENS, "output_tokens", 1);
        Json.Obj start = Json.obj("type", "message_start", "message", message.with("usage", usage));
        Json.Obj last = Json.obj(
            "type", "message_delta",
            "delta", Json.obj("stop_reason", "end_turn"),
            "usage", Json.obj("output_tokens", tokens));
        stream(request, out, i -> (i == 0 ? typed(start) : "") + typed(Json.obj(
            "type", "content_block_delta",
            "index", 0,
            "delta", Json.obj("type", "text_delta", "text", piece(i)))),
            typed(last) + typed(Json.obj("type", "message_stop")));
    }

    /** An event with its type before it, as Anthropic sends them. */
    private static String typed(Json.Obj data) {
        return "event: " + data.text("type") + "\n" + event(data);
    }

    /**
     * As vLLM does it: after level 2 the weights are loaded again, and the cache reset, in that
     * order.
     */
    private String next(Request request, String path) {
        boolean level2 = request.path().contains("level=2");
        boolean reload = request.text().contains("reload_weights");
        return switch (awake + " " + path) {
            case "awake /sleep" -> level2 ? "asleep, empty" : "asleep";
            case "asleep /wake_up" -> "awake";
            case "asleep, empty /wake_up" -> "without weights";
            case "without weights /collective_rpc" -> reload ? "with an old cache" : null;
            case "with an old cache /reset_prefix_cache" -> "awake";
            default -> null;
        };
    }

    @Override protected int pieces(Request request) {
        if (said == null) return super.pieces(request);
        return number(request.sim(), "tokens", (said.length() + SAID_AT_ONCE - 1) / SAID_AT_ONCE);
    }

    @Override protected String piece(int i) {
        if (said == null) return super.piece(i);
        return said.substring(i * SAID_AT_ONCE, Math.min(said.length(), (i + 1) * SAID_AT_ONCE));
    }

    @Override protected String text(Request request) {
        return super.text(request).substring(said == null ? 0 : name.length() + 2);
    }

    @Override protected Json.Obj delta(int i) {
        String kind = i < number("think", 0) ? "reasoning_content" : "content";
        return Json.obj(kind, piece(i));
    }

    @Override protected void beforePiece(Request request, int i) throws IOException {
        super.beforePiece(request, i);
        if (i == number(request.sim(), "die_after", -1)) Runtime.getRuntime().halt(9);
        if (i == number(request.sim(), "cut_after", -1)) throw new IOException("cut");
    }
}
