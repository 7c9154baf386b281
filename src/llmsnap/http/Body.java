package llmsnap.http;

import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Reads request bodies, within bounds: one for each body, one for all that are in memory at a time. Large forms go
 * through a temporary file.
 */
final class Body {
    private static final int FORM_IN_MEMORY_BYTES = 32 << 20;
    private static final int READ_AT_ONCE_BYTES = 256 << 10;
    private static final int FIRST_BYTES = 256 << 10;
    private static final int SECOND_BYTES = 64 << 20;
    private static final int MAX_ARRAY = Integer.MAX_VALUE - 16;

    private final long maxBytes;
    private final long maxAllBytes = Runtime.getRuntime().maxMemory() / 10 * 6;
    private final AtomicLong allBytes = new AtomicLong();

    /** The bytes {@code 0..length} of {@code bytes}. */
    record Content(byte[] bytes, int length) implements Form {
        @Override public int read(long position, byte[] to, int offset, int count) {
            int n = (int) Math.min(count, length - position);
            System.arraycopy(bytes, (int) position, to, offset, n);
            return n;
        }

        @Override public long size() {
            return length;
        }

        @Override public BodyPublisher piece(long from, long to) {
            return BodyPublishers.ofByteArray(bytes, (int) from, (int) (to - from));
        }

        @Override public void close() {}
    }

    /** A form's body, in memory or in a file that goes when it is closed. */
    interface Form extends Multipart.Source, AutoCloseable {
        BodyPublisher piece(long from, long to);

        @Override void close();
    }

    /** A body in a temporary file. */
    private record Spilled(Path file, FileChannel channel, long size) implements Form {
        @Override public int read(long position, byte[] to, int offset, int count) throws IOException {
            int n = channel.read(ByteBuffer.wrap(to, offset, (int) Math.min(count, size - position)), position);
            if (n <= 0) throw new EOFException("the temporary file " + file + " is too short");
            return n;
        }

        @Override public BodyPublisher piece(long from, long to) {
            return BodyPublishers.fromPublisher(BodyPublishers.ofInputStream(() -> new InputStream() {
                private long at = from;

                @Override public int read() throws IOException {
                    byte[] one = new byte[1];
                    return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
                }

                @Override public int read(byte[] bytes, int offset, int count) throws IOException {
                    if (at == to) return -1;
                    int n = Spilled.this.read(at, bytes, offset, (int) Math.min(count, to - at));
                    at += n;
                    return n;
                }
            }), to - from);
        }

        @Override public void close() {
            try {
                channel.close();
                Files.deleteIfExists(file);
            } catch (IOException e) {
                // the system's temporary folder keeps it until it is cleaned
            }
        }
    }

    /** @param maxBytes of one body */
    Body(long maxBytes) {
        this.maxBytes = maxBytes;
    }

    /**
     * Reads all of the body.
     *
     * @throws Failure 413 when it is over a bound, 400 when it cannot be read; {@link #release} gives the memory free again
     */
    Content read(Exchange exchange) throws Failure {
        try {
            return readAll(exchange);
        } catch (IOException e) {
            exchange.unreadable = true;
            throw new Failure(400, "the request body cannot be read: " + e.getMessage());
        } catch (OutOfMemoryError e) {
            throw tooMuch();
        }
    }

    private Content readAll(Exchange exchange) throws IOException, Failure {
        String declared = exchange.requestHeaders().getFirst("Content-length");
        long length = declared == null ? -1 : Long.parseLong(declared.strip());
        if (length > maxBytes) throw tooLarge(length);
        InputStream in = exchange.http.getRequestBody();
        // A large body gets its room when a part of it has come: a client that only announces one takes little memory.
        byte[] bytes = new byte[(int) (length >= 0 ? Math.min(length, FIRST_BYTES) : 8192)];
        reserve(exchange, bytes.length);
        int read = 0;
        while (true) {
            if (read == bytes.length) {
                int next = length == read ? -1 : in.read();
                if (next < 0) break;
                long more = length >= 0 && bytes.length <= FIRST_BYTES ? SECOND_BYTES : Math.max(1024, bytes.length * 2L);
                long wanted = Math.min(more, length >= 0 ? length : MAX_ARRAY);
                if (read >= maxBytes || wanted <= read) throw tooLarge(read + 1L);
                reserve(exchange, wanted);      // both are there while one is copied
                int before = bytes.length;
                bytes = Arrays.copyOf(bytes, (int) wanted);
                reserve(exchange, -before);
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

    /** Reads a form: in memory up to 32 MB, beyond that into a temporary file. To be closed. @throws Failure 413 when it is too large */
    Form readForm(Exchange exchange) throws IOException, Failure {
        String declared = exchange.requestHeaders().getFirst("Content-length");
        if (declared != null && Long.parseLong(declared.strip()) <= FORM_IN_MEMORY_BYTES) return read(exchange);
        if (declared != null && Long.parseLong(declared.strip()) > maxBytes) throw tooLarge(Long.parseLong(declared.strip()));
        InputStream in = exchange.http.getRequestBody();
        Path file = Files.createTempFile("llmsnap", ".form");
        FileChannel channel = FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE);
        long size = 0;
        try {
            byte[] buffer = new byte[64 * 1024];
            for (int n; (n = in.read(buffer)) >= 0; size += n) {
                if (size + n > maxBytes) throw tooLarge(size + n);
                ByteBuffer piece = ByteBuffer.wrap(buffer, 0, n);
                while (piece.hasRemaining()) channel.write(piece);
            }
            if (declared != null && size < Long.parseLong(declared.strip())) throw new IOException("the client sent " + size + " of " + declared + " bytes");
            return new Spilled(file, channel, size);
        } catch (IOException | Failure e) {
            new Spilled(file, channel, size).close();
            throw e;
        }
    }

    /** The body if it is a small one, read at once; null for one that is to be passed on as it comes. */
    Content readSmall(Exchange exchange) throws Failure {
        String declared = exchange.requestHeaders().getFirst("Content-length");
        return declared != null && Long.parseLong(declared.strip()) <= READ_AT_ONCE_BYTES ? read(exchange) : null;
    }

    /** The body as it comes, read while it is sent on. */
    BodyPublisher passing(Exchange exchange) {
        String declared = exchange.requestHeaders().getFirst("Content-length");
        boolean none = declared == null ? !exchange.requestHeaders().containsKey("Transfer-encoding") : declared.strip().equals("0");
        if (none) return BodyPublishers.noBody();
        BodyPublisher body = BodyPublishers.ofInputStream(exchange.http::getRequestBody);
        return declared == null ? body : BodyPublishers.fromPublisher(body, Long.parseLong(declared.strip()));
    }

    private void reserve(Exchange exchange, long bytes) throws Failure {
        exchange.reservedBytes(exchange.reservedBytes() + bytes);
        if (allBytes.addAndGet(bytes) > maxAllBytes) throw tooMuch();
    }

    /** The refusal of a body that the heap has no room for. */
    Failure tooMuch() {
        return new Failure(413, "the request bodies in memory are over " + maxAllBytes / (1 << 20)
            + " MB; start llmsnap with a larger heap (java -Xmx) or send less at a time");
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
