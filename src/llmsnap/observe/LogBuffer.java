package llmsnap.observe;

import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;

/**
 * The newest bytes of a log, and readers that follow it. Writers never wait: what a slow reader has not taken when it
 * falls out of the buffer is lost for that reader, which is told how many lines. Bytes are kept as they came.
 */
public final class LogBuffer {
    private static final int PIECE_BYTES = 8192;

    /** A run of bytes, and how many line ends the log had before it. */
    private record Piece(byte[] bytes, long linesBefore) {}

    private final int maxBytes;
    private final ReentrantLock lock = new ReentrantLock();     // guards the fields below
    private final Condition grown = lock.newCondition();
    private final Deque<Piece> pieces = new ArrayDeque<>();
    private long firstPiece;        // number of the oldest piece kept; pieces are numbered from 0
    private long lines;
    private int bytes;
    private int waiting;

    /** @param maxBytes how many bytes are kept, at least one piece of up to 8 KB more */
    public LogBuffer(int maxBytes) {
        this.maxBytes = maxBytes;
    }

    /** Adds bytes; the array is copied. */
    public void append(byte[] source, int offset, int length) {
        lock.lock();
        try {
            for (int from = offset, end = offset + length; from < end; from += PIECE_BYTES) {
                add(java.util.Arrays.copyOfRange(source, from, Math.min(end, from + PIECE_BYTES)));
            }
            if (waiting > 0) grown.signalAll();
        } finally {
            lock.unlock();
        }
    }

    /** Adds a line; the line end is added to it. */
    public void line(String text) {
        byte[] line = (text + "\n").getBytes(StandardCharsets.UTF_8);
        append(line, 0, line.length);
    }

    private void add(byte[] piece) {
        pieces.addLast(new Piece(piece, lines));
        bytes += piece.length;
        for (byte b : piece) if (b == '\n') lines++;
        while (bytes > maxBytes && pieces.size() > 1) {
            bytes -= pieces.removeFirst().bytes.length;
            firstPiece++;
        }
    }

    /** The newest {@code max} bytes. */
    public byte[] tail(int max) {
        lock.lock();
        try {
            byte[] all = new byte[bytes];
            int at = 0;
            for (Piece piece : pieces) {
                System.arraycopy(piece.bytes, 0, all, at, piece.bytes.length);
                at += piece.bytes.length;
            }
            return all.length <= max ? all : java.util.Arrays.copyOfRange(all, all.length - max, all.length);
        } finally {
            lock.unlock();
        }
    }

    /** The last {@code count} lines, at most {@code maxBytes} of them, as text; what is no UTF-8 is replaced. */
    public String lastLines(int count, int maxBytes) {
        String text = new String(tail(maxBytes), StandardCharsets.UTF_8).stripTrailing();
        int at = text.length();
        for (int i = 0; i < count && at >= 0; i++) at = text.lastIndexOf('\n', at - 1);
        return text.substring(at + 1);
    }

    /** A reader that starts with what is kept, or at the end. */
    public Reader reader(boolean withHistory) {
        lock.lock();
        try {
            return withHistory ? new Reader(firstPiece, pieces.isEmpty() ? lines : pieces.getFirst().linesBefore)
                : new Reader(firstPiece + pieces.size(), lines);
        } finally {
            lock.unlock();
        }
    }

    /** Follows the log. For one thread. */
    public final class Reader {
        private long next;
        private long linesSeen;

        private Reader(long next, long linesSeen) {
            this.next = next;
            this.linesSeen = linesSeen;
        }

        /**
         * What was written since the last call, up to {@code max} bytes and one piece; a note in square brackets stands
         * where lines were lost. Waits up to {@code patienceMs} for something to come.
         *
         * @return null when nothing came
         */
        public byte[] read(int max, long patienceMs) throws InterruptedException {
            lock.lockInterruptibly();
            try {
                long patience = TimeUnit.MILLISECONDS.toNanos(patienceMs);
                waiting++;
                try {
                    while (next == firstPiece + pieces.size()) {
                        if (patience <= 0) return null;
                        patience = grown.awaitNanos(patience);
                    }
                } finally {
                    waiting--;
                }
                return take(max);
            } finally {
                lock.unlock();
            }
        }

        private byte[] take(int max) {
            var out = new java.io.ByteArrayOutputStream();
            if (next < firstPiece) {
                long lost = Math.max(1, pieces.getFirst().linesBefore - linesSeen);
                out.writeBytes(("[" + lost + (lost == 1 ? " line" : " lines") + " lost, this reader is too slow]\n").getBytes(StandardCharsets.UTF_8));
                next = firstPiece;
            }
            long number = firstPiece;
            for (Piece piece : pieces) {
                if (number++ < next) continue;
                if (out.size() >= max) break;
                out.writeBytes(piece.bytes);
                next = number;
            }
            linesSeen = next == firstPiece + pieces.size() ? lines : linesBefore(next);
            return out.toByteArray();
        }

        private long linesBefore(long number) {
            long at = firstPiece;
            for (Piece piece : pieces) if (at++ == number) return piece.linesBefore;
            return lines;
        }
    }
}
