package llmsnap.http.proxy;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.net.URLDecoder;
import llmsnap.http.server.Exchange;
import llmsnap.http.server.Failure;

/** Percent-encoded pairs, as a query or a form has them. */
public final class Query {
    private Query() {}

    /**
     * The decoded value of the first {@code key} in an encoded text, "" where it has none; null
     * when the key is not there.
     */
    public static String value(String encoded, String key) throws Failure {
        if (encoded == null) return null;
        for (int from = 0, to; from < encoded.length(); from = to + 1) {
            to = encoded.indexOf('&', from);
            if (to < 0) to = encoded.length();
            String pair = encoded.substring(from, to);
            int equals = pair.indexOf('=');
            boolean bare = equals < 0;
            if (!decode(bare ? pair : pair.substring(0, equals)).equals(key)) continue;
            return bare ? "" : decode(pair.substring(equals + 1));
        }
        return null;
    }

    /** Whether the query names a model. */
    public static boolean names(Exchange exchange) throws Failure {
        String name = value(exchange.rawQuery(), "model");
        return name != null && !name.isEmpty();
    }

    /** The model that the query names. @throws Failure 400 when it names none */
    public static String model(Exchange exchange) throws Failure {
        String name = value(exchange.rawQuery(), "model");
        if (name != null && !name.isEmpty()) return name;
        throw Failure.missingModel("the query names no model: add ?model=ID");
    }

    private static String decode(String text) throws Failure {
        try {
            return URLDecoder.decode(text, UTF_8);
        } catch (IllegalArgumentException e) {
            throw new Failure(400, "a % that is followed by no two hex digits");
        }
    }

    /** A decoded part of a path, in which a plus is one. */
    static String decodePath(String text) throws Failure {
        return decode(text.replace("+", "%2B"));
    }
}
