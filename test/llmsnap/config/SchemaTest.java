package llmsnap.config;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import llmsnap.text.Json;
import llmsnap.text.Yaml;
import llmsnap.text.YamlNode;
import llmsnap.text.YamlNode.Mapping;
import llmsnap.text.YamlNode.Scalar;
import llmsnap.text.YamlNode.Seq;
import org.junit.jupiter.api.Test;

/** The schema accepts what the reader accepts without a warning, and refuses what is misspelt. */
class SchemaTest {
    private static final Path REAL = Path.of("..", "shared", "real", "configs");
    private static final Json.Obj SCHEMA = SchemaWriter.json();

    // ---- as much of JSON Schema as ours uses

    private static List<String> wrong(YamlNode node, Json schema, String path) {
        List<String> wrong = new ArrayList<>();
        if (!(schema instanceof Json.Obj rules)) return wrong;
        if (rules.at("anyOf") instanceof Json.Arr forms) {
            List<String> all = new ArrayList<>();
            for (Json each : forms.items()) {
                List<String> its = wrong(node, each, path);
                if (its.isEmpty()) return its;
                all.addAll(its);
            }
            return all;
        }
        if (rules.at("type") != null && !types(rules.at("type")).contains(type(node))) {
            boolean whole = types(rules.at("type")).contains("number")
                && type(node).equals("integer");
            if (!whole) wrong.add(path + " is " + type(node) + ", not " + rules.at("type"));
        }
        if (rules.at("pattern") instanceof Json.Str pattern && node instanceof Scalar scalar
            && !Pattern.compile(pattern.text()).matcher(scalar.text()).find()) {
            wrong.add(path + " has no " + pattern);
        }
        if (rules.at("enum") instanceof Json.Arr values && node instanceof Scalar scalar
            && !values.items().contains(new Json.Str(scalar.text()))) wrong.add(path + " is none");
        if (node instanceof Mapping mapping) {
            mapping.entries().forEach((key, entry) -> {
                Json its = rules.at("properties", key);
                if (its == null) its = rules.at("additionalProperties");
                if (its == Json.FALSE) wrong.add(path + "." + key + " is not known");
                else wrong.addAll(wrong(entry.value(), its, path + "." + key));
            });
        }
        if (node instanceof Seq seq) {
            for (YamlNode item : seq.items()) {
                wrong.addAll(wrong(item, rules.at("items"), path + "[]"));
            }
        }
        return wrong;
    }

    private static List<String> types(Json type) {
        return type instanceof Json.Arr several
            ? several.items().stream().map(each -> ((Json.Str) each).text()).toList()
            : List.of(((Json.Str) type).text());
    }

    private static String type(YamlNode node) {
        return switch (node) {
            case Mapping mapping -> "object";
            case Seq seq -> "array";
            case Scalar scalar -> switch (scalar.value()) {
                case Json.Num number -> number.value() == Math.rint(number.value()) ? "integer"
                    : "number";
                case Json.Word word -> word == Json.NULL ? "null" : "boolean";
                default -> "string";
            };
        };
    }

    private static List<String> wrong(byte[] yaml) {
        return wrong(Yaml.parse(yaml), SCHEMA, "");
    }

    // ---- tests

    @Test void theExampleFits() throws IOException {
        assertThat(wrong(Files.readAllBytes(Path.of("config.example.yaml")))).isEmpty();
    }

    @Test void realFilesThatAreReadWithoutAWarningFit() throws IOException {
        if (!Files.isDirectory(REAL)) return;       // a clone by itself
        int read = 0;
        try (Stream<Path> files = Files.list(REAL)) {
            for (Path file : files.filter(each -> each.toString().endsWith("yaml")).toList()) {
                byte[] yaml = Files.readAllBytes(file);
                var result = ReadConfig.read(yaml, name -> "x", Map.of(), Machine.NONE);
                if (result.config() == null || !result.warnings().isEmpty()) continue;
                assertThat(wrong(yaml)).as(file.toString()).isEmpty();
                read++;
            }
        }
        assertThat(read).isGreaterThan(5);
    }

    @Test void whatIsMisspeltOrOfAnotherKindDoesNotFit() {
        for (String yaml : List.of("modles: {}", "models: {a: {cmmd: x}}", "models: {a: {ttl: x}}",
            "models: {a: {aliases: x}}", "groups: {g: {swap: 3}}", "peers: {p: {proxi: x}}",
            "discover: [{dir: x, tttl: 3}]", "hooks: {on_idle: {afterr: 3}}",
            "apiKeys: [{keyy: x}]", "history: []")) {
            assertThat(wrong(yaml.getBytes())).as(yaml).isNotEmpty();
        }
        for (String yaml : List.of("models: {a: {ttl: '${t}'}}", "discover: [{dir: x, ttl: 3}]",
            "models: {a: {cmd: [x, y]}}", "memory: auto", "memory: {gpu0: 24GB}",
            "models: {a: ~}", "models: {a: {unlisted: Y}}", "apiKeys: [x, {key: y}]",
            "peers: {p: {models: auto}}")) {
            assertThat(wrong(yaml.getBytes())).as(yaml).isEmpty();
        }
    }
}
