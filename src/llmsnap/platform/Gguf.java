package llmsnap.platform;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.regex.Pattern;

/**
 * The header of a GGUF file, in which a model says what it is; its weights are not read. No number
 * in it is believed that the file is too short for, so that what is cut or made up ends with a
 * sentence, after little time and in little memory.
 */
public final class Gguf {
    /** True or false of {@link #header}: whether the chat template knows tools. */
    public static final String TOOLS = "tools";

    private static final int MAGIC = 'G' | 'G' << 8 | 'U' << 16 | 'F' << 24;
    private static final int BUFFER_BYTES = 64 * 1024;
    /** Of one text that is kept; the longest chat templates have 20,000. */
    private static final int MAX_TEXT_BYTES = 256 * 1024;
    private static final int MAX_ENTRIES = 65_536;
    private static final int MAX_TENSORS = 1 << 20;
    /** Vocabularies take 10 MB. */
    private static final long MAX_HEADER_BYTES = 256L << 20;
    private static final int MAX_DEPTH = 4;
    private static final int LEAST_ENTRY_BYTES = 13;
    private static final int LEAST_TENSOR_BYTES = 24;
    private static final int MAX_DIMENSIONS = 8;
    private static final int ALIGNMENT_BYTES = 32;
    private static final int STRING = 8;
    private static final int ARRAY = 9;
    /** The bytes of a value by its type; 0 for texts and arrays. */
    private static final int[] SIZES = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    /** Bits of a weight, by the tensor's type; of others their length is not checked. */
    private static final Map<Integer, Double> BITS = Map.ofEntries(Map.entry(0, 32.0),
        Map.entry(1, 16.0), Map.entry(2, 4.5), Map.entry(3, 5.0), Map.entry(6, 5.5),
        Map.entry(7, 6.0), Map.entry(8, 8.5), Map.entry(10, 2.625), Map.entry(11, 3.4375),
        Map.entry(12, 4.5), Map.entry(13, 5.5), Map.entry(14, 6.5625), Map.entry(30, 16.0));
    private static final int MAX_SHOWN = 100;
    private static final Pattern KEPT = Pattern.compile("general\\.(architecture|size_label"
        + "|file_type|alignment)|[^.]+\\.(context_length|pooling_type|has_[a-z]+_encoder)");
    private static final String TEMPLATE = "tokenizer.chat_template";

    private final FileChannel file;
    private final long size;
    private final ByteBuffer buffer =
        ByteBuffer.allocate(BUFFER_BYTES).order(ByteOrder.LITTLE_ENDIAN).limit(0);
    private long readBytes;
    private final Map<String, String> header = new HashMap<>();

    private Gguf(FileChannel file) throws IOException {
        this.file = file;
        this.size = file.size();
    }

    /**
     * What a file says of itself: its numbers and short texts by their key.
     *
     * @throws IOException with a sentence, when it is cut, no GGUF, or cannot be read
     */
    public static Map<String, String> header(Path path) throws IOException {
        try (FileChannel file = FileChannel.open(path)) {
            var gguf = new Gguf(file);
            gguf.read();
            return gguf.header;
        } catch (EOFException e) {
            throw new IOException("it is cut off: not copied to its end?");
        }
    }

    private void read() throws IOException {
        if (size < Integer.BYTES || int32() != MAGIC) throw new IOException("it is no GGUF");
        int version = int32();
        boolean swapped = (version & 0xffff) == 0;
        if (swapped) throw new IOException("it is a GGUF for big-endian machines");
        if (version != 2 && version != 3) {
            throw new IOException("it is a GGUF of version " + Integer.toUnsignedString(version)
                + "; there are 2 and 3");
        }
        long tensors = count(MAX_TENSORS, LEAST_TENSOR_BYTES);
        long entries = count(MAX_ENTRIES, LEAST_ENTRY_BYTES);
        for (long i = 0; i < entries; i++) entry();
        long needed = 0;
        for (long i = 0; i < tensors; i++) needed = Math.max(needed, tensor());
        String claimed = header.getOrDefault("general.alignment", String.valueOf(ALIGNMENT_BYTES));
        boolean odd = !claimed.matches("[1-9][0-9]{0,4}");
        if (odd) throw new IOException("it has an odd alignment");
        long alignment = Long.parseLong(claimed);
        long begin = (at() + alignment - 1) / alignment * alignment;
        if (needed > size - begin) throw new EOFException();
    }

