package llmsnap.record;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import java.io.ByteArrayOutputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.Base64;
import java.util.HexFormat;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import llmsnap.text.Size;

/**
 * What a capture keeps of a body: its text; of images, sound and other data only what they were,
 * like "image/png, 2.1 MB, sha256 ...", or one picture would take the room of a thousand chats.
 */
final class Condensed {
    /** Data in a text has at least two of these; a text has no word so long. */
    private static final int STEP_BYTES = 512;
    private static final Pattern DATA =
        Pattern.compile("(image|audio|video)/.*|application/(octet-stream|pdf|zip)\\b.*");
    private static final Pattern FORM =
        Pattern.compile("(?i) *multipart/[^;]*;.*?\\bboundary *= *\"?([^\";]+)");
    private static final Pattern PART_TYPE =
        Pattern.compile("content-type:([^\r\n]*)", Pattern.CASE_INSENSITIVE);
    private static final int MAX_HEAD_BYTES = 16 * 1024;
    private static final String URL = "data:";
    private static final String URL_END = ";base64,";
    private static final int MAX_URL_HEAD = 100;
    /** How well-known kinds of data begin. */
    private static final Map<String, String> BEGINNINGS = Map.of("\u0089PNG", "image/png",
        "\u00ff\u00d8\u00ff", "image/jpeg", "GIF8", "image/gif", "RIFF", "audio/wav",
        "ID3", "audio/mpeg", "OggS", "audio/ogg", "fLaC", "audio/flac", "%PDF", "application/pdf");

    private Condensed() {}

    /** Whether a body of that Content-Type is data as a whole. */
    static boolean isData(String type) {
        return DATA.matcher(type.toLowerCase(Locale.ROOT)).matches();
    }

    static MessageDigest digest() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);     // every Java has it
        }
    }

    /** What data was, in words. */
    static byte[] described(String type, long bytes, byte[] sha256) {
        String name = type.split(";", 2)[0].strip();
        return (name + ", " + Size.shown(bytes) + ", sha256 " + HexFormat.of().formatHex(sha256))
            .getBytes(ISO_8859_1);
    }

    private static byte[] described(String type, byte[] data) {
        return described(type, data.length, digest().digest(data));
    }

    /** What is kept of the first {@code length} bytes, which must not change any more. */
    static byte[] of(String type, byte[] bytes, int length) {
        byte[] exact = bytes.length == length ? bytes : Arrays.copyOf(bytes, length);
        if (isData(type)) return described(type, exact);
        Matcher form = FORM.matcher(type);
        return form.lookingAt() ? form(exact, form.group(1)) : text(exact);
    }

    /** A form, its files described. */
    private static byte[] form(byte[] bytes, String boundaryText) {
        String boundary = "--" + boundaryText.strip();
        var out = new ByteArrayOutputStream();
        var form = new String(bytes, ISO_8859_1);
        for (int from = 0, to; from < form.length(); from = to) {
            to = form.indexOf(boundary, from + 1);
            if (to < 0) to = form.length();
            String begin = form.substring(from, Math.min(to, from + MAX_HEAD_BYTES));
            int head = begin.indexOf("\r\n\r\n");
            String names = head < 0 ? "" : begin.substring(0, head);
            boolean file = names.contains("filename");
            int value = file ? from + head + 4 : to;
            out.write(bytes, from, value - from);
            if (!file) continue;
            Matcher type = PART_TYPE.matcher(names);
            int end = Math.max(value, to - 2);      // a line break belongs to the boundary
            out.writeBytes(described(type.find() ? type.group(1) : "a file",
                Arrays.copyOfRange(bytes, value, end)));
            out.write(bytes, end, to - end);
        }
        return out.toByteArray();
    }

    /** A text, base64 in it described. Looks at few of its bytes, when there is none. */
    private static byte[] text(byte[] bytes) {
        var out = new ByteArrayOutputStream(0);
        int copied = 0;
        for (int at = STEP_BYTES; at < bytes.length; at += STEP_BYTES) {
            int from = at;
            int to = at;
            while (from > copied && isBase64(bytes[from - 1])) from--;
            while (to < bytes.length && isBase64(bytes[to])) to++;
            at = to;
            byte[] data = to - from < 2 * STEP_BYTES ? null : decoded(bytes, from, to);
            if (data == null) continue;
            var before = new String(bytes, Math.max(copied, from - MAX_URL_HEAD),
                Math.min(from - copied, MAX_URL_HEAD), ISO_8859_1);
            int url = before.endsWith(URL_END) ? before.lastIndexOf(URL) : -1;
            String type = url < 0 ? typeOf(data) : before.substring(url + URL.length());
            if (type == null) continue;
            if (url >= 0) from -= before.length() - url;
            out.write(bytes, copied, from - copied);
            out.writeBytes(described(type, data));
            copied = to;
        }
        if (copied == 0) return bytes;
        out.write(bytes, copied, bytes.length - copied);
        return out.toByteArray();
    }

    private static boolean isBase64(byte b) {
        return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9'
            || b == '+' || b == '/' || b == '-' || b == '_' || b == '=';
    }

    /** What base64 stands for; null for what is none. */
    private static byte[] decoded(byte[] bytes, int from, int to) {
        byte[] run = Arrays.copyOfRange(bytes, from, to);
        try {
            return Base64.getDecoder().decode(run);
        } catch (IllegalArgumentException e) {
            return null;
        }
    }

    /** What kind of data begins so; null for none that is known. */
    private static String typeOf(byte[] data) {
        var start = new String(data, 0, Math.min(data.length, 16), ISO_8859_1);
        if (start.startsWith("WEBP", 8)) return "image/webp";
        return BEGINNINGS.entrySet().stream().filter(each -> start.startsWith(each.getKey()))
            .map(Map.Entry::getValue).findFirst().orElse(null);
    }
}
