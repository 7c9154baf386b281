package llmsnap.http;

import java.io.IOException;
import java.io.InputStream;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicLong;

/** Reads request bodies into memory, within bounds: one for each body, one for all that are in memory at a time. */
final class Body {
    private static final int FIRST_BYTES = 16 << 20;
    private static final int MAX_ARRAY = Integer.MAX_VALUE - 16;

    private final long maxBytes;
    private final long maxAllBytes = Runtime.getRuntime().maxMemory() / 10 * 6;
    private final AtomicLong allBytes = new AtomicLong();

    /** The bytes {@code 0..length} of {@code bytes}. */
    record Content(byte[] bytes, int length) {}

    /** @param maxBytes of one body */
    Body(long maxBytes) {
        this.maxBytes = maxBytes;
    }

    /** Reads all of the body. @throws Failure 413 when it is over a bound; {@link #release} gives the memory free again */
    Content read(Exchange exchange) throws IOException, Failure {
        String declared = exchange.requestHeaders().getFirst("Content-length");
        long length = declared == null ? -1 : Long.parseLong(declared.strip());
        if (length > maxBytes) throw tooLarge(length);
        InputStream in = exchange.http.getRequestBody();
        // A very large body grows with what has come: a client that only announces one takes little memory.
        byte[] bytes = new byte[(int) (length >= 0 ? Math.min(length, FIRST_BYTES) : 8192)];
        reserve(exchange, bytes.length);
        int read = 0;
        while (true) {
            if (read == bytes.length) {
                int next = length == read ? -1 : in.read();
                if (next < 0) break;
                long wanted = Math.min(Math.max(1024, bytes.length * 2L), length >= 0 ? length : MAX_ARRAY);
                if (read >= maxBytes || wanted <= read) throw tooLarge(read + 1L);
                reserve(exchange, wanted - bytes.length);
                bytes = Arrays.copyOf(bytes, (int) wanted);
                bytes[read++] = (byte) next;
            }
            int n = in.read(bytes, read, bytes.length - read);
            if (n < 0) break;
            read += n;
        }
        if (length >= 0 && read < length) throw new IOException("the client sent " + read + " of " + length + " bytes");
        if (read > maxBytes) throw tooLarge(read);
        return new Content(bytes, read);
    }

    private void reserve(Exchange exchange, long bytes) throws Failure {
        exchange.reservedBytes(exchange.reservedBytes() + bytes);
        if (allBytes.addAndGet(bytes) > maxAllBytes) {
            throw new Failure(413, "the request bodies in memory are over " + maxAllBytes / (1 << 20)
                + " MB; start llmsnap with a larger heap (java -Xmx) or send less at a time");
        }
    }

    /** Gives back what {@link #read} took for an exchange. */
    void release(Exchange exchange) {
        if (exchange.reservedBytes() > 0) allBytes.addAndGet(-exchange.reservedBytes());
        exchange.reservedBytes(0);
    }

    private Failure tooLarge(long length) {
        return new Failure(413, "the request body of " + length + " bytes is over the limit of " + maxBytes + " (--max-body)");
    }
}
