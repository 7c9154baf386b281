package llmsnap.http.server;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;

import java.security.MessageDigest;
import java.util.Base64;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.regex.Pattern;
import llmsnap.config.Config.Entry;

/** Who may do what: keys when there are some, and always a guard against pages of other sites. */
final class Auth {
    /** What a route asks of its callers. */
    enum Access {
        /** Anybody: health, the UI's files. */
        OPEN,
        /**
         * A key, and without keys nothing: inference and listing, also for pages of other sites.
         */
        USE,
        /**
         * A key, and without keys that no page of another site asks: to change or show the server.
         */
        CONTROL
    }

    /** Ends of names that are given at home, and by no public name server. */
    private static final List<String> HOME =
        List.of(".local", ".lan", ".home", ".internal", ".ts.net", ".fritz.box");

    private static final Pattern ADDRESS = Pattern.compile(
        "\\[[0-9a-f:.]*(%25[a-z0-9]+)?]|[0-9]{1,3}(\\.[0-9]{1,3}){3}|[a-z0-9_-]*");
    private static final Pattern NAME = Pattern.compile("[a-z0-9._-]+");
    private static final Set<String> OWN_SITES = Set.of("same-origin", "same-site", "none");

    /** How a key came with a request. */
    private enum Given { NOT, HEADER, BASIC }

    private Auth() {}

    /**
     * Lets the request pass.
     *
     * @return whether it was let in by a key, which no model's server may see
     * @throws Failure 401 without a valid key, 403 for a page of another site
     */
    static boolean check(Access access, Exchange exchange, Entry entry) throws Failure {
        List<String> keys = entry.apiKeys();
        if (access == Access.OPEN) return false;
        boolean open = keys.isEmpty();
        Given given = given(exchange, keys);
        if (!open && given == Given.NOT) {
            exchange.responseHeaders().set("WWW-Authenticate", "Basic realm=\"llmsnap\"");
            throw new Failure(401,
                "a valid API key is needed: Authorization: Bearer KEY, x-api-key: KEY,"
                + " or Basic with the key as password").as("invalid_api_key", null);
        }
        // A browser sends Basic credentials along with any page's request: they say nothing of it.
        boolean anyPageCouldSendIt = open || given == Given.BASIC;
        boolean asked = access == Access.CONTROL && anyPageCouldSendIt || given == Given.BASIC;
        if (asked) checkSite(exchange);
        if (access == Access.CONTROL && open) checkHost(exchange, entry.allowedHosts());
        return given != Given.NOT;
    }

    private static Given given(Exchange exchange, List<String> keys) {
        if (isKey(latin(exchange.headerText("X-api-key")), keys)) return Given.HEADER;
        String[] words = exchange.headerText("Authorization").split(" ", 2);
        if (words.length < 2) return Given.NOT;
        boolean bearer = words[0].equalsIgnoreCase("bearer");
        if (bearer && isKey(latin(words[1]), keys)) return Given.HEADER;
        boolean basic = words[0].equalsIgnoreCase("basic");
        return basic && isKey(password(words[1].strip()), keys) ? Given.BASIC : Given.NOT;
    }

    /** The server hands headers over as Latin-1: these are the bytes that came. */
    private static byte[] latin(String header) {
        return header.strip().getBytes(ISO_8859_1);
    }

    private static byte[] password(String base64) {
        try {
            var pair = new String(Base64.getDecoder().decode(base64), ISO_8859_1);
            int colon = pair.indexOf(':');
            return colon < 0 ? new byte[0] : pair.substring(colon + 1).getBytes(ISO_8859_1);
        } catch (IllegalArgumentException e) {
            return new byte[0];
        }
    }

    /** Compares with every key, each in constant time. */
    private static boolean isKey(byte[] given, List<String> keys) {
        boolean found = false;
        for (String key : keys) found |= MessageDigest.isEqual(given, key.getBytes(UTF_8));
        return found;
    }

    private static void checkSite(Exchange exchange) throws Failure {
        String origin = exchange.header("Origin");
        String site = exchange.header("Sec-fetch-site");
        String host = hostName(exchange.headerText("Host"));
        boolean foreign = site != null ? !OWN_SITES.contains(site)
            : origin != null && !hostName(origin.replaceFirst("^.*?//", "")).equals(host);
        if (!foreign) return;
        String sandboxed = "null".equals(origin)
            ? "; one under /upstream/ may with upstream: {trusted: true} in the configuration" : "";
        throw new Failure(403, "a web page of another site may not do this; set apiKeys and send"
            + " one if it should" + sandboxed);
    }

    /** A name that leads here may have been made to by anybody (DNS rebinding). */
    private static void checkHost(Exchange exchange, List<String> allowed) throws Failure {
        String host = hostName(exchange.headerText("Host"));
        // No stranger can make a public name of these that leads here.
        boolean home = NAME.matcher(host).matches() && isNamed(host, HOME);
        if (home || ADDRESS.matcher(host).matches() || isNamed(host, allowed)) return;
        String name = Failure.shown(host);
        throw new Failure(403, "without apiKeys this server is not controlled as \"" + name
            + "\": write allowedHosts: [" + name + "] in the configuration if that is its name, or"
            + " set apiKeys");
    }

    private static String hostName(String authority) {
        int colon = authority.lastIndexOf(':');
        boolean port = colon > authority.lastIndexOf(']');
        return (port ? authority.substring(0, colon) : authority).toLowerCase(Locale.ROOT);
    }

    private static boolean isNamed(String host, List<String> names) {
        return names.stream()
            .anyMatch(name -> name.startsWith(".") ? host.endsWith(name) : host.equals(name));
    }
}
