package llmsnap.http;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;

/** Finds the {@code model} fields of a multipart form (RFC 7578) without moving its parts, in memory or in a file. */
final class Multipart {
    private static final int MAX_HEAD_BYTES = 16 * 1024;
    private static final int MAX_NAME_BYTES = 4 * 1024;
    private static final int FIRST_WINDOW_BYTES = 4 * 1024;
    private static final int MAX_WINDOW_BYTES = 1 << 20;
    private static final int MAX_PARTS = 10_000;
    private static final long NONE = -2;

    /** Bytes that can be read anywhere. */
    interface Source {
        long size();

        /** Copies bytes from {@code position} on into {@code to}. @return how many, at least 1 before the end */
        int read(long position, byte[] to, int offset, int count) throws IOException;
    }

    /** Where the value of a field stands: bytes from..to. */
    record Field(long from, long to) {}

    private final Source source;
    private final byte[] delimiter;
    private final List<Field> models = new ArrayList<>();

    private Multipart(Source source, String boundary) {
        this.source = source;
        this.delimiter = ("\r\n--" + boundary).getBytes(StandardCharsets.ISO_8859_1);
    }

    /** The {@code boundary} of a Content-Type when that is multipart/form-data, else null. @throws Failure 400 without one */
    static String boundary(String contentType) throws Failure {
        if (contentType == null || !contentType.strip().toLowerCase(Locale.ROOT).startsWith("multipart/form-data")) return null;
        String boundary = parameters(contentType).get("boundary");
        if (boundary == null || boundary.isEmpty() || boundary.length() > 200) {
            throw new Failure(400, "the Content-Type multipart/form-data has no boundary", "invalid_form", null);
        }
        return boundary;
    }

    /** The values of the form's {@code model} fields, in order. @throws Failure 400 when the form is cut off or malformed */
    static List<Field> models(Source source, String boundary) throws IOException, Failure {
        Multipart form = new Multipart(source, boundary);
        form.read();
        return form.models;
    }

    private void read() throws IOException, Failure {
        long at = firstPart();
        for (int parts = 1; at >= 0; parts++) {
            if (parts > MAX_PARTS) throw new Failure(400, "the form has more than " + MAX_PARTS + " parts", "invalid_form", null);
            at = part(at);
        }
    }

    private static Failure malformed(String what) {
        return new Failure(400, "the form is not complete: " + what, "invalid_form", null);
    }

    /** Behind the first delimiter, which may stand at the very start without a line break before it. */
    private long firstPart() throws IOException, Failure {
        byte[] start = bytes(0, delimiter.length - 2);
        boolean atStart = java.util.Arrays.equals(start, 0, start.length, delimiter, 2, delimiter.length);
        long end = atStart ? start.length : find(0);
        if (end < 0) throw malformed("its boundary does not occur");
        return afterDelimiter(end);
    }

    /** Behind the rest of the delimiter's line that ends at {@code at}: where its part begins, or -1 at the end of the form. */
    private long afterDelimiter(long at) throws IOException, Failure {
        long next = next(at);
        if (next == NONE) throw malformed("after a boundary there has to be a line break");
        return next;
    }

    /** Like {@link #afterDelimiter}, {@link #NONE} when text follows, so that it was no delimiter but its part's content. */
    private long next(long at) throws IOException {
        byte[] two = bytes(at, 2);
        if (two.length == 2 && two[0] == '-' && two[1] == '-') return -1;
        long i = at;
        for (byte[] one; (one = bytes(i, 1)).length == 1 && (one[0] == ' ' || one[0] == '\t'); ) i++;
        byte[] end = bytes(i, 2);
        return end.length == 2 && end[0] == '\r' && end[1] == '\n' ? i + 2 : NONE;
    }

