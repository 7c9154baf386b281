package llmsnap.record;

import static java.lang.Math.min;

import java.io.ByteArrayOutputStream;
import java.security.MessageDigest;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import llmsnap.record.Capture.Said;

/**
 * The captures, bounded by their bytes: the oldest go first. Those that are being made have a bound
 * of their own, the same: what may come to nothing makes no other go.
 */
final class Captures {
    /** What a capture costs beside its texts. */
    private static final int COST_BYTES = 400;
    private static final int MAX_BYTES = 1 << 30;

    // These two are guarded by who owns the captures: Activity.
    private final Map<Long, Capture> kept = new LinkedHashMap<>();
    private long bytes;
    private final AtomicLong draftBytes = new AtomicLong();
    private volatile long maxBytes;

    /** From now on; but never more than an eighth of the heap. */
    void limit(int megabytes) {
        long heap = Runtime.getRuntime().maxMemory();
        maxBytes = min((long) megabytes << 20, min(heap / 8, MAX_BYTES));
        makeRoom();
    }

    Capture get(long id) {
        return kept.get(id);
    }

    private void makeRoom() {
        var oldest = kept.values().iterator();
        while (bytes > maxBytes && oldest.hasNext()) {
            bytes -= oldest.next().bytes();
            oldest.remove();
        }
    }

    /** Keeps a capture, for which old ones may go. @return false: it is too large */
    boolean keep(Capture capture) {
        if (capture.bytes() > maxBytes) return false;
        kept.put(capture.id(), capture);
        bytes += capture.bytes();
        makeRoom();
        return true;
    }

    /** Its row has gone: nobody would find it. */
    void forget(long id) {
        Capture capture = kept.remove(id);
        if (capture != null) bytes -= capture.bytes();
    }

    private static String type(Map<String, List<String>> headers) {
        List<String> types = headers.get("content-type");
        if (types == null) types = headers.getOrDefault("Content-type", List.of());
        return types.isEmpty() ? "" : types.getFirst();
    }

    /** A capture that is being made: it is kept whole or not at all. For one thread at a time. */
    final class Draft {
        private Said request;       // null: none is made
        private String head = "";           // of the answer
        private String type = "";
        private ByteArrayOutputStream body = new ByteArrayOutputStream(0);
        private MessageDigest data;         // of a body that is only described; else null
        private long dataBytes;
        private long reserved;

        /** Begins with what was asked, if there is room. It must not change any more. */
        void begin(String path, Map<String, List<String>> asked, byte[] bytes, int count) {
            if (maxBytes == 0) return;
            String asking = Said.head(asked);
            try {
                request = Said.of(asking, Condensed.of(type(asked), bytes, count));
            } catch (OutOfMemoryError e) {
                return;
            }
            grow(COST_BYTES + path.length() + asking.length() + request.kept().length);
        }

        /** The answer's head has come. @param expected bytes of its body, -1 when not known */
        void answer(Map<String, List<String>> answered, long expected) {
            if (request == null) return;
            head = Said.head(answered);
            type = type(answered);
            if (Condensed.isData(type)) data = Condensed.digest();
            if (data == null && reserved + expected > maxBytes) drop();
            else grow(head.length());
        }

        void add(byte[] bytes, int offset, int count) {
            if (data != null) {
                data.update(bytes, offset, count);
                dataBytes += count;
            } else if (request != null && grow(count)) {
                try {
                    body.write(bytes, offset, count);
                } catch (OutOfMemoryError e) {
                    drop();     // the answer matters more than its copy
                }
            }
        }

        private boolean grow(long more) {
            reserved += more;
            if (draftBytes.addAndGet(more) <= maxBytes) return true;
            drop();
            return false;
        }

        /** Takes back the answer so far: nobody got it. */
        void clearAnswer() {
            grow(-body.size());
            body.reset();
            data = null;
            head = "";
            type = "";
        }

        private void drop() {
            draftBytes.addAndGet(-reserved);
            reserved = 0;
            request = null;
            data = null;
            body = new ByteArrayOutputStream(0);
        }

        /** What is to be kept; null for nothing. */
        Capture finish(long id, String path) {
            if (request == null) return null;
            try {
                byte[] said = data != null ? Condensed.described(type, dataBytes, data.digest())
                    : Condensed.of(type, body.toByteArray(), body.size());
                Said response = Said.of(head, said);
                long size = reserved - body.size() + response.kept().length;
                return new Capture(id, path, request, response, size);
            } catch (OutOfMemoryError e) {
                return null;
            } finally {
                drop();
            }
        }
    }
}
