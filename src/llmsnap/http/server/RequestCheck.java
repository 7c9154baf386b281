package llmsnap.http.server;

import com.sun.net.httpserver.Headers;
import java.util.HashSet;
import java.util.List;
import java.util.regex.Pattern;

/** Refuses what the JDK's server lets through and HTTP does not: servers could differ about it. */
public final class RequestCheck {
    private static final Pattern TOKEN = Pattern.compile("[A-Za-z-]{1,40}");
    private static final String HOST_MARKS = "._~!$&'()*+;=:[]%-";
    private static final int MAX_DIGITS = 18;

    private RequestCheck() {}

    /** @throws Failure 400 or 505 for a head that is not valid; its connection is closed then */
    static void check(Exchange exchange) throws Failure {
        String protocol = exchange.protocol();
        boolean spoken = protocol.equals("HTTP/1.1") || protocol.equals("HTTP/1.0");
        String wrong = spoken ? wrong(exchange.requestHeaders(), protocol.endsWith("1"))
            : "the version " + Failure.shown(protocol) + " is not spoken here, only HTTP/1.1";
        // "%2Fv1" is found as "/v1", and would be a part of the host that it is sent on to.
        boolean path = exchange.rawPath().startsWith("/");
        if (wrong == null && !path) wrong = "the request's path does not begin with a slash";
        boolean method = TOKEN.matcher(exchange.method()).matches();
        if (wrong == null && !method) wrong = "the method is not a word of letters";
        if (wrong == null) return;
        exchange.closeAfterAnswer();
        throw new Failure(spoken ? 400 : 505, wrong);
    }

    /** About what a request's head holds, in bytes. */
    static int size(Exchange exchange) {
        int size = exchange.rawPath().length() + exchange.queryPart().length();
        for (var header : exchange.requestHeaders().entrySet()) {
            for (String each : header.getValue()) size += header.getKey().length() + each.length();
        }
        return size;
    }

    private static String wrong(Headers headers, boolean hostNeeded) {
        for (var header : headers.entrySet()) {
            for (String value : header.getValue()) {
                if (!hasControl(value, '\t')) continue;
                String name = Failure.shown(header.getKey());
                return "the header " + name + " has a control character in it";
            }
        }
        List<String> hosts = headers.get("Host");
        boolean validHost = hosts == null ? !hostNeeded
            : hosts.size() == 1 && isHost(hosts.getFirst());
        if (!validHost) return "a request needs exactly one valid Host header";
        List<String> lengths = headers.get("Content-length");
        boolean oneLength = lengths == null
            || new HashSet<>(lengths).size() == 1 && isLength(lengths.getFirst());
        return oneLength ? null : "the Content-Length is not one number";
    }

    private static boolean isHost(String text) {
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            boolean letter = c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z';
            if (!letter && !isDigit(c) && HOST_MARKS.indexOf(c) < 0) return false;
        }
        return !text.isEmpty();
    }

    /** Whether a text is a Content-Length: digits alone. */
    public static boolean isLength(String text) {
        for (int i = 0; i < text.length(); i++) if (!isDigit(text.charAt(i))) return false;
        return !text.isEmpty() && text.length() <= MAX_DIGITS;
    }

    private static boolean isDigit(char c) {
        return c >= '0' && c <= '9';
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
