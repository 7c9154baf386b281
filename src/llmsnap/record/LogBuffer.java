package llmsnap.record;

import static java.lang.Math.max;
import static java.lang.Math.min;
import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.ByteArrayOutputStream;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.stream.LongStream;
import llmsnap.platform.Guard;

/**
 * The newest bytes of a log, and readers that follow it. Writers never wait: what a slow reader has
 * not taken when it falls out of the buffer is lost for that reader, which is told how many lines.
 * Bytes are kept as they came; what is read ends where a character does, if all that was added did.
 */
public final class LogBuffer {
    private static final int PIECE_BYTES = 8192;
    private static final int MIN_PIECES = 1024;
    private static final int SMALL_PIECE_BYTES = 64;

    /** A run of bytes, and how many line ends the log had before it. */
    private record Piece(byte[] bytes, long linesBefore) {}

    private final int maxBytes;
    private final Guard guard = new Guard();     // guards the fields below
    private final Condition grown = guard.newCondition();
    private final Map<Long, Piece> pieces = new HashMap<>();     // by number, from 0, without gaps
    private long endPiece;                                              // number of the next one
    private long lines;
    private int bytes;
    private volatile long written;
    private final List<Runnable> listeners = new CopyOnWriteArrayList<>();

    /** @param maxBytes how many bytes are kept, at least one piece of up to 8 KB more */
    public LogBuffer(int maxBytes) {
        this.maxBytes = maxBytes;
    }

    /** Adds bytes; the array is copied. */
    public void append(byte[] source, int length) {
        guard.run(() -> {
            for (int from = 0, to; from < length; from = to) {
                to = min(length, from + PIECE_BYTES);
                if (to < length) to -= incomplete(source, to);
                add(Arrays.copyOfRange(source, from, to));
            }
            grown.signalAll();
        });
        for (Runnable listener : listeners) listener.run();
    }

    /**
     * How many of the last of {@code length} bytes begin a UTF-8 character that is not complete.
     */
    public static int incomplete(byte[] bytes, int length) {
        for (int back = 1; back <= min(3, length); back++) {
            int ones = Integer.numberOfLeadingZeros(~(bytes[length - back] << 24));
            if (ones != 1) return back < ones ? back : 0;   // as many as the character has bytes
        }
        return 0;
    }

    /** Has {@code listener} run by whoever adds bytes; it has to return at once. */
    public void listen(Runnable listener) {
        listeners.add(listener);
    }

    public void unlisten(Runnable listener) {
        listeners.remove(listener);
    }

    private void add(byte[] piece) {
        pieces.put(endPiece++, new Piece(piece, lines));
        bytes += piece.length;
        written += piece.length;
        for (byte b : piece) if (b == '\n') lines++;
        // Tiny pieces are bounded by their number, since each costs more than its bytes.
        int most = max(MIN_PIECES, maxBytes / SMALL_PIECE_BYTES);
        while ((bytes > maxBytes || pieces.size() > most) && pieces.size() > 1) {
            bytes -= pieces.remove(firstPiece()).bytes.length;
        }
    }

    private long firstPiece() {
        return endPiece - pieces.size();
    }

    /** The newest {@code max} bytes. */
    public byte[] tail(int max) {
        return guard.get(() -> {
            var all = new ByteArrayOutputStream(bytes);
            for (long i = firstPiece(); i < endPiece; i++) all.writeBytes(pieces.get(i).bytes);
            byte[] whole = all.toByteArray();
            return Arrays.copyOfRange(whole, max(0, whole.length - max), whole.length);
        });
    }

    /** How many bytes were ever added: a place to remember, see {@link #lastLines}. */
    public long written() {
        return written;
    }

    /**
     * The last {@code count} lines of those since that place, at most {@code maxBytes}, as text.
     */
    public String lastLines(int count, int maxBytes, long since) {
        byte[] tail = tail((int) min(maxBytes, written() - since));
        var text = new String(tail, UTF_8).stripTrailing();
        int at = text.length();
        for (int i = 0; i < count && at >= 0; i++) at = text.lastIndexOf('\n', at - 1);
        return text.substring(at + 1);
    }

    /** A reader that starts with what is kept, or at the end. */
    public Reader reader(boolean withHistory) {
        return guard.get(() -> new Reader(withHistory ? firstPiece() : endPiece));
    }

    private long linesBefore(long number) {
        return number == endPiece ? lines : pieces.get(number).linesBefore;
    }

    /** Follows the log. For one thread. */
    public final class Reader {
        private long next;
        private long linesSeen;

        private Reader(long next) {
            this.next = next;
            this.linesSeen = linesBefore(next);
        }

        /**
         * What was written since the last call, up to {@code max} bytes and one piece; a note in
         * square brackets stands where lines were lost. Waits up to {@code patienceMs} for
         * something.
         *
         * @return null when nothing came
         */
        public byte[] read(int max, long patienceMs) throws InterruptedException {
            guard.lockInterruptibly();
            try {
                long patience = TimeUnit.MILLISECONDS.toNanos(patienceMs);
                while (next == endPiece) {
                    if (patience <= 0) return null;
                    patience = grown.awaitNanos(patience);
                }
                return take(max);
            } finally {
                guard.unlock();
            }
        }

        /** How many bytes wait to be read. */
        public int left() {
            return guard.get(() -> LongStream.range(max(next, firstPiece()), endPiece)
                .mapToInt(i -> pieces.get(i).bytes.length).sum());
        }

        private byte[] take(int max) {
            var out = new ByteArrayOutputStream();
            if (next < firstPiece()) {
                long lost = max(1, linesBefore(firstPiece()) - linesSeen);
                String note = lost + (lost == 1 ? " line" : " lines");
                out.writeBytes(("[" + note + " lost, this reader is too slow]\n").getBytes(UTF_8));
                next = firstPiece();
            }
            while (next < endPiece && out.size() < max) out.writeBytes(pieces.get(next++).bytes);
            linesSeen = linesBefore(next);
            return out.toByteArray();
        }
    }
}
