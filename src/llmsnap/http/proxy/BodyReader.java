package llmsnap.http.proxy;

import static java.lang.Math.min;
import static java.nio.file.StandardOpenOption.DELETE_ON_CLOSE;
import static java.nio.file.StandardOpenOption.READ;
import static java.nio.file.StandardOpenOption.WRITE;

import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import java.util.zip.GZIPInputStream;
import java.util.zip.InflaterInputStream;
import llmsnap.http.server.Exchange;
import llmsnap.http.server.Failure;

/**
 * Reads request bodies, within bounds: one for each body, one for all that are in memory at a time.
 * Large forms go through a temporary file: the field that names their model may come last.
 */
public final class BodyReader {
    private static final int FORM_IN_MEMORY_BYTES = 32 << 20;
    private static final int READ_AT_ONCE_BYTES = 256 << 10;
    private static final int FIRST_BYTES = 256 << 10;
    private static final int FIRST_UNKNOWN_BYTES = 8 << 10;
    private static final int GROWTH = 4;
    private static final int COPY_BYTES = 64 << 10;
    private static final Set<String> UNDONE =
        Set.of("", "identity", "gzip", "x-gzip", "deflate");
    private static final int MAX_ARRAY = Integer.MAX_VALUE - 16;

    private final long maxBytes;
    private final long maxAllBytes = Runtime.getRuntime().maxMemory() / 10 * 6;
    private final AtomicLong allBytes = new AtomicLong();

    /** The room that one body takes in memory. */
    private final class Room {
        private long bytes;

        void take(long more) throws Failure {
            bytes += more;
            if (allBytes.addAndGet(more) <= maxAllBytes) return;
            if (bytes > maxAllBytes) throw tooLarge(bytes, maxAllBytes, "java -Xmx");
            throw tooMuch();
        }

        void free() {
            allBytes.addAndGet(-bytes);
            bytes = 0;
        }
    }

    /** @param maxBytes of one body */
    public BodyReader(long maxBytes) {
        this.maxBytes = maxBytes;
    }

    /** Reads a body. @throws Failure 413 when it is over a bound, 400 when it cannot be read */
    public Body read(Exchange exchange) throws Failure {
        var room = new Room();
        return complete(exchange, room::free, () -> read(exchange, room));
    }

    private interface Reading {
        Body read() throws IOException, Failure;
    }

    /** @param free what is to be done when it comes to nothing */
    private Body complete(Exchange exchange, Runnable free, Reading reading) throws Failure {
        Body body = null;
        try {
            body = reading.read();
            return body;
        } catch (IOException e) {
            exchange.closeAfterAnswer();
            throw new Failure(400, "the request body cannot be read: " + e.getMessage());
        } catch (RuntimeException | StackOverflowError e) {
            exchange.closeAfterAnswer();        // the JDK's readers throw some at bad chunks
            throw new Failure(400, "the request body is not encoded as HTTP wants it");
        } catch (OutOfMemoryError e) {
            throw tooMuch();
        } finally {
            if (body == null) free.run();
        }
    }

    private Body read(Exchange exchange, Room room) throws IOException, Failure {
        String encoding = encoding(exchange);
        long declared = encoding.isEmpty() ? exchange.contentLength() : -1;
        long most = declared >= 0 ? min(declared, MAX_ARRAY) : MAX_ARRAY;
        if (declared > maxBytes) throw tooLarge(declared);
        InputStream in = switch (encoding) {
            case "" -> exchange.body();
            case "gzip", "x-gzip" -> new GZIPInputStream(exchange.body());
            default -> new InflaterInputStream(exchange.body());
        };
        // A large body gets its room when a part of it has come: one that is only announced takes
        // little.
        byte[] bytes = new byte[(int) min(most, declared < 0 ? FIRST_UNKNOWN_BYTES : FIRST_BYTES)];
        room.take(bytes.length);
        int read = 0;
        while (true) {
            int n = in.read(bytes, read, bytes.length - read);
            if (n > 0) read += n;
            if (read < bytes.length && n >= 0) continue;
            int next = n < 0 || read == declared ? -1 : in.read();
            if (next < 0) break;
            long wanted = min((long) bytes.length * GROWTH, most);
            if (read >= maxBytes || wanted <= read) throw tooLarge(read + 1L);
            room.take(wanted);      // both are there while one is copied
            int before = bytes.length;
            bytes = Arrays.copyOf(bytes, (int) wanted);
            room.take(-before);
            bytes[read++] = (byte) next;
        }
        checkComplete(read, declared);
        if (read > maxBytes) throw tooLarge(read);
        return new Body(bytes, null, read, room::free);
    }

