package llmsnap.config;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import llmsnap.config.Config.Model;
import llmsnap.config.Problems.Problem;
import org.junit.jupiter.api.Test;

/** Macros before types, commands that only look right, ports that others hold. */
class CommandTest {
    private static ConfigReader.Result read(String yaml) {
        return ConfigReader.read(yaml.getBytes(StandardCharsets.UTF_8), name -> null, Map.of(),
            port -> port == 5800);
    }

    private static Config config(String yaml) {
        assertThat(read(yaml).errors()).isEmpty();
        return read(yaml).config();
    }

    private static List<String> warnings(String yaml) {
        return read(yaml).warnings().stream().map(CommandTest::shown)
            .filter(text -> !text.contains(": port 5800 ")).toList();
    }

    private static String shown(Problem problem) {
        return problem.at("f");
    }

    @Test void macrosHoldInEveryValueBeforeItsTypeIsRead() {
        Config config = config("""
            macros: {t: 60, n: 3, yes: true, who: me, level: debug}
            logLevel: ${level}
            apiKeys: ["${who}-secret"]
            models:
              m:
                cmd: x ${PORT}
                ttl: ${t}
                concurrencyLimit: ${n}
                unlisted: ${yes}
                aliases: ['${MODEL_ID}:coding']
                metadata: {cmd: "a\\n# stays"}
            groups: {g: {members: ['${name}'], swap: false}}
            hooks: {on_startup: {preload: ['m:coding']}}
            """.replace("${name}", "m"));
        Model model = config.model("m:coding");
        assertThat(model.limits().ttlSeconds()).isEqualTo(60);
        assertThat(model.limits().requests()).isEqualTo(3);
        assertThat(model.about().unlisted()).isTrue();
        assertThat(model.about().metadata().text("cmd")).isEqualTo("a\n# stays");
        assertThat(config.settings().entry().apiKeys()).containsExactly("me-secret");
        assertThat(config.settings().preload()).containsExactly("m");
    }

    @Test void commandsThatOnlyLookRightAreWarnedOf() {
        for (String command : List.of("x ${PORT} && y", "x ${PORT} | y", "x ${PORT} > f",
            "A=1 x ${PORT}", "x ${PORT} # note", "x ${PORT} \u201ca\u201d", "cd /x ${PORT}",
            "x ${PORT} -m ~/m.gguf", "x ${PORT} $HOME/m", "x ${PORT} C:\\m.gguf")) {
            assertThat(warnings("models: {a: {cmd: '" + command + "'}}\n"))
                .as(command).hasSize(1).first().asString().startsWith("f:1:19: cmd: ");
        }
        assertThat(warnings("models: {a: {cmd: \"bash -c 'x ${PORT} && y'\"}}\n")).isEmpty();
        assertThat(config("models: {a: {cmd: \"x ${PORT} \\\\ \\n -y\"}}\n").model("a").cmd())
            .containsExactly("x", "5801", "-y");
    }

    @Test void aPortThatAStrangerHoldsIsNotHandedOut() {
        Config config = config("models: {a: {cmd: 'x ${PORT}'}}\n");
        assertThat(config.model("a").cmd()).containsExactly("x", "5801");
        assertThat(read("models: {a: {cmd: 'x ${PORT}'}}\n").warnings()).hasSize(1);
    }
}
