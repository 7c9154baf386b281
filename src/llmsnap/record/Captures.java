package llmsnap.record;

import static java.lang.Math.min;

import java.io.ByteArrayOutputStream;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import llmsnap.platform.Guard;
import llmsnap.record.Capture.Said;

/**
 * The captures, bounded by their bytes, those that are being made included: the oldest go first.
 */
final class Captures {
    /** What a capture and each of its headers cost beside their text. */
    private static final int COST_BYTES = 300;
    private static final int HEADER_COST_BYTES = 150;
    private static final int MAX_BYTES = 1 << 30;

    private final Guard guard = new Guard();     // guards kept and bytes
    private final Map<Long, Capture> kept = new LinkedHashMap<>();
    private long bytes;
    private volatile long maxBytes;

    /** From now on; but never more than an eighth of the heap. */
    void limit(int megabytes) {
        long heap = Runtime.getRuntime().maxMemory();
        maxBytes = min((long) megabytes << 20, min(heap / 8, MAX_BYTES));
        reserve(0);
    }

    Capture get(long id) {
        return guard.get(() -> kept.get(id));
    }

    /** Takes room, for which old captures go, or gives it back. @return false: not enough */
    private boolean reserve(long more) {
        return guard.get(() -> {
            var oldest = kept.values().iterator();
            while (bytes + more > maxBytes && oldest.hasNext()) {
                bytes -= oldest.next().bytes();
                oldest.remove();
            }
            if (more > 0 && bytes + more > maxBytes) return false;
            bytes += more;
            return true;
        });
    }

    /** Keeps what has its room already. @return false: there is less of it by now */
    boolean keep(Capture capture) {
        return guard.get(() -> {
            kept.put(capture.id(), capture);
            return reserve(0) && kept.containsKey(capture.id());
        });
    }

    /** Its row has gone: nobody would find it. */
    void forget(long id) {
        guard.run(() -> {
            Capture capture = kept.remove(id);
            if (capture != null) bytes -= capture.bytes();
        });
    }

    private static long size(Map<String, List<String>> headers) {
        long size = 0;
        for (Map.Entry<String, List<String>> header : headers.entrySet()) {
            size += HEADER_COST_BYTES + header.getKey().length();
            for (String value : header.getValue()) size += value.length();
        }
        return size;
    }

    /** A capture that is being made: it is kept whole or not at all. For one thread at a time. */
    final class Draft {
        private Said request;       // null: none is made
        private Map<String, List<String>> headers = Map.of();
        private ByteArrayOutputStream body = new ByteArrayOutputStream(0);
        private long reserved;

        /** Begins with what was asked, if there is room. It must not change any more. */
        void begin(String path, Map<String, List<String>> asked, byte[] bytes, int count) {
            if (count >= maxBytes) return;
            byte[] exact = bytes.length == count ? bytes : Arrays.copyOf(bytes, count);
            long size = COST_BYTES + path.length() + size(asked) + count;
            if (!reserve(size)) return;
            reserved = size;
            request = new Said(asked, exact);
        }

        /** The answer's head has come. @param expected bytes of its body, -1 when not known */
        void answer(Map<String, List<String>> answered, long expected) {
            if (request == null) return;
            headers = answered;
            // What will not fit makes no older one go for its first part.
            if (reserved + expected > maxBytes) drop();
            else grow(size(answered));
        }

        void add(byte[] bytes, int offset, int count) {
            if (request == null || !grow(count)) return;
            try {
                body.write(bytes, offset, count);
            } catch (OutOfMemoryError e) {
                drop();     // the answer matters more than its copy
            }
        }

        private boolean grow(long more) {
            if (reserved + more <= maxBytes && reserve(more)) {
                reserved += more;
                return true;
            }
            drop();
            return false;
        }

        /** Takes back the answer so far: nobody got it. */
        void clearAnswer() {
            reserve(-body.size());
            reserved -= body.size();
            body.reset();
        }

        private void drop() {
            reserve(-reserved);
            reserved = 0;
            request = null;
            body = new ByteArrayOutputStream(0);
        }

        /** What was kept, which has its room from now on; null for nothing. */
        Capture finish(long id, String path) {
            if (request == null) return null;
            try {
                var response = new Said(headers, body.toByteArray());
                return new Capture(id, path, request, response, reserved);
            } catch (OutOfMemoryError e) {
                drop();
                return null;
            }
        }
    }
}