    /** The Content-Encoding that has to be undone, or "". @throws Failure for one that cannot be */
    private static String encoding(Exchange exchange) throws Failure {
        String encoding = exchange.headerText("Content-encoding");
        String word = encoding.strip().toLowerCase(Locale.ROOT);
        if (UNDONE.contains(word)) return word.equals("identity") ? "" : word;
        exchange.responseHeaders().set("Accept-Encoding", "gzip, deflate");
        throw new Failure(415, "the Content-Encoding \"" + Failure.shown(encoding)
            + "\" of the request is not understood, only gzip and deflate");
    }

    private static void checkComplete(long read, long declared) throws IOException {
        if (read >= declared) return;
        throw new IOException("the client sent " + read + " of " + declared + " bytes");
    }

    /** Reads a form, a large one into a temporary file. @throws Failure as {@link #read} */
    Body readForm(Exchange exchange) throws Failure {
        long declared = exchange.contentLength();
        boolean small = declared >= 0 && declared <= FORM_IN_MEMORY_BYTES;
        if (small || !encoding(exchange).isEmpty()) return read(exchange);
        if (declared > maxBytes) throw tooLarge(declared);
        FileChannel file = temporaryFile();
        Runnable close = () -> close(file);
        return complete(exchange, close,
            () -> new Body(null, file, spill(exchange, file), close));
    }

    private static FileChannel temporaryFile() throws Failure {
        try {
            Path path = Files.createTempFile("llmsnap", ".form");
            FileChannel file = FileChannel.open(path, READ, WRITE, DELETE_ON_CLOSE);
            // Nobody finds it, and nothing is left behind, however this process ends.
            if (File.separatorChar == '/') Files.deleteIfExists(path);
            return file;
        } catch (IOException e) {
            throw noRoom(e);
        }
    }

    /** Deletes what a crash at the wrong moment has left; who still has one open keeps it. */
    public static void sweep() throws IOException {
        Path folder = Path.of(System.getProperty("java.io.tmpdir"));
        try (DirectoryStream<Path> forms = Files.newDirectoryStream(folder, "llmsnap*.form")) {
            for (Path each : forms) Files.deleteIfExists(each);
        }
    }

    private static Failure noRoom(IOException e) {
        return new Failure(507, "a large form goes through a temporary file, for which there is no"
            + " room in " + System.getProperty("java.io.tmpdir") + " (" + e.getMessage()
            + "); make some, or name another folder with java -Djava.io.tmpdir=DIR");
    }

    private long spill(Exchange exchange, FileChannel file) throws IOException, Failure {
        InputStream in = exchange.body();
        byte[] buffer = new byte[COPY_BYTES];
        long size = 0;
        for (int n; (n = in.read(buffer)) >= 0; size += n) {
            if (size + n > maxBytes) throw tooLarge(size + n);
            ByteBuffer piece = ByteBuffer.wrap(buffer, 0, n);
            try {
                while (piece.hasRemaining()) file.write(piece);
            } catch (IOException e) {
                throw noRoom(e);
            }
        }
        checkComplete(size, exchange.contentLength());
        return size;
    }

    private static void close(FileChannel file) {
        try {
            file.close();
        } catch (IOException e) {
            // the system's temporary folder keeps it until it is cleaned
        }
    }

    /** A small body is read at once; null for one that is to be passed on as it comes. */
    Body readSmall(Exchange exchange) throws Failure {
        long length = exchange.contentLength();
        boolean plain = exchange.header("Content-encoding") == null;
        return plain && length >= 0 && length <= READ_AT_ONCE_BYTES ? read(exchange) : null;
    }

    /** The body as it comes, read while it is sent on. */
    static BodyPublisher passing(Exchange exchange) {
        long length = exchange.contentLength();
        if (length == 0) return BodyPublishers.noBody();
        BodyPublisher body = BodyPublishers.ofInputStream(exchange::body);
        return length < 0 ? body : BodyPublishers.fromPublisher(body, length);
    }

    /** The refusal of a body that the heap has no room for. */
    Failure tooMuch() {
        return new Failure(503, "the request bodies in memory are over " + maxAllBytes / (1 << 20)
            + " MB for now; try again in a moment, or start llmsnap with a larger heap"
            + " (java -Xmx)");
    }

    private Failure tooLarge(long length) {
        return tooLarge(length, maxBytes, "--max-body");
    }

    private static Failure tooLarge(long length, long most, String how) {
        return new Failure(413, "the request body of " + length + " bytes is over the limit of "
            + most + " (" + how + ")");
    }
}
