package llmsnap.record;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

class LogBufferTest {
    private static void line(LogBuffer log, String text) {
        byte[] line = (text + "\n").getBytes(StandardCharsets.UTF_8);
        log.append(line, line.length);
    }

    @Test void theLastLinesMayBeThoseSinceAMoment() {
        LogBuffer log = new LogBuffer(1000);
        line(log, "old");
        long since = log.written();
        assertThat(log.lastLines(9, 100, since)).isEmpty();
        line(log, "new");
        line(log, "newer");
        assertThat(log.lastLines(9, 100, since)).isEqualTo("new\nnewer");
    }

    @Test void theBeginningOfACharacterIsFound() {
        byte[] text = "aä€😀".getBytes(StandardCharsets.UTF_8);
        int[] incomplete = {0, 0, 1, 0, 1, 2, 0, 1, 2, 3, 0};
        for (int length = 0; length < incomplete.length; length++) {
            assertThat(LogBuffer.incomplete(text, length))
                .as("after " + length)
                .isEqualTo(incomplete[length]);
        }
        assertThat(
                        LogBuffer.incomplete(
                            new byte[] {(byte) 0x80, (byte) 0x80, (byte) 0x80, (byte) 0x80}, 4))
            .as("no text at all")
            .isZero();
    }

    private static String read(LogBuffer.Reader reader) throws InterruptedException {
        byte[] bytes = reader.read(1 << 20, 0);
        return bytes == null ? null : new String(bytes, StandardCharsets.UTF_8);
    }

    @Test void keepsTheNewestAndTellsALateReaderWhatItMissed() throws InterruptedException {
        LogBuffer log = new LogBuffer(30);
        LogBuffer.Reader early = log.reader(true);
        for (int i = 0; i < 10; i++) line(log, "line " + i); // 7 bytes each
        assertThat(new String(log.tail(100))).isEqualTo("line 6\nline 7\nline 8\nline 9\n");
        assertThat(new String(log.tail(8))).isEqualTo("\nline 9\n");
        assertThat(read(early)).isEqualTo("""
            [6 lines lost, this reader is too slow]
            line 6
            line 7
            line 8
            line 9
            """);
        assertThat(read(early)).isNull();
        assertThat(read(log.reader(true))).startsWith("line 6");
        LogBuffer.Reader late = log.reader(false);
        line(log, "x");
        assertThat(read(late)).isEqualTo("x\n");
        assertThat(read(early)).isEqualTo("x\n");
    }

    @Test void hugeLinesAndAnyBytesStayBounded() throws InterruptedException {
        LogBuffer log = new LogBuffer(100_000);
        byte[] line = new byte[10 << 20];
        for (int i = 0; i < line.length; i++) line[i] = (byte) i;
        log.append(line, line.length);
        assertThat(log.tail(Integer.MAX_VALUE))
            .hasSizeLessThanOrEqualTo(100_000)
            .endsWith(line[line.length - 2], line[line.length - 1]);
        LogBuffer.Reader reader = log.reader(true);
        int read = 0;
        for (byte[] piece; (piece = reader.read(10_000, 0)) != null; read += piece.length) {
            assertThat(piece.length).isLessThanOrEqualTo(10_000 + 8192);
        }
        assertThat(read).isEqualTo(log.tail(Integer.MAX_VALUE).length);
    }

    @Test void lastLines() {
        LogBuffer log = new LogBuffer(1000);
        assertThat(log.lastLines(3, 100, 0)).isEmpty();
        line(log, "a");
        line(log, "b");
        line(log, "c");
        assertThat(log.lastLines(2, 100, 0)).isEqualTo("b\nc");
        assertThat(log.lastLines(9, 100, 0)).isEqualTo("a\nb\nc");
        byte[] odd = {(byte) 0xff, 'x'};
        log.append(odd, 2);
        assertThat(log.lastLines(1, 100, 0)).endsWith("x");
    }

    @Test void aReaderThatWaitsIsWoken() throws Exception {
        LogBuffer log = new LogBuffer(1000);
        LogBuffer.Reader reader = log.reader(true);
        var got = new CompletableFuture<String>();
        Thread.ofVirtual()
            .start(
                () -> {
                    try {
                        got.complete(new String(reader.read(100, 30_000)));
                    } catch (InterruptedException e) {
                        got.completeExceptionally(e);
                    }
                });
        line(log, "hello");
        assertThat(got.get(30, TimeUnit.SECONDS)).isEqualTo("hello\n");
    }
}
