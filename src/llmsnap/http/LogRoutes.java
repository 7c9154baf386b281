package llmsnap.http;

import java.io.IOException;
import llmsnap.config.Config.Model;
import llmsnap.observe.Log;
import llmsnap.observe.LogBuffer;
import llmsnap.swap.SwapLoop;

/** The logs over HTTP: what there is, and what comes. */
final class LogRoutes {
    private static final int HISTORY_BYTES = 100 * 1024;
    private static final int PIECE_BYTES = 64 * 1024;
    private static final long PATIENCE_MS = 60_000;

    private final SwapLoop loop;
    private final Log log;

    LogRoutes(SwapLoop loop, Log log) {
        this.loop = loop;
        this.log = log;
    }

    /** The newest lines as text; a browser is sent to the UI. */
    void tail(Exchange exchange) throws IOException {
        String accept = exchange.requestHeaders().getFirst("Accept");
        if (accept != null && accept.contains("text/html")) exchange.redirect(302, "/ui/");
        else exchange.send(200, "text/plain; charset=utf-8", log.shown().tail(HISTORY_BYTES));
    }

    /** History, then what is logged, as it is logged. {@code which}: "", "proxy", "upstream" or a model. */
    void stream(Exchange exchange, String which) throws Failure, IOException, InterruptedException {
        LogBuffer buffer = buffer(which);
        String query = exchange.rawQuery();
        boolean history = query == null || java.util.Arrays.stream(query.split("&")).noneMatch(pair -> pair.equals("no-history") || pair.startsWith("no-history="));
        LogBuffer.Reader reader = buffer.reader(history);
        exchange.endless = true;
        exchange.responseHeaders().set("Content-Type", "text/plain; charset=utf-8");
        exchange.responseHeaders().set("X-Accel-Buffering", "no");
        exchange.responseHeaders().set("X-Content-Type-Options", "nosniff");
        exchange.commit(200, -1);
        while (!exchange.method().equals("HEAD") && exchange.brokenOff() == null) {
            byte[] bytes = reader.read(PIECE_BYTES, PATIENCE_MS);
            if (bytes == null) continue;
            exchange.write(bytes, 0, bytes.length);
            exchange.flush();
        }
    }

    private LogBuffer buffer(String which) throws Failure {
        switch (which) {
            case "" -> {
                return log.shown();
            }
            case "proxy" -> {
                return log.proxy();
            }
            case "upstream" -> {
                return log.upstream();
            }
            default -> {
                Model model = loop.config().model(which);
                if (model == null && log.hasModel(which)) return log.model(which);      // it was removed; its log is there
                if (model == null) throw Inference.unknown(which, loop.config());
                return log.model(model.id());
            }
        }
    }
}
