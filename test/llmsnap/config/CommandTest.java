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
        return ReadConfig.read(yaml.getBytes(StandardCharsets.UTF_8), name -> null, Map.of(),
            Machine.NONE);
    }

    private static Config config(String yaml) {
        assertThat(read(yaml).errors()).isEmpty();
        return read(yaml).config();
    }

    private static List<String> warnings(String yaml) {
        return read(yaml).warnings().stream().map(CommandTest::shown).toList();
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
        assertThat(model.limits().turns().requests()).isEqualTo(3);
        assertThat(model.about().unlisted()).isTrue();
        assertThat(model.about().metadata().text("cmd")).isEqualTo("a\n# stays");
        assertThat(config.settings().entry().apiKeys().getFirst().key()).isEqualTo("me-secret");
        assertThat(config.settings().hooks().preload()).containsExactly("m");
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
            .containsExactly("x", "5800", "-y");
    }

    @Test void whatIsQuotedMeansNothingToAShell() {
        for (String command : List.of("x ${PORT} foo;", "x ${PORT} <in", "x ${PORT} &>log",
                "x ${PORT} 2>&1", "x ${PORT} >log")) {
            assertThat(warnings("models: {a: {cmd: \"" + command + "\"}}\n")).as(command)
                .hasSize(1).first().asString().contains("no shell runs");
        }
        for (String command : List.of("x ${PORT} '~/m'", "x ${PORT} '&&' 'a|b' '#'",
                "x ${PORT} --re 'a>b' \\; --sep '>'")) {
            assertThat(warnings("models: {a: {cmd: \"" + command.replace("\\", "\\\\")
                + "\"}}\n")).as(command).isEmpty();
        }
    }

    @Test void keysOfOthersGetHintsThatAreTrue() {
        assertThat(warnings("listen: x\nhealth_check_timeout: 20\nperformance: {}\n"
            + "models: {a: {cmd: 'x ${PORT}', cmd_stop: y}}\n"))
            .satisfiesExactly(
                first -> assertThat(first).contains("it is the flag --listen"),
                second -> assertThat(second).contains("did you mean \"healthCheckTimeout\"?"),
                third -> assertThat(third).contains("there is nothing to tune here"),
                fourth -> assertThat(fourth).contains("did you mean \"cmdStop\"?"));
        assertThat(read("models: {a: {cmd: 'x --port 9999'}}\n").errors().getFirst().message())
            .contains("write --port ${PORT}, or add proxy: http://127.0.0.1:9999");
    }

    @Test void aPeersKeyThatNoHeaderCanHaveIsAnErrorThatDoesNotQuoteIt() {
        assertThat(read("models: {}\npeers: {p: {proxy: 'http://h', models: [m],"
            + " apiKey: \"se-cret\\n\"}}\n").errors().getFirst().message())
            .isEqualTo("apiKey has a character in it that no header can have, like a blank");
        assertThat(read("apikey: [x]\nmodels: {}\n").errors().getFirst().message())
            .isEqualTo("the key \"apikey\" protects nothing; did you mean \"apiKeys\"?");
    }

    @Test void twoKeysThatBecomeOneAreAnError() {
        assertThat(read("macros: {k: x}\nmodels: {a: {cmd: 'x ${PORT}', metadata: {x: 1,"
            + " '${k}': 2}}}\n").errors().getFirst().message())
            .isEqualTo("the key \"x\" is there twice");
    }

    @Test void aModelMovesToAnotherPortInAllThatNamesIt() {
        Model model = config("models: {a: {cmd: 'x --p=${PORT}', cmdStop: 'y ${PORT}'}}\n")
            .model("a");
        Model moved = model.at(6000);
        assertThat(moved.cmd()).containsExactly("x", "--p=6000");
        assertThat(moved.shownCmd()).isEqualTo("x --p=6000");
        assertThat(moved.proxy()).hasToString("http://localhost:6000");
        assertThat(moved.line()).isEqualTo(model.line());
        Model words = config("models: {a: {cmd: [x, '${PORT}'], env: ['P=${PORT}']}}\n").model("a");
        assertThat(words.at(6000).cmd()).containsExactly("x", "6000");
        assertThat(words.line()).isEqualTo("x ${PORT}");
    }
}
