package llmsnap.http.proxy;

import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.function.BiConsumer;
import java.util.function.Predicate;

/** Headers that belong to one connection, not to the message (RFC 9110, 7.6.1). */
final class ConnectionHeaders {
    private static final Set<String> ALWAYS = Set.of("connection", "keep-alive",
        "proxy-connection", "proxy-authenticate", "proxy-authorization", "te", "trailer",
        "transfer-encoding", "upgrade");

    private ConnectionHeaders() {}

    /** Hands all others over, but those whose lower-case name is {@code ours}. */
    static void copy(Map<String, List<String>> from, Predicate<String> ours,
            BiConsumer<String, String> to) {
        Set<String> named = new HashSet<>();
        for (String value : from.getOrDefault("connection", List.of())) {
            for (String name : lower(value).split(",")) named.add(name.strip());
        }
        from.forEach((spelled, values) -> {
            String name = lower(spelled);
            if (ALWAYS.contains(name) || named.contains(name) || ours.test(name)) return;
            for (String value : values) to.accept(spelled, value);
        });
    }

    private static String lower(String text) {
        return text.toLowerCase(Locale.ROOT);
    }
}
