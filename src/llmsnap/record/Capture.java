package llmsnap.record;

import java.util.List;
import java.util.Map;
import java.util.StringJoiner;
import java.util.TreeMap;
import java.util.regex.Pattern;

/**
 * What was said in one request. Nothing is copied: nobody may change bodies and headers any more.
 * Secrets are taken out when it is looked at, which is seldom.
 *
 * @param bytes the room that it takes
 */
public record Capture(long id, String rawPath, Said request, Said response, long bytes) {
    /** Names of headers and parameters have these in them when their value is nobody's business. */
    private static final Pattern SECRET =
        Pattern.compile("key|token|secret|auth|cookie|passw", Pattern.CASE_INSENSITIVE);
    private static final String REDACTED = "[REDACTED]";

    /** One side of it, as it came. */
    public record Said(Map<String, List<String>> rawHeaders, byte[] body) {
        /** Several values joined, secrets taken out. */
        public Map<String, String> headers() {
            Map<String, String> headers = new TreeMap<>(String.CASE_INSENSITIVE_ORDER);
            rawHeaders.forEach((name, values) ->
                headers.put(name, isSecret(name) ? REDACTED : String.join(", ", values)));
            return headers;
        }
    }

    private static boolean isSecret(String name) {
        return SECRET.matcher(name).find();
    }

    /** With its query, secrets taken out. */
    public String path() {
        int query = rawPath.indexOf('?');
        if (query < 0) return rawPath;
        var pairs = new StringJoiner("&", rawPath.substring(0, query + 1), "");
        for (String pair : rawPath.substring(query + 1).split("&")) {
            int equals = pair.indexOf('=');
            boolean secret = equals > 0 && isSecret(pair.substring(0, equals));
            pairs.add(secret ? pair.substring(0, equals + 1) + REDACTED : pair);
        }
        return pairs.toString();
    }
}
