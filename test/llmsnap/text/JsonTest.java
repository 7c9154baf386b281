package llmsnap.text;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class JsonTest {
    @ParameterizedTest
    @ValueSource(
        strings = {
            "{}",
            "[]",
            "null",
            "true",
            "-0",
            "1.50",
            "1e+10",
            "\"a\"",
            "{\"a\":[1,{\"b\":null}],\"c\":\"\\n\"}",
            "[[[]]]"
        })
    void whatIsReadIsWrittenAgain(String json) throws Malformed {
        assertThat(Json.parse(" " + json + "\n").toString()).isEqualTo(json);
    }

    @ParameterizedTest
    @ValueSource(
        strings = {
            "",
            "{",
            "[1,]",
            "{\"a\"}",
            "{\"a\":1,}",
            "{a:1}",
            "01",
            "1.",
            ".5",
            "+1",
            "\"a",
            "\"\\x\"",
            "\"\\u12g4\"",
            "\"\t\"",
            "tru",
            "nul",
            "1 2",
            "{\"a\":1}}",
            "'a'",
            "[1 2]",
            "-",
            "1e",
            "\u00a0 1"
        })
    void whatIsNoJsonIsRefused(String text) {
        assertThatThrownBy(() -> Json.parse(text)).as(text).isInstanceOf(Malformed.class);
    }

    @Test void escapes() throws Malformed {
        assertThat(Json.parse("\"\\u00e9\\ud83d\\ude00\\/\\b\\f\""))
            .isEqualTo(new Json.Str("é😀/\b\f"));
        assertThat(new Json.Str("<\u0001\u2028\ud800>").toString())
            .isEqualTo("\"<\\u0001\\u2028\\ud800>\"");
    }

    @Test void depthIsBounded() {
        assertThatThrownBy(() -> Json.parse("[".repeat(100_000)))
            .isInstanceOf(Malformed.class)
            .hasMessageContaining("nested deeper");
    }

    @Test void paths() throws Malformed {
        Json.Obj value = (Json.Obj) Json.parse("{\"a\":{\"b\":\"c\"},\"d\":1}");
        assertThat(value.text("a", "b")).isEqualTo("c");
        assertThat(value.at("a", "x")).isNull();
        assertThat(value.at("d", "x")).isNull();
    }

    @Test void numbersAsGoWritesThem() {
        assertThat(Json.number(1.0)).isEqualTo("1");
        assertThat(Json.number(0.7)).isEqualTo("0.7");
        assertThat(Json.number(-1.5e-9)).isEqualTo("-1.5e-09");
        assertThat(Json.number(1e21)).isEqualTo("1e+21");
        assertThat(Json.number(123456.789)).isEqualTo("123456.789");
    }
}