    private void entry() throws IOException {
        String key = text(true);
        int type = int32();
        boolean template = key.equals(TEMPLATE) && type == STRING;
        boolean kept = template || KEPT.matcher(key).matches();
        String value = value(type, kept, 0);
        if (template) header.put(TOOLS, String.valueOf(value.contains("tools")));
        else if (kept && value != null) header.put(key, plain(value));
    }

    /** A short text that does no harm on a terminal. */
    private static String plain(String value) {
        String some = value.substring(0, Math.min(MAX_SHOWN, value.length()));
        return some.replaceAll("[^ -~]", "?");
    }

    /** @return where the tensor's bytes end, as far as that can be told, from the first one's */
    private long tensor() throws IOException {
        text(false);
        int dimensions = int32();
        boolean odd = dimensions < 0 || dimensions > MAX_DIMENSIONS;
        if (odd) throw new IOException("it has a tensor of " + dimensions + " dimensions");
        double values = 1;
        for (int i = 0; i < dimensions; i++) values *= int64();
        int type = int32();
        long offset = int64();
        boolean outside = offset < 0 || offset >= size || values < 0;
        double bytes = values * BITS.getOrDefault(type, 0.0) / Byte.SIZE;
        if (outside || bytes > size) throw new EOFException();
        return offset + Math.max(1, (long) bytes);
    }

    /** @return null for a value that is not kept */
    private String value(int type, boolean kept, int depth) throws IOException {
        if (type < 0 || type >= SIZES.length) throw new IOException("it has a value of no type");
        if (type == STRING) return text(kept);
        if (type == ARRAY) {
            array(depth + 1);
            return null;
        }
        fill(SIZES[type]);
        return switch (type) {
            case 0, 7 -> String.valueOf(buffer.get() & 0xff);
            case 1 -> String.valueOf(buffer.get());
            case 2 -> String.valueOf(buffer.getShort() & 0xffff);
            case 3 -> String.valueOf(buffer.getShort());
            case 4 -> Integer.toUnsignedString(buffer.getInt());
            case 5 -> String.valueOf(buffer.getInt());
            case 6 -> String.valueOf(buffer.getFloat());
            case 12 -> String.valueOf(buffer.getDouble());
            default -> String.valueOf(buffer.getLong());
        };
    }

    private void array(int depth) throws IOException {
        if (depth > MAX_DEPTH) throw new IOException("it has lists in lists in lists");
        int type = int32();
        if (type < 0 || type >= SIZES.length) throw new IOException("it has a list of no type");
        int least = SIZES[type] > 0 ? SIZES[type] : Long.BYTES;
        long count = count(Integer.MAX_VALUE, least);
        if (SIZES[type] > 0) {
            skip(count * SIZES[type]);
            return;
        }
        for (long i = 0; i < count; i++) value(type, false, depth);
    }

    // ---- bytes

    private long at() {
        return readBytes - buffer.remaining();
    }

    /** How many follow, each of at least that many bytes. */
    private long count(long most, int leastBytes) throws IOException {
        long count = int64();
        if (count >= 0 && count > (size - at()) / leastBytes) throw new EOFException();
        boolean odd = count < 0 || count > most;
        if (odd) throw new IOException("it claims " + Long.toUnsignedString(count) + " parts");
        return count;
    }

    private String text(boolean kept) throws IOException {
        long length = int64();
        if (length < 0 || length > size - at()) throw new EOFException();
        if (!kept || length > MAX_TEXT_BYTES) {
            skip(length);
            return "";
        }
        var bytes = new byte[(int) length];
        for (int done = 0; done < bytes.length; ) {
            fill(1);
            int some = Math.min(bytes.length - done, buffer.remaining());
            buffer.get(bytes, done, some);
            done += some;
        }
        return new String(bytes, UTF_8);
    }

    private int int32() throws IOException {
        fill(Integer.BYTES);
        return buffer.getInt();
    }

    private long int64() throws IOException {
        fill(Long.BYTES);
        return buffer.getLong();
    }

    private void fill(int bytes) throws IOException {
        if (readBytes > MAX_HEADER_BYTES) throw new IOException("its header has no end");
        if (buffer.remaining() >= bytes) return;
        buffer.compact();
        while (buffer.position() < bytes) {
            int n = file.read(buffer, readBytes);
            if (n < 0) throw new EOFException();
            readBytes += n;
        }
        buffer.flip();
    }

    private void skip(long bytes) throws IOException {
        if (bytes > size - at()) throw new EOFException();
        if (bytes <= buffer.remaining()) {
            buffer.position(buffer.position() + (int) bytes);
            return;
        }
        readBytes = at() + bytes;
        buffer.limit(0).position(0);
    }
}
