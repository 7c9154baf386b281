package llmsnap.http.proxy;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.net.URLDecoder;
import java.net.URLEncoder;
import java.util.function.UnaryOperator;
import llmsnap.http.server.Exchange;
import llmsnap.http.server.Failure;

/** Percent-encoded pairs, as a query or a form has them. */
public final class Query {
    private Query() {}

    /** Where a pair stands in a text, and where its value begins. */
    private record Pair(int from, int value, int to) {}

    /** The pair of that key, or null. @throws Failure 400 for two: servers could differ about it */
    private static Pair pair(String encoded, String key) throws Failure {
        Pair found = null;
        for (int from = 0, to; from < encoded.length(); from = to + 1) {
            to = end(encoded, '&', from, encoded.length());
            int equals = end(encoded, '=', from, to);
            if (!decode(encoded.substring(from, equals)).equals(key)) continue;
            if (found != null) throw new Failure(400, "\"" + key + "\" is there twice");
            found = new Pair(from, Math.min(equals + 1, to), to);
        }
        return found;
    }

    private static int end(String text, char mark, int from, int otherwise) {
        int at = text.indexOf(mark, from, otherwise);
        return at < 0 ? otherwise : at;
    }

    /**
     * The decoded value of {@code key} in an encoded text, "" where it has none; null when the key
     * is not there.
     */
    public static String value(String encoded, String key) throws Failure {
        Pair pair = encoded == null ? null : pair(encoded, key);
        return pair == null ? null : decode(encoded.substring(pair.value, pair.to));
    }

    /** Makes an encoded text with another value for a key that it has. */
    static UnaryOperator<String> replacing(String encoded, String key) throws Failure {
        Pair pair = pair(encoded, key);
        return value -> encoded.substring(0, pair.from) + key + "="
            + URLEncoder.encode(value, UTF_8) + encoded.substring(pair.to);
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
