package llmsnap.http.proxy;

import static java.lang.Math.max;
import static java.lang.Math.min;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.util.Iterator;

/**
 * The body of a request, in memory or, of a large form, in a file. Its room is free when closed.
 */
final class Body implements AutoCloseable {
    private static final int PIECE_BYTES = 16 * 1024;

    private final byte[] bytes;         // null when it is in the file
    private final FileChannel file;
    private final long size;
    private final Runnable release;

    private Body(byte[] bytes, FileChannel file, long size, Runnable release) {
        this.bytes = bytes;
        this.file = file;
        this.size = size;
        this.release = release;
    }

    static Body inMemory(byte[] bytes, int length, Runnable release) {
        return new Body(bytes, null, length, release);
    }

    static Body inFile(FileChannel file, long size, Runnable release) {
        return new Body(null, file, size, release);
    }

    /** All of it and perhaps more: see {@link #size}. Null when it is in a file. */
    byte[] bytes() {
        return bytes;
    }

    long size() {
        return size;
    }

    /** Up to {@code count} bytes from {@code position} on; fewer only at the end. */
    byte[] read(long position, int count) {
        ByteBuffer read = ByteBuffer.allocate((int) max(0, min(count, size - position)));
        if (bytes != null) return read.put(bytes, (int) position, read.remaining()).array();
        try {
            while (file.read(read, position + read.position()) > 0) { }
            return read.array();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    BodyPublisher publisher() {
        return publisher(0, size);
    }

    /** Sends from..to. */
    BodyPublisher publisher(long from, long to) {
        if (from == to) return BodyPublishers.noBody();
        if (bytes != null) return BodyPublishers.ofByteArray(bytes, (int) from, (int) (to - from));
        BodyPublisher pieces = BodyPublishers.ofByteArrays(() -> new Iterator<>() {
            private long at = from;

            @Override public boolean hasNext() {
                return at < to;
            }

            @Override public byte[] next() {
                byte[] piece = read(at, (int) min(PIECE_BYTES, to - at));
                at += piece.length;
                return piece;
            }
        });
        return BodyPublishers.fromPublisher(pieces, to - from);
    }

    @Override public void close() {
        release.run();
    }
}
