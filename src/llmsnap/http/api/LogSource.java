package llmsnap.http.api;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.util.Arrays;
import llmsnap.record.LogBuffer;

/** One log for one reader of events: whole characters. */
final class LogSource {
    final String name;
    private final LogBuffer.Reader reader;
    private byte[] begun = {};      // the first bytes of a character that was cut

    LogSource(String name, LogBuffer buffer) {
        this.name = name;
        this.reader = buffer.reader(true);
    }

    /** What has come, about {@code max} bytes of it; null for nothing. */
    String read(int max) throws InterruptedException {
        byte[] bytes = reader.read(max, 0);
        if (bytes == null) return null;
        byte[] all = Arrays.copyOf(begun, begun.length + bytes.length);
        System.arraycopy(bytes, 0, all, begun.length, bytes.length);
        int end = all.length - LogBuffer.incomplete(all, all.length);
        begun = Arrays.copyOfRange(all, end, all.length);
        return new String(all, 0, end, UTF_8);
    }

    boolean hasMore() {
        return reader.hasMore();
    }
}
