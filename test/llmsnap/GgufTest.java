package llmsnap;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import llmsnap.platform.Gguf;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Headers of GGUF files: what is read, and that nothing they claim does harm. */
class GgufTest {
    private static final int UINT32 = 4;
    private static final int STRING = 8;
    private static final int ARRAY = 9;
    private static final long HUGE = 1L << 60;

    @TempDir Path folder;

    /** A small file: made here, so that the test needs no model. */
    static byte[] sample() {
        ByteBuffer all = ByteBuffer.allocate(4096).order(ByteOrder.LITTLE_ENDIAN);
        all.put("GGUF".getBytes(UTF_8)).putInt(3).putLong(1).putLong(5);
        text(all, "general.architecture").putInt(STRING);
        text(all, "qwen2");
        text(all, "qwen2.context_length").putInt(UINT32).putInt(32_768);
        text(all, "general.size_label").putInt(STRING);
        text(all, "7B");
        text(all, "tokenizer.ggml.tokens").putInt(ARRAY).putInt(STRING).putLong(3);
        text(text(text(all, "<s>"), "a"), "b");
        text(all, "tokenizer.chat_template").putInt(STRING);
        text(all, "{% if tools %}x{% endif %}");
        text(all, "token_embd.weight").putInt(2).putLong(8).putLong(4).putInt(0).putLong(0);
        while (all.position() % 32 != 0) all.put((byte) 0);
        return Arrays.copyOf(all.array(), all.position() + 128);
    }

    private static ByteBuffer text(ByteBuffer to, String text) {
        return to.putLong(text.length()).put(text.getBytes(UTF_8));
    }

    private Path file(byte[] bytes) throws IOException {
        return Files.write(folder.resolve("x.gguf"), bytes);
    }

    @Test void whatAModelIsStandsInItsHeader() throws IOException {
        assertThat(Gguf.header(file(sample()))).isEqualTo(Map.of(
            "general.architecture", "qwen2", "qwen2.context_length", "32768",
            "general.size_label", "7B", "tools", "true"));
    }

    private String answer(byte[] bytes) {
        try {
            return Gguf.header(file(bytes)).toString();
        } catch (IOException e) {
            assertThat(e.getMessage()).startsWith("it ").doesNotContain("Exception");
            return e.getMessage();
        }
    }

    @Test void everyByteFlippedIsAnAnswerOrASentence() {
        byte[] good = sample();
        int answered = 0;
        for (int i = 0; i < good.length; i++) {
            for (int flip : new int[] {0x01, 0x80, 0xff}) {
                byte[] bad = good.clone();
                bad[i] ^= (byte) flip;
                if (answer(bad).startsWith("{")) answered++;
            }
        }
        assertThat(answered).isBetween(100, good.length * 3 - 100);
    }

    @Test void everyLengthCutIsASentence() {
        byte[] good = sample();
        int header = good.length - 128;
        for (int length = 0; length < header; length++) {
            assertThat(answer(Arrays.copyOf(good, length)))
                .isIn("it is no GGUF", "it is cut off: not copied to its end?");
        }
    }

    @Test void claimsBeyondTheFileAreNotBelieved() {
        for (int at : new int[] {8, 16}) {          // counts of tensors and of entries
            for (long claim : new long[] {HUGE, -1, Integer.MAX_VALUE}) {
                byte[] bad = sample();
                ByteBuffer.wrap(bad).order(ByteOrder.LITTLE_ENDIAN).putLong(at, claim);
                assertThat(answer(bad)).startsWith("it ");
            }
        }
        byte[] length = sample();
        ByteBuffer.wrap(length).order(ByteOrder.LITTLE_ENDIAN).putLong(24, HUGE);
        assertThat(answer(length)).isEqualTo("it is cut off: not copied to its end?");
    }

    @Test void otherKindsOfFilesAreToldFromOneAnother() {
        byte[] old = sample();
        old[4] = 1;
        assertThat(answer(old)).contains("version 1");
        byte[] swapped = sample();
        swapped[4] = 0;
        swapped[7] = 3;
        assertThat(answer(swapped)).contains("big-endian");
        assertThat(answer("PK is a zip".getBytes(UTF_8))).isEqualTo("it is no GGUF");
        assertThat(answer(new byte[0])).isEqualTo("it is no GGUF");
    }

    @Test void realFilesAreReadAndTheirEveryByteMayBeWrong() throws IOException {
        Path real = Path.of(System.getenv().getOrDefault("LLMSNAP_TEST_MODELS",
            "/opt/tiny-models")).resolve("alpha.gguf");
        if (!Files.exists(real)) return;
        assertThat(Gguf.header(real)).containsEntry("general.architecture", "llama");
        byte[] good = Files.readAllBytes(real);
        for (int i = 0; i < 20_000; i += 7) {
            byte before = good[i];
            good[i] ^= (byte) 0xff;
            answer(good);
            good[i] = before;
        }
    }
}
