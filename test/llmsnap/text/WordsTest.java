package llmsnap.text;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.junit.jupiter.api.Test;

class WordsTest {
    private static void splits(String command, String... words) {
        assertThat(Words.split(command)).as(command).containsExactly(words);
    }

    @Test void splitsAsAShellDoes() {
        splits("a b  c", "a", "b", "c");
        splits("  a\tb\n c\r\n", "a", "b", "c");
        splits("", new String[0]);
        splits("a 'b c' \"d e\"", "a", "b c", "d e");
        splits("a'b'\"c\"d", "abcd");
        splits("'' \"\"", "", "");
        splits("a\\ b c\\'d", "a b", "c'd");
        splits("\"a\\\"b\\\\c\\d\\$e\"", "a\"b\\c\\d$e");
        splits("'a\\b'", "a\\b");
        splits("a \\\n  b", "a", "b");
        splits("a\\\nb", "a", "b");
        splits("\"a\\\nb\"", "ab");
        splits("a\\", "a\\");
        splits("$HOME ~ * | > x", "$HOME", "~", "*", "|", ">", "x");
        splits("--json '{\"a\": \"b\"}'", "--json", "{\"a\": \"b\"}");
        splits("bash -c 'a\nb'", "bash", "-c", "a\nb");
    }

    @Test void unclosedQuotesAreSaidWithTheirPlace() {
        assertThatThrownBy(() -> Words.split("run 'model x"))
            .hasMessage("unclosed ' that opens at: run 'model x");
        assertThatThrownBy(() -> Words.split("a \"b")).hasMessageContaining("unclosed \"");
    }

    @Test void commentLinesGo() {
        assertThat(Words.withoutComments("a\n  # b\nc # d")).isEqualTo("a\nc # d");
        assertThat(Words.withoutComments("# a\nb")).isEqualTo("b");
    }

    @Test void nearest() {
        List<String> known =
            List.of("cmd", "cmdStop", "proxy", "checkEndpoint", "healthCheckTimeout");
        assertThat(Nearest.of("cmdstop", known)).isEqualTo("cmdStop");
        assertThat(Nearest.of("cmd_stop", known)).isEqualTo("cmdStop");
        assertThat(Nearest.of("health_check_timeout", known)).isEqualTo("healthCheckTimeout");
        assertThat(Nearest.of("checkEndpont", known)).isEqualTo("checkEndpoint");
        assertThat(Nearest.of("listen", known)).isNull();
    }
}
