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
import llmsnap.config.Config.Key;
import llmsnap.http.server.Routes.Access;

/** Who may do what: keys when there are some, and always a guard against pages of other sites. */
final class Auth {
    /** Ends of names that are given at home, and by no public name server. */
    private static final List<String> HOME =
        List.of(".local", ".lan", ".home", ".internal", ".ts.net", ".fritz.box");

    private static final Pattern ADDRESS = Pattern.compile(
        "\\[[0-9a-f:.]*(%25[a-z0-9]+)?]|[0-9]{1,3}(\\.[0-9]{1,3}){3}|[a-z0-9_-]*");
    private static final Pattern NAME = Pattern.compile("[a-z0-9._-]+");
    /** Another port of this host is another site: there may be a model's own server. */
    private static final Set<String> OWN_SITES = Set.of("same-origin", "none");

    /** A key that came with a request, and how. */
    private record Given(Key key, boolean basic) {
        static final Given NOTHING = new Given(null, false);
    }

    private Auth() {}

    /**
     * Lets the request pass.
     *
     * @return the key that let it in, which no model's server may see; null for none
     * @throws Failure 401 without a valid key, 403 for a page of another site
     */
    static Key check(Access access, Exchange exchange, Entry entry) throws Failure {
        List<Key> keys = entry.apiKeys();
        if (access == Access.OPEN) return null;
        boolean open = keys.isEmpty();
        Given given = given(exchange, keys);
        if (!open && given.key == null) {
            exchange.responseHeaders().set("WWW-Authenticate", "Basic realm=\"llmsnap\"");
            throw new Failure(401,
                "a valid API key is needed: Authorization: Bearer KEY, x-api-key: KEY,"
                + " or Basic with the key as password").as("invalid_api_key", null);
        }
        // A browser sends Basic credentials along with any page's request: they say nothing of it.
        boolean anyPageCouldSendIt = open || given.basic;
        boolean asked = access == Access.CONTROL && anyPageCouldSendIt || given.basic;
        if (asked) checkSite(exchange);
        if (access == Access.CONTROL && open) checkHost(exchange, entry.allowedHosts());
        boolean forbidden = access == Access.CONTROL && !open && !given.key.control();
        if (forbidden) {
            throw new Failure(403, "this API key is for models, not for the server"
                + " (control: false)").as("forbidden", null);
        }
        return given.key;
    }

    private static Given given(Exchange exchange, List<Key> keys) {
        Key key = find(latin(exchange.headerText("X-api-key")), keys);
        if (key != null) return new Given(key, false);
        String[] words = exchange.headerText("Authorization").split(" ", 2);
        if (words.length < 2) return Given.NOTHING;
        boolean bearer = words[0].equalsIgnoreCase("bearer");
        if (bearer) return new Given(find(latin(words[1]), keys), false);
        boolean basic = words[0].equalsIgnoreCase("basic");
        return basic ? new Given(find(password(words[1].strip()), keys), true) : Given.NOTHING;
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

    /** Compares with every key, each in constant time. @return null for none of them */
    private static Key find(byte[] given, List<Key> keys) {
        Key found = null;
        for (Key key : keys) {
            if (MessageDigest.isEqual(given, key.key().getBytes(UTF_8))) found = key;
        }
        return found;
    }

    private static void checkSite(Exchange exchange) throws Failure {
        String origin = exchange.header("Origin");
        String site = exchange.header("Sec-fetch-site");
        String host = exchange.headerText("Host");
        boolean foreign = site != null ? !OWN_SITES.contains(site)
            : origin != null && !origin.replaceFirst("^.*?//", "").equalsIgnoreCase(host);
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