    /** Reads the part that begins at {@code at}. @return where the next one does, or -1 */
    private long part(long at) throws IOException, Failure {
        byte[] head = bytes(at, MAX_HEAD_BYTES);
        String latin = new String(head, StandardCharsets.ISO_8859_1);
        int headEnd = latin.startsWith("\r\n") ? 0 : latin.indexOf("\r\n\r\n");
        if (headEnd < 0) throw malformed("a part has no end of its headers within " + MAX_HEAD_BYTES + " bytes");
        long value = at + headEnd + (latin.startsWith("\r\n") ? 2 : 4);
        long behind = find(value - 2);      // the value may be empty: then its line break is that of the head
        if (behind < 0) throw malformed("a part has no boundary at its end");
        long end = behind - delimiter.length;
        if (isModel(latin.substring(0, headEnd))) models.add(new Field(value, Math.max(value, end)));
        return afterDelimiter(behind);
    }

    private static boolean isModel(String head) {
        for (String line : head.split("\r\n")) {
            int colon = line.indexOf(':');
            if (colon < 0 || !line.substring(0, colon).strip().equalsIgnoreCase("content-disposition")) continue;
            Map<String, String> parameters = parameters(line);
            return "model".equals(parameters.get("name")) && !parameters.containsKey("filename") && !parameters.containsKey("filename*");
        }
        return false;
    }

    /** The parameters behind the semicolons of a header, names in lower case, quotes removed. */
    private static Map<String, String> parameters(String header) {
        Map<String, String> parameters = new TreeMap<>();
        int i = header.indexOf(';');
        while (i >= 0 && i < header.length()) {
            int equals = header.indexOf('=', i);
            if (equals < 0) break;
            String name = header.substring(i + 1, equals).strip().toLowerCase(Locale.ROOT);
            StringBuilder value = new StringBuilder();
            i = equals + 1;
            while (i < header.length() && Character.isWhitespace(header.charAt(i))) i++;
            if (i < header.length() && header.charAt(i) == '"') {
                for (i++; i < header.length() && header.charAt(i) != '"'; i++) {
                    if (header.charAt(i) == '\\' && i + 1 < header.length()) i++;
                    value.append(header.charAt(i));
                }
                i = header.indexOf(';', i);
            } else {
                int end = header.indexOf(';', i);
                value.append(header.substring(i, end < 0 ? header.length() : end).strip());
                i = end;
            }
            parameters.putIfAbsent(name, value.toString());
        }
        return parameters;
    }

    /** The text of a field. @throws Failure 400 when it is too long for a name */
    static String text(Source source, Field field) throws IOException, Failure {
        if (field.to - field.from > MAX_NAME_BYTES) throw new Failure(400, "the form's model is longer than " + MAX_NAME_BYTES + " bytes", null, "model");
        byte[] bytes = new byte[(int) (field.to - field.from)];
        int read = 0;
        while (read < bytes.length) read += source.read(field.from + read, bytes, read, bytes.length - read);
        return new String(bytes, StandardCharsets.UTF_8);
    }

    private byte[] bytes(long position, int count) throws IOException {
        byte[] bytes = new byte[(int) Math.max(0, Math.min(count, source.size() - position))];
        int read = 0;
        while (read < bytes.length) read += source.read(position + read, bytes, read, bytes.length - read);
        return bytes;
    }

    /** Where the first delimiter from {@code from} on ends, or -1. */
    private long find(long from) throws IOException {
        long start = Math.max(0, from);
        for (int size = FIRST_WINDOW_BYTES; start + delimiter.length <= source.size(); size = Math.min(MAX_WINDOW_BYTES, size * 2)) {
            byte[] window = bytes(start, Math.max(size, delimiter.length));
            for (int i = 0; i + delimiter.length <= window.length; i++) {
                boolean found = window[i] == '\r' && java.util.Arrays.equals(window, i, i + delimiter.length, delimiter, 0, delimiter.length);
                if (found && next(start + i + delimiter.length) != NONE) return start + i + delimiter.length;
            }
            start += window.length - delimiter.length + 1;
        }
        return -1;
    }
}
