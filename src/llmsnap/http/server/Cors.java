package llmsnap.http.server;

import com.sun.net.httpserver.Headers;

/** What pages of other sites are told of what they may read and send. */
public final class Cors {
    private static final String NAMES =
        "[A-Za-z0-9!#$%&'*+.^_`|~-]+(\\s*,\\s*[A-Za-z0-9!#$%&'*+.^_`|~-]+)*";

    private Cors() {}

    /** Any page may ask what it may send; what it may do is decided when it does. */
    static void answerPreflight(Exchange exchange) throws Failure {
        String asked = exchange.header("Access-Control-Request-Headers");
        boolean valid = asked != null && asked.matches(NAMES);
        String allowed = valid ? asked : "Content-Type, Authorization, Accept, X-Requested-With";
        Headers headers = exchange.responseHeaders();
        headers.set("Access-Control-Allow-Origin", "*");
        headers.set("Access-Control-Allow-Methods", "GET, POST, PUT, PATCH, DELETE, OPTIONS");
        headers.set("Access-Control-Allow-Headers", allowed);
        headers.set("Access-Control-Max-Age", "86400");
        exchange.commit(204, 0);
    }

    /** The page that asks may read the answer. */
    public static void allow(Exchange exchange) {
        String origin = exchange.header("Origin");
        if (origin != null) exchange.responseHeaders().set("Access-Control-Allow-Origin", origin);
    }
}
