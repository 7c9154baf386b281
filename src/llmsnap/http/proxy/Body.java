package llmsnap.http.proxy;

import static java.lang.Math.max;
import static java.lang.Math.min;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.util.Arrays;
import java.util.stream.LongStream;
import llmsnap.http.server.Failure;
import llmsnap.text.JsonEdit;
import llmsnap.text.Malformed;

/**
 * The body of a request, in memory or, of a large form, in a file. Its room is free when closed.
 *
 * @param bytes all of it and perhaps more, see {@code size}; null when it is in the file
 */
public record Body(byte[] bytes, FileChannel file, long size, Runnable release)
        implements AutoCloseable {
    private static final int PIECE_BYTES = 16 * 1024;
    /** A byte order mark, which some editors put before JSON. */
    private static final byte[] BOM = {(byte) 0xEF, (byte) 0xBB, (byte) 0xBF};

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

    /** The JSON object that it is. @throws Failure 400 when it is none */
    public JsonEdit json() throws Failure {
        try {
            boolean marked = size >= BOM.length && Arrays.mismatch(bytes, BOM) == BOM.length;
            byte[] json = marked ? Arrays.copyOfRange(bytes, BOM.length, (int) size) : bytes;
            return new JsonEdit(json, marked ? json.length : (int) size);
        } catch (Malformed e) {
            throw noJson(e);
        }
    }

    /** The refusal of a body that is no JSON object. */
    static Failure noJson(Malformed e) {
        return new Failure(400, "the request body is not a JSON object: " + e.getMessage())
            .as("invalid_json", null);
    }

    /** Sends from..to. */
    BodyPublisher publisher(long from, long to) {
        if (from == to) return BodyPublishers.noBody();
        if (bytes != null) return new ArrayPublisher(bytes, (int) from, (int) (to - from)).sized();
        Iterable<byte[]> pieces = () -> LongStream
            .iterate(from, at -> at < to, at -> at + PIECE_BYTES)
            .mapToObj(at -> read(at, (int) min(PIECE_BYTES, to - at))).iterator();
        return BodyPublishers.fromPublisher(BodyPublishers.ofByteArrays(pieces), to - from);
    }

    @Override public void close() {
        release.run();
    }
}
