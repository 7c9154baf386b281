package llmsnap.config;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import llmsnap.config.Config.Model;
import llmsnap.text.Json;
import llmsnap.text.JsonEdit.Edit;
import org.junit.jupiter.api.Test;

class ConfigReaderTest {
    private static final Map<String, String> ENV =
        Map.of("HOME", "/home/me", "ODD", "a: [b # {c}", "NUM", "7", "LINES", "a\nb");

    private static ConfigReader.Result read(String yaml) {
        return ReadConfig.read(yaml.getBytes(StandardCharsets.UTF_8), ENV::get, Map.of(),
            Machine.NONE);
    }

    private static Config valid(String yaml) {
        ConfigReader.Result result = read(yaml);
        assertThat(result.errors()).as(yaml).isEmpty();
        return result.config();
    }

    private static List<String> errors(String yaml) {
        ConfigReader.Result result = read(yaml);
        assertThat(result.config() == null).isEqualTo(!result.errors().isEmpty());
        return result.errors().stream().map(problem -> problem.at("f")).toList();
    }

    private static List<String> warnings(String yaml) {
        ConfigReader.Result result = read(yaml);
        assertThat(result.errors()).isEmpty();
        return result.warnings().stream().map(problem -> problem.at("f")).toList();
    }

    private static Model model(String yaml) {
        return valid(yaml).models().values().iterator().next();
    }

    @Test void anIdIsPartOfAddresses() {
        for (String id : List.of("../unload", "a/./b", "..", "a/..")) {
            assertThat(errors("models: {" + id + ": {cmd: 'x ${PORT}'}}\n")).singleElement()
                .asString().contains("it cannot have . or .. between slashes");
        }
        valid("models: {a/b.c..d/v1.: {cmd: 'x ${PORT}'}}\n");
    }

    @Test void defaults() {
        Config config = valid("models:\n  a:\n    cmd: run --port ${PORT}\n");
        Model a = config.model("a");
        assertThat(a.cmd()).containsExactly("run", "--port", "5800");
        assertThat(a.proxy().toString()).isEqualTo("http://localhost:5800");
        assertThat(a.launch().port()).isEqualTo(5800);
        assertThat(a.launch().checkEndpoint()).isEqualTo("/health");
        assertThat(
                        List.of(
                            a.limits().ttlSeconds(),
                            a.launch().life().unloadTimeoutSeconds(),
                            a.limits().requestSeconds(),
                            a.limits().healthCheckSeconds(),
                            a.limits().turns().requests()))
            .containsExactly(0, 10, 0, 120, 100);
        assertThat(
                        List.of(
                            a.about().unlisted(),
                            a.sendLoadingState(),
                            a.launch().command().stop().isEmpty(),
                            a.launch().sleep() == null))
            .containsExactly(false, false, true, true);
        assertThat(a.filters()).isEqualTo(new Config.Filters(Map.of(), Map.of()));
        assertThat(config.settings().swapGraceSeconds()).isEqualTo(2);
        assertThat(config.settings().kept().rows()).isEqualTo(1000);
        assertThat(config.settings().kept().captureMb()).isEqualTo(5);
        assertThat(config.settings().logging())
            .isEqualTo(new Config.Logging(Config.Level.INFO, "", Config.Stdout.PROXY));
        assertThat(config.group("a"))
            .isEqualTo(new Config.Group("(default)", true, true, false, List.of("a")));
    }

