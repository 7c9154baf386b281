package llmsnap.record;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.List;
import java.util.Map;
import java.util.StringJoiner;
import java.util.TreeMap;
import java.util.regex.Pattern;
import java.util.zip.Deflater;
import java.util.zip.DeflaterOutputStream;
import java.util.zip.InflaterInputStream;

/**
 * What was said in one request. Nobody may change bodies and headers any more.
 * Secrets are taken out when it is looked at, which is seldom.
 *
 * @param bytes the room that it takes
 */
public record Capture(long id, String rawPath, Said request, Said response, long bytes) {
    /** Names of headers and parameters have these in them when their value is nobody's business. */
    private static final Pattern SECRET =
        Pattern.compile("key|token|secret|auth|cookie|passw", Pattern.CASE_INSENSITIVE);
    private static final String REDACTED = "[REDACTED]";

    /**
     * One side of it: its headers, each a line, see {@link #head}; and what is kept of its body.
     * Both are as few objects as can be: they live long enough to be a burden to every collection.
     */
    public record Said(String head, byte[] kept, boolean packed) {
        private static final int MIN_PACKED_BYTES = 16 * 1024;

        /** Headers as they came, in one text. */
        static String head(Map<String, List<String>> headers) {
            var head = new StringBuilder(512);
            headers.forEach((name, values) -> {
                for (String each : values) head.append(name).append(':').append(each).append('\n');
            });
            return head.toString();
        }

        /** The body of a long text is packed: {@code body} must not change any more. */
        static Said of(String head, byte[] body) {
            if (body.length < MIN_PACKED_BYTES) return new Said(head, body, false);
            var out = new ByteArrayOutputStream(body.length / 4);
            var fast = new Deflater(Deflater.BEST_SPEED);
            try (var packing = new DeflaterOutputStream(out, fast)) {
                packing.write(body);
            } catch (IOException e) {
                throw new UncheckedIOException(e);      // memory takes everything
            } finally {
                fast.end();
            }
            return new Said(head, out.toByteArray(), true);
        }

        /** What is kept of the body: a text as it came, data described. */
        public byte[] body() {
            if (!packed) return kept;
            try (var in = new InflaterInputStream(new ByteArrayInputStream(kept))) {
                return in.readAllBytes();
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }

        /** Several values joined, secrets taken out. */
        public Map<String, String> headers() {
            Map<String, String> headers = new TreeMap<>(String.CASE_INSENSITIVE_ORDER);
            head.lines().forEach(line -> {
                int colon = line.indexOf(':');
                String name = line.substring(0, colon);
                String value = isSecret(name) ? REDACTED : line.substring(colon + 1);
                headers.merge(name, value, (one, next) -> one + ", " + next);
            });
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
