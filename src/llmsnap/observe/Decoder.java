package llmsnap.observe;

import java.util.zip.DataFormatException;
import java.util.zip.Inflater;

/**
 * Undoes gzip or deflate on the side while the encoded bytes pass, in pieces that may end anywhere. To be closed: the
 * inflater's memory is outside the heap. For one thread at a time.
 */
final class Decoder implements AutoCloseable {
    /** Takes decoded bytes; the array is used again afterwards. */
    interface Sink {
        void take(byte[] bytes, int offset, int length);
    }

    private static final int BUFFER_BYTES = 8192;
    /** What a small answer can unfold to is without limit; looking at it should not be. */
    private static final long MAX_DECODED_BYTES = 256L << 20;

    private static final int NAME = 8;
    private static final int COMMENT = 16;
    private static final int EXTRA = 4;
    private static final int HEADER_CHECK = 2;

    /** Where in a gzip member we are (RFC 1952); for deflate always DATA. */
    private enum Part { HEAD, EXTRA_LENGTH, EXTRA, NAME, COMMENT, HEADER_CHECK, DATA, TRAILER }

    private final boolean gzip;
    private final Sink sink;
    private Inflater inflater;
    private byte[] buffer;
    private Part part;
    private int partAt;             // bytes of that part that have passed
    private int flags;
    private int extraLength;
    private int firstByte = -1;     // of deflate, which comes with a zlib header (RFC 9110) or, from some, without
    private long decoded;
    private boolean decodedMember;  // the end of a gzip member has come
    private boolean broken;

    private Decoder(boolean gzip, Sink sink) {
        this.gzip = gzip;
        this.sink = sink;
        this.part = gzip ? Part.HEAD : Part.DATA;
        if (gzip) inflater = new Inflater(true);
    }

    /**
     * A decoder for a Content-Encoding; {@link #isNone} tells whether there is anything to undo.
     *
     * @return null when it is none that can be undone here
     */
    static Decoder of(String encoding, Sink sink) {
        return switch (encoding.strip().toLowerCase(java.util.Locale.ROOT)) {
            case "gzip", "x-gzip" -> new Decoder(true, sink);
            case "deflate" -> new Decoder(false, sink);
            default -> null;
        };
    }

    /** Whether an answer with that Content-Encoding (may be null) can be read as it is. */
    static boolean isNone(String encoding) {
        return encoding == null || encoding.isBlank() || encoding.strip().equalsIgnoreCase("identity");
    }

    /** Whether the bytes were no such encoding, or too many: what was decoded is not all. */
    boolean isBroken() {
        return broken;
    }

    /** Whether the end of the encoded data has come. */
    boolean isComplete() {
        return gzip ? part == Part.HEAD && partAt == 0 && decodedMember : inflater != null && inflater.finished();
    }

    void read(byte[] bytes, int offset, int length) {
        int at = offset;
        int end = offset + length;
        while (at < end && !broken) at = part == Part.DATA ? inflate(bytes, at, end) : header(bytes[at]) ? at + 1 : at;
    }

    /** Takes a byte of a gzip member's header or trailer. @return false when it belongs to the next part */
    private boolean header(byte b) {
        switch (part) {
            case HEAD -> {
                boolean fits = switch (partAt) {
                    case 0 -> b == 0x1f;
                    case 1 -> b == (byte) 0x8b;
                    case 2 -> b == 8;
                    default -> true;
                };
                if (!fits) broken = true;
                if (partAt == 3) flags = b;
                if (++partAt == 10) next(Part.EXTRA_LENGTH);
            }
            case EXTRA_LENGTH -> {
                if ((flags & EXTRA) == 0) return skip(Part.NAME);
                extraLength = partAt == 0 ? b & 0xff : extraLength | (b & 0xff) << 8;
                if (++partAt == 2) next(extraLength == 0 ? Part.NAME : Part.EXTRA);
            }
            case EXTRA -> {
                if (++partAt == extraLength) next(Part.NAME);
            }
            case NAME -> {
                if ((flags & NAME) == 0) return skip(Part.COMMENT);
                if (b == 0) next(Part.COMMENT);
            }
            case COMMENT -> {
                if ((flags & COMMENT) == 0) return skip(Part.HEADER_CHECK);
                if (b == 0) next(Part.HEADER_CHECK);
            }
            case HEADER_CHECK -> {
                if ((flags & HEADER_CHECK) == 0) return skip(Part.DATA);
                if (++partAt == 2) next(Part.DATA);
            }
            case TRAILER -> {       // another member may follow
                if (++partAt == 8) {
                    next(Part.HEAD);
                    decodedMember = true;
                    inflater.reset();
                }
            }
            case DATA -> throw new IllegalStateException();
        }
        return true;
    }

    private void next(Part next) {
        part = next;
        partAt = 0;
    }

    private boolean skip(Part next) {
        next(next);
        return false;
    }

    /** Inflates {@code from..to}. @return where the compressed data ended, or {@code to} */
    private int inflate(byte[] bytes, int from, int to) {
        if (inflater == null) {
            int first = firstByte >= 0 ? firstByte : bytes[from] & 0xff;
            if (firstByte < 0 && to - from == 1) {
                firstByte = first;
                return to;
            }
            int second = bytes[firstByte >= 0 ? from : from + 1] & 0xff;
            inflater = new Inflater((first & 15) != 8 || (first << 8 | second) % 31 != 0);
            if (firstByte >= 0) inflate(new byte[] {(byte) first}, 0, 1);
        }
        if (buffer == null) buffer = new byte[BUFFER_BYTES];
        inflater.setInput(bytes, from, to - from);
        try {
            for (int n; (n = inflater.inflate(buffer)) > 0 || !inflater.needsInput() && !inflater.finished() && !inflater.needsDictionary(); ) {
                decoded += n;
                if (decoded > MAX_DECODED_BYTES) {
                    broken = true;
                    return to;
                }
                if (n > 0) sink.take(buffer, 0, n);
            }
        } catch (DataFormatException e) {
            broken = true;
            return to;
        }
        if (inflater.needsDictionary()) broken = true;
        if (!inflater.finished()) return to;
        int at = to - inflater.getRemaining();
        if (!gzip) {
            broken |= at < to;      // more than there should be
            return to;
        }
        next(Part.TRAILER);
        return at;
    }

    @Override public void close() {
        if (inflater != null) inflater.end();
        inflater = null;
        broken = true;
    }
}
