package llmsnap.http;

import com.sun.net.httpserver.Headers;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.Base64;
import java.util.List;

/** Who may do what: keys when there are some, and always a guard against web pages of other sites. */
final class Auth {
    /** What a route asks of its callers. */
    enum Access {
        /** Anybody: health, the UI's files. */
        OPEN,
        /** Whoever has a key, and without keys anybody, web pages of other sites included: inference and listing. */
        USE,
        /** Whoever has a key, and without keys anybody but web pages of other sites: what changes or shows the server's state. */
        CONTROL
    }

    /** How a key came with a request. */
    private enum Given { NOT, HEADER, BASIC }

    private Auth() {}

    /**
     * Lets the request pass.
     *
     * @return whether it was let in by a key, which has to be taken off then, so that no model's server sees it
     * @throws Failure 401 without a valid key, 403 for a page of another site
     */
    static boolean check(Access access, Headers headers, List<String> keys) throws Failure {
        if (access == Access.OPEN) return false;
        Given given = keys.isEmpty() ? Given.NOT : given(headers, keys);
        if (!keys.isEmpty() && given == Given.NOT) {
            throw new Failure(401, "a valid API key is needed: Authorization: Bearer KEY, x-api-key: KEY, or Basic with the key as password",
                "invalid_api_key", null);
        }
        // A browser sends Basic credentials along with any page's request, so they prove nothing about the page.
        boolean anyPageCouldSendIt = keys.isEmpty() || given == Given.BASIC;
        if (access == Access.CONTROL && anyPageCouldSendIt) checkSite(headers, keys.isEmpty());
        return given != Given.NOT;
    }

    private static Given given(Headers headers, List<String> keys) {
        Given given = Given.NOT;
        String authorization = headers.getFirst("Authorization");
        String scheme = authorization == null ? "" : authorization.split(" ", 2)[0].toLowerCase(java.util.Locale.ROOT);
        String rest = authorization == null ? "" : authorization.substring(scheme.length()).strip();
        // The server hands headers over as Latin-1: these are the bytes that came.
        if (scheme.equals("bearer") && isKey(rest.getBytes(StandardCharsets.ISO_8859_1), keys)) given = Given.HEADER;
        String apiKey = headers.getFirst("X-api-key");
        if (apiKey != null && isKey(apiKey.strip().getBytes(StandardCharsets.ISO_8859_1), keys)) given = Given.HEADER;
        if (given == Given.NOT && scheme.equals("basic") && isKey(password(rest), keys)) given = Given.BASIC;
        return given;
    }

    private static byte[] password(String base64) {
        try {
            byte[] pair = Base64.getDecoder().decode(base64);
            int colon = 0;
            while (colon < pair.length && pair[colon] != ':') colon++;
            return colon == pair.length ? new byte[0] : java.util.Arrays.copyOfRange(pair, colon + 1, pair.length);
        } catch (IllegalArgumentException e) {
            return new byte[0];
        }
    }

    /** Compares with every key, each in constant time. */
    private static boolean isKey(byte[] given, List<String> keys) {
        boolean found = false;
        for (String key : keys) found |= MessageDigest.isEqual(given, key.getBytes(StandardCharsets.UTF_8));
        return found;
    }

    /** @param open whether there are no keys: then the name that a browser uses counts, too; a name made to lead here has no credentials to send */
    private static void checkSite(Headers headers, boolean open) throws Failure {
        String origin = headers.getFirst("Origin");
        String site = headers.getFirst("Sec-fetch-site");
        String host = hostName(headers.getFirst("Host"));
        boolean foreign = site != null ? site.equals("cross-site")
            : origin != null && !hostName(origin.substring(origin.indexOf("//") < 0 ? 0 : origin.indexOf("//") + 2)).equals(host);
        if (foreign) throw new Failure(403, "a web page of another site may not do this; set apiKeys and send one if it should");
        // A page whose name was made to lead here asks without an Origin, and over plain HTTP without Sec-Fetch-Site: it looks like any browser.
        String agent = headers.getFirst("User-agent");
        boolean rebound = site == null && (agent != null && agent.startsWith("Mozilla/") || headers.containsKey("Referer"));
        if (open && (origin != null || rebound) && !isPrivateName(host)) {
            throw new Failure(403, "a control request from a browser has to name this server by an IP address, localhost, a single-label or a "
                + ".local name, not by \"" + host + "\"; set apiKeys to use other names");
        }
    }

    private static String hostName(String authority) {
        if (authority == null) return "";
        int colon = authority.lastIndexOf(':');
        String name = colon > authority.lastIndexOf(']') ? authority.substring(0, colon) : authority;
        return name.toLowerCase(java.util.Locale.ROOT);
    }

    /** Whether no stranger can make a public name of it that leads here (DNS rebinding). */
    private static boolean isPrivateName(String host) {
        return host.startsWith("[") || host.matches("[0-9]{1,3}(\\.[0-9]{1,3}){3}") || !host.contains(".") || host.endsWith(".local");
    }
}
