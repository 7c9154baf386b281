package llmsnap.text;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SizeTest {
    @ParameterizedTest
    @CsvSource(textBlock = """
        24GB, 25769803776
        24GiB, 25769803776
        24 gb, 25769803776
        512MB, 536870912
        1.5G, 1610612736
        1000, 1000
        0, 0
        9000000T, 9223372036854775807
        24 gigs, -1
        -5GB, -1
        GB, -1
        1e9, -1
        """)
    void texts(String text, long bytes) {
        assertThat(Size.parse(text)).isEqualTo(bytes);
    }

    @ParameterizedTest
    @CsvSource(textBlock = """
        25769803776, 24 GB
        9771050598, 9.1 GB
        536870912, 512 MB
        100, 100 bytes
        """)
    void shown(long bytes, String text) {
        assertThat(Size.shown(bytes)).isEqualTo(text);
    }
}
