package llmsnap.text;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import llmsnap.text.YamlNode.Mapping;
import llmsnap.text.YamlNode.Scalar;
import llmsnap.text.YamlNode.Seq;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class YamlTest {
    static Json json(YamlNode node) {
        return switch (node) {
            case null -> Json.NULL;
            case Scalar scalar -> scalar.value();
            case Seq seq -> new Json.Arr(seq.items().stream().map(YamlTest::json).toList());
            case Mapping mapping -> {
                Map<String, Json> entries = new LinkedHashMap<>();
                mapping.entries().forEach((key, entry) -> entries.put(key, json(entry.value())));
                yield new Json.Obj(entries);
            }
        };
    }

    /** The JSON of a YAML text, or line:column and reason of its refusal. */
    static String read(String yaml) {
        try {
            return json(Yaml.parse(yaml.getBytes(StandardCharsets.UTF_8))).toString();
        } catch (Malformed e) {
            return e.place.line() + ":" + e.place.column() + " " + e.getMessage();
        }
    }

    private static void reads(String yaml, String json) {
        assertThat(read(yaml)).as(yaml).isEqualTo(json);
    }

    private static void refuses(String yaml, String placeAndReason) {
        assertThat(read(yaml)).as(yaml).startsWith(placeAndReason);
    }

    @Test void blockCollections() {
        reads("a: 1\nb:\n  c: x\n  d: y\n", "{\"a\":1,\"b\":{\"c\":\"x\",\"d\":\"y\"}}");
        reads("l:\n  - a\n  - b\n", "{\"l\":[\"a\",\"b\"]}");
        reads("l:\n- a\n- b\nm: 1\n", "{\"l\":[\"a\",\"b\"],\"m\":1}");
        reads(
            "- a: 1\n  b: 2\n- - x\n  - y\n-\n  c: 3\n",
            "[{\"a\":1,\"b\":2},[\"x\",\"y\"],{\"c\":3}]");
        reads("a:\nb: ~\nc: null\n", "{\"a\":null,\"b\":null,\"c\":null}");
        reads("-\n-\n", "[null,null]");
        reads("", "null");
        reads("# only a comment\n", "null");
        reads("--- \na: 1\n...\n", "{\"a\":1}");
        reads("\uFEFFa: 1\r\nb: 2\r\n", "{\"a\":1,\"b\":2}");
        reads("a:\tb\n", "{\"a\":\"b\"}");
    }

    @Test void keys() {
        reads("""
            "a: b": 1
            'it''s': 2
            model name/x:7b-q4.gguf: 3
            ü: 4
            """, """
            {"a: b":1,"it's":2,"model name/x:7b-q4.gguf":3,"ü":4}""");
        reads("1: a\ntrue: b\n1.10: c\n", "{\"1\":\"a\",\"true\":\"b\",\"1.10\":\"c\"}");
        reads("http://a:80/b: 1\n", "{\"http://a:80/b\":1}");
    }

    @Test void plainScalars() {
        reads("a: b c  # comment\n", "{\"a\":\"b c\"}");
        reads("a: b#c\n", "{\"a\":\"b#c\"}");
        reads("a: one\n  two\n\n  three\nb: 1\n", "{\"a\":\"one two\\nthree\",\"b\":1}");
        reads("a: -x\nb: ?y\nc: :z\n", "{\"a\":\"-x\",\"b\":\"?y\",\"c\":\":z\"}");
        reads("a: 12:30\n", "{\"a\":\"12:30\"}");
    }

    @ParameterizedTest
    @CsvSource(
        delimiter = '|',
        value = {
            "0|0",
            "017|15",
            "0o17|15",
            "0x1F|31",
            "0b101|5",
            "1_000|1000",
            "-5|-5",
            "+5|5",
            "08|8",
            "1e3|1000",
            "1.50|1.5",
            ".5|0.5",
            "-.5|-0.5",
            "1e-7|1e-07",
            "123456789012345678901|123456789012345680000",
            "18446744073709551615|18446744073709551615",
            "true|true",
            "False|false",
            "yes|\"yes\"",
            "on|\"on\"",
            "Null|null",
            "~|null",
            "1.2.3|\"1.2.3\"",
            "0x|\"0x\"",
            "-a|\"-a\"",
            "2024-01-05|\"2024-01-05T00:00:00Z\"",
            ".inf|\".inf\"",
            "1e999|\"1e999\"",
            "127.0.0.1|\"127.0.0.1\""
        })
    void types(String plain, String json) {
        reads("a: " + plain + "\n", "{\"a\":" + json + "}");
        reads("a: '" + plain + "'\n", "{\"a\":\"" + plain + "\"}");
    }

    @Test void quotedScalars() {
        reads(
            "a: \"x\\n\\t\\\"\\\\\\u00e9\\x41\\U0001F600 \\/\"\n",
            "{\"a\":\"x\\n\\t\\\"\\\\éA😀 /\"}");
        reads("a: 'it''s \\n'\n", "{\"a\":\"it's \\\\n\"}");
        reads("a: \"one\n  two\n\n  three \\\n   four\"\n", "{\"a\":\"one two\\nthree four\"}");
        reads("a: 'one\n  two'\n", "{\"a\":\"one two\"}");
        reads("a: \"\" # c\n", "{\"a\":\"\"}");
    }

    @Test void blockScalars() {
        reads("a: |\n  x\n   y\n\n  z\nb: 1\n", "{\"a\":\"x\\n y\\n\\nz\\n\",\"b\":1}");
        reads("a: |-\n  x\n\nb: 1\n", "{\"a\":\"x\",\"b\":1}");
        reads("a: |+\n  x\n\nb: 1\n", "{\"a\":\"x\\n\\n\",\"b\":1}");
        reads("a: |2\n    x\n", "{\"a\":\"  x\\n\"}");
        reads("a: >-2\n    x\n   y\n", "{\"a\":\"  x\\n y\"}");
        reads("""
            a: >
              one
              two

              three
                deeper
              four
            """, "{\"a\":\"one two\\nthree\\n  deeper\\nfour\\n\"}");
        reads("a: | # comment\n  # no comment\n  x: y\n", "{\"a\":\"# no comment\\nx: y\\n\"}");
        reads("- |\n x\n- >\n y\n", "[\"x\\n\",\"y\\n\"]");
        reads("a: |\nb: 1\n", "{\"a\":\"\",\"b\":1}");
        reads("a: >\n  x", "{\"a\":\"x\"}");
    }

    @Test void flowCollections() {
        reads(
            "a: [x, 'y', \"z\", 1, [2], {b: c}]\n",
            "{\"a\":[\"x\",\"y\",\"z\",1,[2],{\"b\":\"c\"}]}");
        reads("a: {\"b\":1, c: [d], e, f: }\n", """
            {"a":{"b":1,"c":["d"],"e":null,"f":null}}""");
        reads("a: [\n  x, # comment\n  y,\n]\nb: 1\n", "{\"a\":[\"x\",\"y\"],\"b\":1}");
        reads("a: [b: c]\n", "{\"a\":[{\"b\":\"c\"}]}");
        reads("a: [${env.X}, b${env.Y}c]\n", "{\"a\":[\"${env.X}\",\"b${env.Y}c\"]}");
        reads("a: []\nb: {}\n", "{\"a\":[],\"b\":{}}");
        reads("a: [http://x:1/y, a b]\n", "{\"a\":[\"http://x:1/y\",\"a b\"]}");
    }

    @Test void anchorsAliasesAndMergeKeys() {
        reads("a: &x [1]\nb: *x\n", "{\"a\":[1],\"b\":[1]}");
        reads("a: &x\n  p: 1\n  q: 2\nb:\n  <<: *x\n  q: 3\n", """
            {"a":{"p":1,"q":2},"b":{"q":3,"p":1}}""");
        reads("""
            a: &x {p: 1}
            b: &y {p: 2, r: 4}
            c:
              <<: [*x, *y]
            """, """
            {"a":{"p":1},"b":{"p":2,"r":4},"c":{"p":1,"r":4}}""");
        reads("- &x text\n- *x\n", "[\"text\",\"text\"]");
    }

    @Test void refusals() {
        refuses("a: !tag b\n", "1:4 tags");
        refuses("? a\n: b\n", "1:1 complex keys");
        refuses("a:\n?  b: c\n", "2:1 complex keys");
        refuses("- &k a: 1\n", "1:5 an anchor on a key");
        refuses("a: 1\n---\nb: 2\n", "2:1 a second document");
        refuses("a: 1\n\tb: 2\n", "2:1 a tab");
        refuses("a:\n  b: 1\n\tc: 2\n", "3:1 a tab");
        refuses("a: 1\nb: 2\na: 3\n", "3:1 the key \"a\" is there twice, first at line 1");
        refuses("a: {b: 1, b: 2}\n", "1:11 the key \"b\" is there twice");
        refuses("a:\n    b: 1\n  c: 2\n", "3:3 this does not line up with the keys before it");
        refuses("a: 1\n  b: 2\n", "2:3 a key inside a text");
        refuses("a: b: c\n", "1:5 a \":\" where none can be");
        refuses("a: \"x\nb: 1\n", "1:4 this \" is never closed");
        refuses("a: 'x\n", "1:4 this ' is never closed");
        refuses("a: [1, 2\n", "1:4 this [ is never closed");
        refuses("a: [1, 2\nb: 3\n", "1:4 this [ is never closed");
        refuses("a: [\"1\" 2]\n", "1:9 expected ',' or ']'");
        refuses("a: *nobody\n", "1:4 no anchor &nobody");
        refuses("a: &x\n  b: *x\n", "2:6 *x is inside its own anchor");
        refuses("a: \"\\q\"\n", "1:5 unknown escape \\q");
        refuses("a: \u0001\n", "1:4 a control character (U+0001)");
        refuses("a: @b\n", "1:4 text cannot start with @");
        refuses("a: %b\n", "1:4 text cannot start with %");
        refuses("%YAML 1.2\n---\na: 1\n", "1:1 directives");
        refuses("a: - b\n", "1:4 a list cannot start on its key's line");
        refuses("a: |x\n", "1:5 after | or >");
        refuses("a: 1\nb\n", "2:1 expected a key");
        refuses("- a\nb: 1\n", "2:1 unexpected text");
        refuses("a: 'x' y\n", "1:8 unexpected text after the value");
        refuses("a: 1\n- b\n", "2:1 a list item among keys");
        refuses(": a\n", "1:1 ");
    }

    @Test void invalidUtf8HasItsPlace() {
        byte[] bytes = "a: b\nc: x".getBytes(StandardCharsets.ISO_8859_1);
        bytes[8] = (byte) 0xff;
        try {
            Yaml.parse(bytes);
            assertThat(true).as("refused").isFalse();
        } catch (Malformed e) {
            assertThat(e.place).isEqualTo(new Place("", 2, 4));
        }
    }

    @Test void nestingAndAliasesAreBounded() {
        refuses("[".repeat(2000), "1:");
        assertThat(read("[".repeat(2000))).contains("nested deeper than 1000");
        StringBuilder deep = new StringBuilder();
        for (int i = 0; i < 1500; i++) deep.append(" ".repeat(i)).append("k:\n");
        assertThat(read(deep.toString())).contains("nested deeper than 1000");
        StringBuilder laughs = new StringBuilder("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for (int i = 1; i < 9; i++) {
            String before = "*a" + (i - 1);
            laughs.append(
                "a"
                    + i
                    + ": &a"
                    + i
                    + " ["
                    + String.join(", ", Collections.nCopies(10, before))
                    + "]\n");
        }
        String big = "a: &a '" + "x".repeat(1 << 20) + "'\nb: [" + "*a, ".repeat(100) + "]\n";
        assertThat(read(big)).contains("aliases expand to more than 16777216 characters");
        assertThat(read(laughs.toString())).contains("aliases expand to more than 100000 nodes");
    }

    private static final String SAMPLE = """
        # a sample with everything
        healthCheckTimeout: 60
        macros:
          "server": >-
            llama-server
            --port ${PORT}
          ctx: 0x1000
        models:
          "qwen:7b": &base
            cmd: |
              ${server} -m 'a b.gguf'   # not a comment
              --x "y"
            aliases: [a, "b c", 'd''e']
            env:
            - A=1
            metadata: {n: 1.5, deep: {list: [1, {x: ~}]}}
            description: a plain text
              over two lines
          other:
            <<: *base
            name: "fold
              ed \\u00e9"
        ...
        """;

    /**
     * Cut anywhere, a text is read as what it then is, or refused; it never hangs, and no other
     * exception comes out.
     */
    @Test void truncationAtEveryByte() {
        byte[] all = SAMPLE.getBytes(StandardCharsets.UTF_8);
        assertThat(read(SAMPLE))
            .startsWith("{\"healthCheckTimeout\":60,")
            .contains("\"name\":\"fold ed é\"");
        for (int end = 0; end <= all.length; end++) {
            byte[] cut = Arrays.copyOf(all, end);
            assertThatCode(
                            () -> {
                                try {
                                    YamlNode node = Yaml.parse(cut);
                                    String json = json(node).toString();
                                    // what was complete before the cut is still the same
                                    if (cut.length > 200) {
                                        assertThat(json)
                                            .contains("\"healthCheckTimeout\":60")
                                            .contains("llama-server --port ${PORT}");
                                    }
                                } catch (Malformed e) {
                                    assertThat(e.place.line()).isPositive();
                                    assertThat(e.getMessage()).isNotBlank();
                                }
                            })
                .as("cut at " + end)
                .doesNotThrowAnyException();
        }
    }
}
