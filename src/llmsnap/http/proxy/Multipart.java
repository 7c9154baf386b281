package llmsnap.http.proxy;

import static java.lang.Math.max;
import static java.lang.Math.min;
import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import llmsnap.http.server.Failure;

/** Finds the {@code model} fields of a multipart form (RFC 7578) without moving its parts. */
record Multipart(Body form, String delimiter, List<Multipart.Field> models) {
    private static final int MAX_HEAD_BYTES = 16 * 1024;
    private static final int MAX_NAME_BYTES = 4 * 1024;
    private static final int MAX_BOUNDARY = 200;
    private static final int FIRST_WINDOW_BYTES = 4 * 1024;
    private static final int MAX_WINDOW_BYTES = 1 << 20;
    private static final int MAX_PARTS = 10_000;
    /** What follows a delimiter, when no part does. */
    private static final long END = -1;
    private static final long NO_DELIMITER = -2;

    /** Where the value of a field stands: bytes from..to. */
    record Field(long from, long to) {}

    /** The boundary of a Content-Type when that is multipart/form-data, else null. */
    static String boundary(String contentType) throws Failure {
        String type = contentType.strip().toLowerCase(Locale.ROOT);
        if (!type.startsWith("multipart/form-data")) return null;
        String boundary = parameters(contentType).getOrDefault("boundary", "");
        if (!boundary.isEmpty() && boundary.length() <= MAX_BOUNDARY) return boundary;
        throw invalid("the Content-Type multipart/form-data has no boundary");
    }

    /** The values of the form's {@code model} fields, in order; at least one. */
    static List<Field> models(Body form, String boundary) throws Failure {
        var multipart = new Multipart(form, "\r\n--" + boundary, new ArrayList<>());
        multipart.read();
        if (multipart.models.isEmpty()) throw noModel();
        return multipart.models;
    }

    static Failure noModel() {
        return Failure.missingModel("the form has no field \"model\"");
    }

    private static Failure invalid(String what) {
        return new Failure(400, what).as("invalid_form", null);
    }

    private static Failure incomplete(String what) {
        return invalid("the form is not complete: " + what);
    }

    private void read() throws Failure {
        long at = firstPart();
        for (int parts = 1; at != END; parts++) {
            if (parts > MAX_PARTS) throw invalid("the form has more than " + MAX_PARTS + " parts");
            at = part(at);
        }
    }

    /**
     * Behind the first delimiter, which may stand at the very start without a line break before it.
     */
    private long firstPart() throws Failure {
        String start = delimiter.substring(2);
        long end = latin(0, start.length()).equals(start) ? start.length() : find(0);
        if (end < 0) throw incomplete("its boundary does not occur");
        long next = next(end);
        if (next == NO_DELIMITER) throw incomplete("after a boundary there has to be a line break");
        return next;
    }

    /**
     * Behind the rest of the delimiter's line at {@code at}; text there is of a part, as it was.
     */
    private long next(long at) {
        if (latin(at, 2).equals("--")) return END;
        int most = 2;       // behind a delimiter there are seldom blanks
        for (long from = at; ; from += most, most = MAX_HEAD_BYTES) {
            String text = latin(from, most);
            int blanks = 0;
            while (blanks < text.length() && " \t".indexOf(text.charAt(blanks)) >= 0) blanks++;
            if (blanks > 0 && blanks == most) continue;
            long end = from + blanks;
            return latin(end, 2).equals("\r\n") ? end + 2 : NO_DELIMITER;
        }
    }

    private String latin(long at, int count) {
        return new String(form.read(at, count), ISO_8859_1);
    }

    /** Reads the part that begins at {@code at}. @return where the next one does, or END */
    private long part(long at) throws Failure {
        String head = latin(at, MAX_HEAD_BYTES);
        boolean noHeaders = head.startsWith("\r\n");
        int headEnd = noHeaders ? 0 : head.indexOf("\r\n\r\n");
        if (headEnd < 0) {
            throw incomplete("a part has no end of its headers within " + MAX_HEAD_BYTES
                + " bytes");
        }
        long value = at + headEnd + (noHeaders ? 2 : 4);
        long behind = find(value - 2);      // the value may be empty: its line break is the head's
        if (behind < 0) throw incomplete("a part has no boundary at its end");
        long end = max(value, behind - delimiter.length());
        if (isModel(head.substring(0, headEnd))) models.add(new Field(value, end));
        return next(behind);
    }

    private static boolean isModel(String head) throws Failure {
        // A line that begins with a blank goes on with the one before it.
        for (String line : head.replaceAll("\r\n(?=[ \t])", "").split("\r\n")) {
            int colon = line.indexOf(':');
            String name = colon < 0 ? "" : line.substring(0, colon).strip();
            if (!name.equalsIgnoreCase("content-disposition")) continue;
            Map<String, String> parameters = parameters(line);
            if (parameters.containsKey("name*")) throw invalid("a part's name is encoded (name*)");
            boolean file = parameters.containsKey("filename")
                || parameters.containsKey("filename*");
            return "model".equals(parameters.get("name")) && !file;
        }
        return false;
    }

    /** The parameters behind the semicolons of a header, names in lower case, quotes removed. */
    private static Map<String, String> parameters(String header) {
        Map<String, String> parameters = new TreeMap<>();
        int i = header.indexOf(';');
        while (i >= 0) {
            int equals = header.indexOf('=', i);
            if (equals < 0) break;
            String name = header.substring(i + 1, equals).strip().toLowerCase(Locale.ROOT);
            var value = new StringBuilder();
            i = equals + 1;
            while (i < header.length() && Character.isWhitespace(header.charAt(i))) i++;
            if (header.startsWith("\"", i)) {
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
    static String text(Body form, Field field) throws Failure {
        if (field.to - field.from > MAX_NAME_BYTES) {
            throw new Failure(400, "the form's model is longer than " + MAX_NAME_BYTES + " bytes")
                .as(null, "model");
        }
        return new String(form.read(field.from, (int) (field.to - field.from)), UTF_8);
    }

    /** Where the first delimiter from {@code from} on ends, or -1. */
    private long find(long from) {
        long start = max(0, from);
        int size = FIRST_WINDOW_BYTES;
        int length = delimiter.length();
        while (start + length <= form.size()) {
            String window = latin(start, max(size, length));
            for (int i = -1; (i = window.indexOf(delimiter, i + 1)) >= 0; ) {
                if (next(start + i + length) != NO_DELIMITER) return start + i + length;
            }
            start += window.length() - length + 1;
            size = min(MAX_WINDOW_BYTES, size * 2);
        }
        return -1;
    }
}