    @Test void everyKeyOfAModel() {
        Config config = valid("""
            globalTTL: 5
            models:
              a/b:c d:
                cmd: ["run", "--x", "two words", "${PORT}"]
                cmdStop: stop ${PID} 'x y'
                proxy: http://my_host:${PORT}/base/
                checkEndpoint: none
                aliases: [one, two]
                env: [A=1, "B=x=y", "C="]
                ttl: 60
                unloadTimeout: 3
                requestTimeout: 30
                unlisted: yes
                name: "  Name "
                description: Text
                metadata: {port: "${PORT}", list: [1, 1.5, "${MODEL_ID}"], 7: x, when: 2024-01-02}
                useModelName: other
                concurrencyLimit: 4
                sendLoadingState: on
                sleepMode: enable
                sleepEndpoints:
                  - endpoint: /sleep?level=1
                wakeEndpoints:
                  - {endpoint: wake_up, method: put, body: '{"a":1}', timeout: 7}
            """);
        Model a = config.model("two");
        assertThat(a.id()).isEqualTo("a/b:c d");
        assertThat(a.cmd()).containsExactly("run", "--x", "two words", "5800");
        assertThat(a.launch().command().stop()).containsExactly("stop", "${PID}", "x y");
        assertThat(a.proxy()).isEqualTo(new Config.Address("http", "my_host", 5800, "/base"));
        assertThat(a.launch().checkEndpoint()).isNull();
        assertThat(a.launch().command().env()).containsExactly("A=1", "B=x=y", "C=");
        assertThat(
                        List.of(
                            a.limits().ttlSeconds(),
                            a.launch().life().unloadTimeoutSeconds(),
                            a.limits().requestSeconds(),
                            a.limits().turns().requests()))
            .containsExactly(60, 3, 30, 4);
        assertThat(List.of(a.about().unlisted(), a.sendLoadingState())).containsExactly(true, true);
        assertThat(a.about().name()).isEqualTo("Name");
        assertThat(a.about().metadata().toString()).isEqualTo("""
            {"port":5800,"list":[1,1.5,"a/b:c d"],"7":"x","when":"2024-01-02T00:00:00Z"}""");
        assertThat(a.filters().always())
            .isEqualTo(Map.of("model", new Edit.Set(new Json.Str("other"))));
        assertThat(a.launch().sleep().sleep())
            .containsExactly(new Config.Call("POST", "/sleep?level=1", "", 10));
        assertThat(a.launch().sleep().wake())
            .containsExactly(new Config.Call("PUT", "/wake_up", "{\"a\":1}", 7));
    }

    @Test void commandsAreCleanedAndSplit() {
        assertThat(model("""
            models:
              a:
                cmd: |
                  # ${nobody} cares
                  server --port ${PORT} \\
                    -m 'my model.gguf'
                    # another
                    --json "{\\"a\\": 1}"   --sh ${VAR:-x}
            """).cmd())
            .containsExactly(
                "server",
                "--port",
                "5800",
                "-m",
                "my model.gguf",
                "--json",
                "{\"a\": 1}",
                "--sh",
                "${VAR:-x}");
    }

    @Test void commentsInCommandsMentionWhatTheyLike() {
        assertThat(model("""
            macros:
              tag: '#1'
              long: |
                # note
                --long
            models:
              a:
                cmd: |
                  # was ${env.UNSET}
                  x ${PORT} --tag
                  ${tag}
                  ${long}
            """).cmd()).containsExactly("x", "5800", "--tag", "#1", "--long");
    }

    @Test void pathsAreChecked() {
        assertThat(errors("models: {a: {cmd: 'x ${PORT}', checkEndpoint: '/he alth'}}\n"))
            .containsExactly(
                "f:1:47: checkEndpoint: \"/he alth\" is no path of a URL; blanks and other"
                    + " odd characters are written like %20");
        assertThat(warnings("""
            healthCheckTimeout: -1
            models: {a: {cmd: 'x ${PORT}'}}
            groups:
              g:
            """)).containsExactly("f:4:3: the group \"g\" has no members");
    }

    @Test void portsGoByTheSortedIds() {
        String yaml = """
            startPort: 9000
            models:
              b: {cmd: 'x ${PORT}'}
              c: {cmd: x, proxy: 'http://h:1'}
              a: {cmd: 'x ${PORT}'}
            """;
        Config config = valid(yaml);
        assertThat(config.models().values().stream().map(m -> m.id() + m.launch().port()))
            .containsExactly("b9001", "c0", "a9000");
        Config again =
            ReadConfig.read(
                            (yaml + "  '0': {cmd: 'x ${PORT}'}\n")
                                .getBytes(StandardCharsets.UTF_8),
                            ENV::get,
                            Map.of("b", 9001, "a", 9000), Machine.NONE)
                .config();
        assertThat(again.models().values().stream().map(m -> m.id() + m.launch().port()))
            .containsExactly("b9001", "c0", "a9000", "09002");
    }

    @Test void macros() {
        Model model = model("""
            macros:
              ctx: 4096
              half: 0.50
              args: "--ctx ${ctx} --t ${half} --id ${MODEL_ID} ${extra}"
              server: "srv ${args} --port ${PORT}"
            models:
              m:
                macros: {ctx: 0x10, extra: "-v", flag: true}
                cmd: ${server} --flag ${flag}
                filters:
                  setParams: {n: "${ctx}", f: "${flag}", t: "c=${ctx}", list: ["${half}"]}
            """);
        assertThat(String.join(" ", model.cmd()))
            .isEqualTo("srv --ctx 16 --t 0.5 --id m -v --port 5800 --flag true");
        assertThat(model.filters().always().toString())
            .contains("value=16]")
            .contains("value=true]")
            .contains("c=16")
            .contains("[0.5]");
    }

