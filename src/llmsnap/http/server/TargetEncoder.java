package llmsnap.http.server;

import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;

/**
 * Percent-encodes what browsers and others send as it is in a request's target, and the JDK's
 * server refuses: brackets, braces, bars, carets, bytes above 127, a percent sign that stands for
 * itself (the URL standard lets them, RFC 3986 does not). Only the first line of a request is
 * looked at; nobody else sees the bytes.
 */
final class TargetEncoder extends FilterInputStream {
    private static final String ENCODED = "\"<>[]\\^`{|}";
    private static final String DIGITS = "0123456789ABCDEF";

    private boolean inLine;
    private boolean inTarget;
    private int pending;        // hex digits that follow, the next one lowest; 0: none
    private int last;

    /** @param in can go back two bytes */
    TargetEncoder(InputStream in) {
        super(in);
    }

    /** A request comes. */
    void begin() {
        inLine = true;
        inTarget = false;
        last = 0;
    }

    @Override public int read() throws IOException {
        if (pending != 0) {
            int next = pending & 0xff;
            pending >>= 8;
            return next;
        }
        int c = super.read();
        if (!inLine) return c;
        if (c == '\n') inLine = false;
        if (c == ' ') inTarget = false;
        else if (c == '/' && last == ' ') inTarget = true;
        last = c;
        boolean odd = c > 127 || ENCODED.indexOf(c) >= 0 || c == '%' && !digitsFollow();
        if (!inTarget || !odd) return c;
        pending = DIGITS.charAt(c >> 4) | DIGITS.charAt(c & 15) << 8;
        return '%';
    }

    private boolean digitsFollow() throws IOException {
        in.mark(2);
        boolean both = Character.digit(in.read(), 16) >= 0 && Character.digit(in.read(), 16) >= 0;
        in.reset();
        return both;
    }

    @Override public int read(byte[] bytes, int offset, int length) throws IOException {
        if (!inLine && pending == 0) return super.read(bytes, offset, length);
        if (length == 0) return 0;
        int c = read();
        if (c < 0) return -1;
        bytes[offset] = (byte) c;
        return 1;
    }
}
