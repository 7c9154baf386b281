package llmsnap.http.api;

import llmsnap.http.proxy.Names;
import llmsnap.http.proxy.Query;
import llmsnap.http.proxy.Target;
import llmsnap.http.server.Exchange;
import llmsnap.http.server.Failure;
import llmsnap.models.ModelPool;
import llmsnap.record.Log;
import llmsnap.record.LogBuffer;

/** The logs: what there is, and what comes. */
public record LogRoutes(ModelPool pool, Names names, Log log) {
    private static final int HISTORY_BYTES = 100 * 1024;
    private static final int PIECE_BYTES = 64 * 1024;
    private static final long PATIENCE_MS = 60_000;
    private static final String TEXT = "text/plain; charset=utf-8";

    /** The newest lines as text; a browser is sent to the UI. */
    public void tail(Exchange exchange) throws Failure {
        boolean browser = exchange.headerText("Accept").contains("text/html");
        if (browser) exchange.redirect(302, "/ui/");
        else exchange.send(200, TEXT, log.shown.tail(HISTORY_BYTES));
    }

    /** History, then lines as they come. {@code which}: "", "proxy", "upstream" or a model. */
    public void stream(Exchange exchange) throws Failure, InterruptedException {
        boolean history = Query.value(exchange.rawQuery(), "no-history") == null;
        LogBuffer.Reader reader = buffer(exchange.rest()).reader(history);
        exchange.responseHeaders().set("X-Content-Type-Options", "nosniff");
        // Who connects again tells from it what it has already.
        exchange.responseHeaders().set("X-History-Bytes", String.valueOf(reader.left()));
        exchange.beginEndless(TEXT);
        while (!exchange.is("HEAD") && exchange.interruption.failure() == null) {
            byte[] bytes = reader.read(PIECE_BYTES, PATIENCE_MS);
            if (bytes == null) continue;
            exchange.write(bytes);
            exchange.flush();
        }
    }

    /** A model's own log; null when there is no such model. */
    LogBuffer ownOrNull(String model) {
        if (log.hasModel(model)) return log.model(model);
        return names.findOrNull(model) instanceof Target.Local local ? log.model(local.id()) : null;
    }

    private LogBuffer buffer(String which) throws Failure {
        return switch (which) {
            case "" -> log.shown;
            case "proxy" -> log.proxy;
            case "upstream" -> log.upstream;
            default -> {
                // One that was removed still has its log.
                boolean removed = pool.config().model(which) == null && log.hasModel(which);
                yield log.model(removed ? which : names.model(which).id());
            }
        };
    }
}
