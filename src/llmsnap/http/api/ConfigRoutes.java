package llmsnap.http.api;

import static java.nio.charset.StandardCharsets.UTF_8;

import llmsnap.http.proxy.Body;
import llmsnap.http.proxy.BodyReader;
import llmsnap.http.server.Exchange;
import llmsnap.http.server.Failure;
import llmsnap.text.Json;

/** The configuration: read again, shown, and edited where that is allowed. */
public record ConfigRoutes(Editor editor, BodyReader bodies) {
    private static final int MAX_BYTES = 4 << 20;

    /** The file, and what it is. */
    public interface Editor {
        /** Reads it again. @return what changed @throws Failure with the problems */
        Json.Obj now() throws Failure;

        /** Its text, and whether it may be edited; its keys are hidden where it may not. */
        Json.Obj shown() throws Failure;

        /** What would be wrong with a text, and what it would change. @throws Failure 403 */
        Json.Obj check(String text) throws Failure;

        /** Puts a text in its place, keeps the one before beside it, and reads it. */
        Json.Obj save(String text) throws Failure;
    }

    public void reload(Exchange exchange, String rest) throws Failure {
        exchange.sendJson(editor.now());
    }

    public void show(Exchange exchange, String rest) throws Failure {
        exchange.sendJson(editor.shown());
    }

    public void check(Exchange exchange, String rest) throws Failure {
        exchange.sendJson(editor.check(text(exchange)));
    }

    public void save(Exchange exchange, String rest) throws Failure {
        exchange.sendJson(editor.save(text(exchange)));
    }

    private String text(Exchange exchange) throws Failure {
        try (Body body = bodies.read(exchange)) {
            if (body.size() > MAX_BYTES) throw new Failure(413, "a configuration of over 4 MB");
            return body.size() == 0 ? "" : new String(body.bytes(), 0, (int) body.size(), UTF_8);
        }
    }
}
