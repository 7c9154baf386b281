package llmsnap.http.server;

import com.sun.net.httpserver.Headers;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;

/** Refuses what the JDK's server lets through and HTTP does not: servers could differ about it. */
public final class RequestCheck {
    private static final Pattern HOST =
        Pattern.compile("[0-9a-zA-Z._~!$&'()*+;=:\\[\\]%-]+");

    private static final Pattern LENGTH = Pattern.compile("[0-9]{1,18}");

    private RequestCheck() {}

    /** @throws Failure 400 or 505 for a head that is not valid; its connection is closed then */
    static void check(Exchange exchange) throws Failure {
        String protocol = exchange.protocol();
        boolean spoken = protocol.equals("HTTP/1.1") || protocol.equals("HTTP/1.0");
        String wrong = spoken ? wrong(exchange.requestHeaders(), protocol.endsWith("1"))
            : "the version " + protocol + " is not spoken here, only HTTP/1.1";
        if (wrong == null) return;
        exchange.closeAfterAnswer();
        throw new Failure(spoken ? 400 : 505, wrong);
    }

    private static String wrong(Headers headers, boolean hostNeeded) {
        for (var header : headers.entrySet()) {
            for (String value : header.getValue()) {
                if (!hasControl(value, '\t')) continue;
                return "the header " + header.getKey() + " has a control character in it";
            }
        }
        List<String> hosts = headers.get("Host");
        boolean validHost = hosts == null ? !hostNeeded
            : hosts.size() == 1 && HOST.matcher(hosts.getFirst()).matches();
        if (!validHost) return "a request needs exactly one valid Host header";
        List<String> lengths = headers.get("Content-length");
        boolean oneLength = lengths == null
            || Set.copyOf(lengths).size() == 1 && LENGTH.matcher(lengths.getFirst()).matches();
        return oneLength ? null : "the Content-Length is not one number";
    }

    /** The path that routes are found by: decoded, single slashes, none at the end. */
    static String path(Exchange exchange) throws Failure {
        String decoded = exchange.path();
        if (hasControl(decoded, -1)) {
            throw new Failure(400, "the path has a control character in it");
        }
        return Exchange.plain(decoded);
    }

    /** Whether there is a control character in {@code text}, but {@code allowed} (-1: none is). */
    public static boolean hasControl(String text, int allowed) {
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (c != allowed && (c < ' ' || c == 127)) return true;
        }
        return false;
    }
}
