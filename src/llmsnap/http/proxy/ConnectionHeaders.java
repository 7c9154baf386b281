package llmsnap.http.proxy;

import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.TreeSet;

/** Headers that belong to one connection, not to the message (RFC 9110, 7.6.1). */
final class ConnectionHeaders {
    private static final Set<String> ALWAYS = Set.of("connection", "keep-alive",
        "proxy-connection", "proxy-authenticate", "proxy-authorization", "te", "trailer",
        "transfer-encoding", "upgrade");

    private ConnectionHeaders() {}

    /** @param listed see {@link #listed} */
    static boolean has(String lower, Set<String> listed) {
        return ALWAYS.contains(lower) || listed.contains(lower);
    }

    /** The headers that a Connection header (or null) declares to belong to the connection. */
    static Set<String> listed(List<String> connection) {
        if (connection == null || connection.isEmpty()) return Set.of();
        Set<String> names = new TreeSet<>();
        for (String name : String.join(",", connection).split(",")) {
            names.add(name.strip().toLowerCase(Locale.ROOT));
        }
        return names;
    }
}