    @Test void macroMistakes() {
        assertThat(errors("macros: {PORT: 1, 'a b': 2, c: [1], d: 'x ${d}', e: ~}\n"))
            .containsExactly(
                "f:1:10: the macro name PORT is reserved",
                "f:1:19: the macro name \"a b\" is not made of letters, digits, _ and -, at"
                    + " most 63",
                "f:1:32: the macro c has to be text, a number or a bool",
                "f:1:40: the macro d contains itself",
                "f:1:53: the macro e has to be text, a number or a bool");
        assertThat(errors("""
            macros:
              a: ${b}
              b: x
            models:
              m: {cmd: 'run ${a} ${PORT} ${none}'}
            """))
            .containsExactly(
                "f:5:12: cmd: the macro b is used by one that is defined before it; move it"
                    + " up",
                "f:5:12: cmd: nothing defines ${none}");
        assertThat(errors("""
            macros:
              a: ${x}
            models:
              m: {macros: {x: '${a}'}, cmd: 'run ${x} ${PORT}'}
            """).getFirst()).contains("uses itself");
        assertThat(errors("""
            models:
              m: {cmd: run, proxy: 'http://x:${PORT}'}
            """))
            .containsExactly(
                "f:2:24: proxy: ${PORT} can be used only by a model whose cmd uses it");
        assertThat(errors("models:\n  m: {cmd: 'run ${PORT} ${PID}'}\n"))
            .containsExactly("f:2:12: cmd: ${PID} is known only in cmdStop");
        assertThat(warnings("""
            models:
              m: {cmd: 'run ${PORT}', env: 'A=${HOME}/x', name: '${n}'}
            """))
            .containsExactly(
                "f:2:32: env: nothing defines ${HOME}, it stays as it is; did you mean"
                    + " ${env.HOME}?",
                "f:2:53: name: nothing defines ${n}, it stays as it is; did you mean"
                    + " ${env.n}?");
        assertThat(model("""
            models:
              m: {cmd: 'run ${PORT}', env: 'A=${HOME}/x'}
            """).launch().command().env()).containsExactly("A=${HOME}/x");
    }

    @Test void macrosThatExplodeAreRefused() {
        StringBuilder yaml = new StringBuilder("macros:\n  a0: ''\n");
        for (int i = 1; i < 12; i++) {
            yaml.append("  a" + i + ": '" + ("${a" + (i - 1) + "}").repeat(100) + "'\n");
        }
        assertThat(errors(yaml + "models: {m: {cmd: 'x ${PORT} ${a11}'}}\n"))
            .hasSize(1)
            .first()
            .asString()
            .contains("far too much text");
    }

    @Test void theEnvironmentIsData() {
        Model model = model("""
            models:
              ${env.HOME}:
                cmd: run ${PORT} '${env.ODD}'  # ${env.NOT_READ}
                ttl: ${env.NUM}
                name: ${env.ODD}
            """);
        assertThat(model.id()).isEqualTo("/home/me");
        assertThat(model.cmd()).containsExactly("run", "5800", "a: [b # {c}");
        assertThat(model.limits().ttlSeconds()).isEqualTo(7);
        assertThat(model.about().name()).isEqualTo("a: [b # {c}");
        assertThat(errors("apiKeys: ['${env.NOPE}', '${env.LINES}']\n").subList(0, 2))
            .containsExactly(
                "f:1:11: the environment variable NOPE is not set",
                "f:1:11: an API key is empty");
    }

    @Test void filters() {
        Config.Filters filters = model("""
            models:
              m:
                cmd: run ${PORT}
                useModelName: real
                filters:
                  stripParams: "temperature, k.t, a\\\\.b, model,"
                  setParams: {top_p: 0.9, model: no, k.u: [1, x]}
                  setParamsByID:
                    "${MODEL_ID}:high": {effort: high, top_p: 1}
            """).filters();
        assertThat(filters.always().keySet())
            .containsExactly("model", "temperature", "k", "a.b", "top_p");
        assertThat(filters.always().get("k").toString()).contains("t=Remove").contains("u=Set");
        assertThat(filters.forName("m")).isEqualTo(filters.always());
        assertThat(filters.forName("m:high").toString())
            .contains("effort")
            .contains("top_p=Set[value=1]");
        Config config = valid("""
            models:
              m:
                cmd: x ${PORT}
                filters: {setParamsByID: {high: {a: 1}}}
            """);
        assertThat(config.model("high").id()).isEqualTo("m");
        assertThat(valid("""
            models:
              m:
                cmd: x ${PORT}
                filters: {strip_params: a}
            """).model("m").filters().always()).containsKey("a");
    }

