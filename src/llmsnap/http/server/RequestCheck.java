package llmsnap.http.server;

import com.sun.net.httpserver.Headers;
import java.util.List;

/** Refuses what the JDK's server lets through and HTTP does not: servers could differ about it. */
final class RequestCheck {
    private static final int MAX_LENGTH_DIGITS = 18;
    private static final String HOST_SIGNS = "-._~!$&'()*+;=:[]%";

    private RequestCheck() {}

    /** @throws Failure 400 or 505 for a head that is not valid; its connection is closed then */
    static void check(Exchange exchange) throws Failure {
        String wrong = wrong(exchange);
        if (wrong == null) return;
        exchange.closeAfterAnswer();
        boolean spoken = isSpoken(exchange.protocol());
        throw new Failure(spoken ? 400 : 505, wrong);
    }

    private static boolean isSpoken(String protocol) {
        return protocol.equals("HTTP/1.1") || protocol.equals("HTTP/1.0");
    }

    private static String wrong(Exchange exchange) {
        String protocol = exchange.protocol();
        if (!isSpoken(protocol)) {
            return "the version " + protocol + " is not spoken here, only HTTP/1.1";
        }
        Headers headers = exchange.requestHeaders();
        for (var header : headers.entrySet()) {
            for (String value : header.getValue()) {
                if (!hasControl(value)) continue;
                return "the header " + header.getKey() + " has a control character in it";
            }
        }
        List<String> hosts = headers.get("Host");
        boolean oneHost = hosts != null && hosts.size() == 1 && isHost(hosts.getFirst());
        boolean needed = hosts != null || protocol.equals("HTTP/1.1");
        if (needed && !oneHost) return "a request needs exactly one valid Host header";
        List<String> lengths = headers.get("Content-length");
        boolean oneLength = lengths == null || lengths.size() == 1 && isNumber(lengths.getFirst());
        return oneLength ? null : "the Content-Length is not one number";
    }

    private static boolean isControl(char c) {
        return c < ' ' || c == 0x7f;
    }

    private static boolean hasControl(String value) {
        return value.chars().anyMatch(c -> isControl((char) c) && c != '\t');
    }

    private static boolean isHost(String host) {
        boolean valid = host.chars().allMatch(c -> c >= '0' && c <= '9' || c >= 'a' && c <= 'z'
            || c >= 'A' && c <= 'Z' || HOST_SIGNS.indexOf(c) >= 0);
        return valid && !host.isEmpty();
    }

    private static boolean isNumber(String text) {
        boolean digits = text.chars().allMatch(c -> c >= '0' && c <= '9');
        return digits && !text.isEmpty() && text.length() <= MAX_LENGTH_DIGITS;
    }

    /** The path that routes are found by: decoded, single slashes, none at the end. */
    static String path(Exchange exchange) throws Failure {
        String decoded = exchange.path();
        var single = new StringBuilder(decoded.length());
        char before = 0;
        for (int i = 0; i < decoded.length(); i++) {
            char c = decoded.charAt(i);
            if (isControl(c)) throw new Failure(400, "the path has a control character in it");
            if (c != '/' || before != '/') single.append(c);
            before = c;
        }
        if (single.length() > 1 && before == '/') single.setLength(single.length() - 1);
        return single.isEmpty() ? "/" : single.toString();
    }
}
