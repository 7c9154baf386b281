package llmsnap.http.proxy;

import java.net.http.HttpRequest.BodyPublisher;
import java.util.function.Supplier;

/**
 * A request as it goes on to a model.
 *
 * @param path with query, as its server is to see it
 * @param asked the body as it came, for the capture; null when it is not at hand
 * @param body as it is sent; asked for once for each try
 */
record Outgoing(Target to, String path, Kind kind, Body asked, Supplier<BodyPublisher> body) {
    /** How it may be treated. */
    enum Kind {
        /** It must not run twice. */
        ONCE,
        /** It may be tried again when no answer came. */
        REPEATABLE,
        /** It wants to go on as a WebSocket. */
        UPGRADE,
        /** Repeatable, and answered by an event stream, which a client may be kept waiting with. */
        STREAM
    }
}