    @Test void groups() {
        String models =
            "models: {a: {cmd: 'x ${PORT}'}, b: {cmd: 'x ${PORT}'}, c: {cmd: 'x ${PORT}'}}\n";
        Config config =
            valid(
                models
                    + "groups:\n"
                    + "  g: {members: [a, b], swap: false, exclusive: no, persistent:"
                    + " true}\n");
        assertThat(config.group("a"))
            .isEqualTo(new Config.Group("g", false, false, true, List.of("a", "b")));
        assertThat(config.group("c").name()).isEqualTo("(default)");
        assertThat(
                        valid(
                                        models
                                            + "routing: {router: {settings: {groups: {g:"
                                            + " {members: [a]}}}}}\n")
                            .group("a")
                            .name())
            .isEqualTo("g");
        assertThat(errors(models + "groups:\n  g: {members: [a, a]}\n  h: {members: [a]}\n"))
            .containsExactly("""
                f:3:20: the model "a" is listed twice, in the groups "g" and "g\"""", """
                f:4:17: the model "a" is listed twice, in the groups "g" and "h\"""");
        assertThat(
                        errors(
                                        models
                                            + "groups: {g: {members: [a]}}\n"
                                            + "routing: {router: {settings: {groups: {g:"
                                            + " {members: [a]}}}}}\n")
                            .getFirst())
            .contains("given twice");
        assertThat(warnings(models + "groups:\n  g: {members: [aa]}\n  h:\n    swap: true\n"))
            .containsExactly("""
                f:3:17: the group "g" has a member "aa" that is no model; did you mean "a"?\
                """,
                "f:4:3: the group \"h\" has no members");
    }

    @Test void names() {
        String start = """
            models:
              a: {cmd: 'x ${PORT}', aliases: [s, t]}
            """;
        assertThat(errors(start + "  b: {cmd: 'x ${PORT}', aliases: [s]}\n"))
            .containsExactly("""
                f:3:3: the alias "s" belongs to both "a" and "b\"""");
        assertThat(warnings(start + "  b: {cmd: 'x ${PORT}', aliases: [a]}\n"))
            .containsExactly("""
                f:3:3: the alias "a" of the model "b" is another model's id, which wins""");
        assertThat(valid(start).model("t").id()).isEqualTo("a");
        assertThat(valid(start).model("u")).isNull();
    }

    @Test void peers() {
        Config config = valid("""
            macros: {k: secret}
            peers:
              p: {proxy: 'https://h/api/', models: [m, n], apiKey: '${k}', filters: {stripParams: \
            a}}
              q: {proxy: http://i, models: [n, o]}
            """);
        assertThat(config.peers().byModel()).as("two have it").doesNotContainKey("n");
        assertThat(config.peers().byModel().get("o").id()).isEqualTo("q");
        assertThat(config.peers().byId().get("p").apiKey()).isEqualTo("secret");
        assertThat(config.peers().byId().get("p").toString()).doesNotContain("secret");
        assertThat(config.peers().byId().get("p").proxy())
            .isEqualTo(new Config.Address("https", "h", 443, "/api"));
        assertThat(errors("peers:\n  p: {models: []}\n"))
            .containsExactly(
                "f:2:3: the peer \"p\" has no proxy URL",
                "f:2:3: the peer \"p\" lists no models");
    }

    @Test void unknownKeysAreWarningsWithTheNearest() {
        assertThat(warnings("""
            listen: x
            health_check_timeout: 3
            models:
              m:
                cmd: x ${PORT}
                cmdstop: y
            performance: {}
            """))
            .containsExactly(
                "f:1:1: unknown key \"listen\", ignored; it is the flag --listen",
                """
                    f:2:1: unknown key "health_check_timeout", ignored; did you mean \
                    "healthCheckTimeout"?""",
                """
                    f:6:5: unknown key "cmdstop", ignored; did you mean "cmdStop"?""",
                "f:7:1: llama-swap's \"performance\" is not supported here, ignored; there is"
                    + " nothing to tune here");
        assertThat(warnings("""
            logLevel: loud
            logTimeFormat: x
            logRequests: true
            models: {m: {cmd: 'x ${PORT}'}}
            """)).hasSize(3);
        assertThat(warnings(""))
            .containsExactly("f:1:1: there are no models; add some under \"models:\"");
        assertThat(warnings("models:\n")).hasSize(1);
    }

    @Test void allErrorsAtOnceWithTheirPlaces() {
        assertThat(errors("""
            startPort: 0
            healthCheckTimeout: soon
            apiKeys: [a b, '']
            models:
              a:
                cmd: "run 'x"
                proxy: ftp://x
                ttl: -2
                unlisted: maybe
                aliases: x
                env: [novalue]
              b:
              c: {cmd: '', sleepMode: enable}
              d: {cmd: 'x ${PORT}', sleepMode: on, sleepEndpoints: [{method: DELETE, timeout: x}]}
            """))
            .containsExactly(
                "f:1:12: startPort has to be a whole number from 1, this is \"0\"",
                "f:2:21: healthCheckTimeout has to be a whole number, this is \"soon\"",
                "f:3:11: an API key has a character in it that no header can have, like a blank",
                "f:3:16: an API key is empty",
                "f:6:10: cmd: unclosed ' that opens at: run 'x",
                "f:7:12: proxy: \"ftp://x\" is no URL; it has to start with http:// or"
                    + " https://",
                "f:8:10: models.a.ttl has to be a whole number from -1, this is \"-2\"",
                "f:9:15: models.a.unlisted has to be true or false, this is \"maybe\"",
                "f:10:14: models.a.aliases has to be a list, this is a single value",
                "f:11:11: env: \"novalue\" is not of the form NAME=value",
                "f:12:3: the model \"b\" has no cmd; say which command starts it",
                "f:12:3: the model \"b\" needs a proxy URL, or a cmd that uses ${PORT}",
                "f:13:3: the model \"c\" needs a proxy URL, or a cmd that uses ${PORT}",
                "f:13:12: the model \"c\" has no cmd; say which command starts it",
                "f:13:27: sleepMode: enable needs both sleepEndpoints and wakeEndpoints",
                "f:14:36: sleepMode is \"on\"; it can be enable or disable",
                "f:14:57: sleepEndpoints: endpoint, the path to call, is missing",
                "f:14:66: sleepEndpoints: the method is \"DELETE\"; it can be GET, POST,"
                    + " PUT or PATCH",
                "f:14:83: models.d.sleepEndpoints.timeout has to be a whole number from 0,"
                    + " this is \"x\"");
        assertThat(errors("- a\n"))
            .containsExactly(
                "f:1:1: the file has to be a mapping (models: ...), this is a list");
        assertThat(errors("a: 'x\n")).containsExactly("f:1:4: this ' is never closed");
        assertThat(errors("models: [a]\n"))
            .containsExactly("f:1:9: models has to be a mapping, this is a list");
        assertThat(errors("models: {a: x}\n"))
            .containsExactly(
                "f:1:13: the model \"a\" has to be a mapping (cmd: ...), this is a single"
                    + " value");
    }

    @Test void errorsAboutKeysDoNotPrintThem() {
        assertThat(errors("apiKeys: [\"top secret\"]\n").toString()).doesNotContain("secret");
    }

    @Test void preloadTakesIdsAndAliases() {
        ConfigReader.Result result = read("""
            models: {a: {cmd: 'x ${PORT}', aliases: [b]}}
            hooks: {on_startup: {preload: [' b ', '', nope, a]}}
            """);
        assertThat(result.config().settings().hooks().preload()).containsExactly("a");
        assertThat(result.warnings())
            .singleElement()
            .extracting(Problems.Problem::message)
            .isEqualTo("preload: there is no model \"nope\"");
    }

    @Test void clampsAndFallBacks() {
        Map<String, Integer> expected =
            new HashMap<>(Map.of("health", 15, "rows", 1000, "capture", 0));
        Config config = valid("""
            healthCheckTimeout: 1
            metricsMaxInMemory: -3
            captureBuffer: 0
            sleepRequestTimeout: 0
            models: {a: {cmd: 'x ${PORT}', ttl: -1, concurrencyLimit: 0}}
            globalTTL: 9
            """);
        assertThat(
                        Map.of(
                            "health",
                            config.model("a").limits().healthCheckSeconds(),
                            "rows",
                            config.settings().kept().rows(),
                            "capture",
                            config.settings().kept().captureMb()))
            .isEqualTo(expected);
        assertThat(config.model("a").limits().ttlSeconds()).isEqualTo(9);
    }
}
