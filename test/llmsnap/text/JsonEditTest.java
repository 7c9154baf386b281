package llmsnap.text;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import llmsnap.text.JsonEdit.Edit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class JsonEditTest {
    private static final Edit REMOVE = new Edit.Remove();

    private static Edit set(Object value) {
        return new Edit.Set(Json.of(value));
    }

    private static JsonEdit read(String json) throws Malformed {
        byte[] bytes = json.getBytes(StandardCharsets.UTF_8);
        return new JsonEdit(bytes, bytes.length);
    }

    private static String edit(String json, Map<String, Edit> edits) throws Malformed {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        for (JsonEdit.Slice slice : read(json).edited(edits)) {
            out.write(slice.bytes(), slice.offset(), slice.length());
        }
        return out.toString(StandardCharsets.UTF_8);
    }

    private static Map<String, Edit> edits(Object... pathsAndEdits) {
        Map<String, Edit> edits = Map.of();
        for (int i = 0; i < pathsAndEdits.length; i += 2) {
            edits =
                JsonEdit.plus(
                    edits,
                    List.of(((String) pathsAndEdits[i]).split("/")),
                    (Edit) pathsAndEdits[i + 1]);
        }
        return edits;
    }

    @Test void findsTheModel() throws Malformed {
        assertThat(read("{\"model\":\"a\"}").text("model")).isEqualTo("a");
        assertThat(read(" {\"x\":{\"model\":\"no\"},\"model\" : \"a\\u0062\"} ").text("model"))
            .isEqualTo("ab");
        assertThat(read("{\"m\\u006fdel\":\"a\"}").text("model")).isEqualTo("a");
        assertThat(read("{\"model\":\"first\",\"model\":\"second\"}").text("model"))
            .isEqualTo("first");
        assertThat(read("{\"model\":1}").text("model")).isNull();
        assertThat(read("{}").text("model")).isNull();
        assertThat(read("{\"stream\":true}").isTrue("stream")).isTrue();
        assertThat(read("{\"stream\":\"true\"}").isTrue("stream")).isFalse();
    }

    @Test void untouchedBytesStay() throws Malformed {
        String json = "{ \"temperature\" : 1.50e0 ,\"model\":\"a\",\t\"x\":\"\\u00e9\\/\" }\n";
        assertThat(edit(json, Map.of())).isEqualTo(json);
        assertThat(edit(json, edits("model", set("b")))).isEqualTo(json.replace("\"a\"", "\"b\""));
    }

    @Test void removes() throws Malformed {
        assertThat(edit("{\"a\":1,\"b\":2,\"c\":3}", edits("a", REMOVE)))
            .isEqualTo("{\"b\":2,\"c\":3}");
        assertThat(edit("{\"a\":1,\"b\":2,\"c\":3}", edits("b", REMOVE)))
            .isEqualTo("{\"a\":1,\"c\":3}");
        assertThat(edit("{\"a\":1,\"b\":2,\"c\":3}", edits("c", REMOVE)))
            .isEqualTo("{\"a\":1,\"b\":2}");
        assertThat(edit("{ \"a\":1 }", edits("a", REMOVE))).isEqualTo("{  }");
        assertThat(edit("{\"a\":1,\"b\":2,\"c\":3}", edits("a", REMOVE, "b", REMOVE)))
            .isEqualTo("{\"c\":3}");
        assertThat(edit("{\"a\":1,\"b\":2,\"c\":3}", edits("b", REMOVE, "c", REMOVE)))
            .isEqualTo("{\"a\":1}");
        assertThat(edit("{\"a\":1,\"a\":2,\"\\u0061\":3,\"b\":4}", edits("a", REMOVE)))
            .isEqualTo("{\"b\":4}");
    }

    @Test void setsAndAdds() throws Malformed {
        assertThat(edit("{}", edits("a", set(1)))).isEqualTo("{\"a\":1}");
        assertThat(edit("{\"b\":2}", edits("a", set(1), "c", set("x"))))
            .isEqualTo("{\"b\":2,\"a\":1,\"c\":\"x\"}");
        assertThat(edit("{\"a\":0,\"b\":2}", edits("a", set(List.of(1)))))
            .isEqualTo("{\"a\":[1],\"b\":2}");
        assertThat(edit("{\"a\":0,\"\\u0061\":5,\"b\":2}", edits("a", set(1))))
            .isEqualTo("{\"a\":1,\"b\":2}");
        assertThat(edit("{\"b\":2}", edits("b", REMOVE, "a", set(1)))).isEqualTo("{\"a\":1}");
        assertThat(edit("{\"x\":1,\"b\":2}", edits("b", REMOVE, "a", set(1))))
            .isEqualTo("{\"x\":1,\"a\":1}");
    }

    @Test void ofSeveralModelsTheFirstStays() throws Malformed {
        assertThat(
                        edit(
                            "{\"model\":\"a\",\"x\":1,\"model\":\"b\",\"mode\\u006c\":\"c\"}",
                            Map.of()))
            .isEqualTo("{\"model\":\"a\",\"x\":1}");
    }

    @Test void descends() throws Malformed {
        assertThat(edit("{\"k\":{\"t\":true,\"u\":1}}", edits("k/t", REMOVE)))
            .isEqualTo("{\"k\":{\"u\":1}}");
        assertThat(edit("{\"k\":{\"t\":true}}", edits("k/t", set(false), "k/n/m", set(1))))
            .isEqualTo("{\"k\":{\"t\":false,\"n\":{\"m\":1}}}");
        assertThat(edit("{\"a\":1}", edits("k/t", set(false))))
            .isEqualTo("{\"a\":1,\"k\":{\"t\":false}}");
        assertThat(edit("{\"k\":5}", edits("k/t", set(false)))).isEqualTo("{\"k\":{\"t\":false}}");
        assertThat(edit("{\"k\":5}", edits("k/t", REMOVE))).isEqualTo("{\"k\":5}");
        assertThat(edit("{\"k\":{\"model\":\"in\",\"model\":\"in2\"}}", edits("k/t", set(1))))
            .isEqualTo("""
                {"k":{"model":"in","model":"in2","t":1}}""");
    }

    @Test void laterEditsWin() {
        assertThat(edits("a", REMOVE, "a", set(1))).isEqualTo(Map.of("a", set(1)));
        assertThat(edits("a/b", REMOVE, "a/b", set(1)))
            .isEqualTo(Map.of("a", new Edit.Into(Map.of("b", set(1)))));
        assertThat(edits("a", set(Map.of("x", 1)), "a/b", set(2)))
            .isEqualTo(
                Map.of(
                    "a",
                    set(
                        new TreeMap<>(Map.of("x", 1, "b", 2))
                            .descendingMap())));
        assertThat(edits("a", REMOVE, "a/b", set(2))).isEqualTo(Map.of("a", set(Map.of("b", 2))));
        assertThat(edits("a", set(Map.of("x", 1)), "a/x", REMOVE))
            .isEqualTo(Map.of("a", set(Map.of())));
    }

    @ParameterizedTest
    @ValueSource(
        strings = {
            "",
            "[]",
            "1",
            "{",
            "{\"a\":1",
            "{\"a\":1}x",
            "{\"a\":01}",
            "{\"a\":tru}",
            "{\"a\":[1,]}",
            "{\"a\":[1}",
            "{\"a\":{]}",
            "{\"a\":\"\\x\"}",
            "{\"a\":\"\n\"}",
            "{,}",
            "{\"a\":}",
            "{\"a\" 1}",
            "{\"a\":1,}",
            "{\"a\":1 \"b\":2}",
            "{\"a\":[}",
            "{\"a\":\"\\u12\"}",
            "\uFEFF{}",
            "{\"a\":nulll}"
        })
    void whatIsNoObjectIsRefused(String json) {
        assertThatThrownBy(() -> read(json)).as(json).isInstanceOf(Malformed.class);
    }

    @Test void bytesBehindTheObjectAreRefused() {
        byte[] bytes = {'{', '}', (byte) 0xff, (byte) 0xff, 'x'};
        assertThatThrownBy(() -> new JsonEdit(bytes, bytes.length)).isInstanceOf(Malformed.class);
        assertThatThrownBy(() -> read("{" + "\"\":0,".repeat(300_000) + "\"a\":1}"))
            .hasMessageContaining("more than 20000 keys");
    }

    @Test void depthIsNoLimitAndInvalidUtf8InStringsPasses() throws Malformed {
        String deep =
            "{\"a\":"
                + "[{\"b\":".repeat(100_000)
                + "1"
                + "}]".repeat(100_000)
                + ",\"model\":\"m\"}";
        assertThat(read(deep).text("model")).isEqualTo("m");
        byte[] odd = "{\"a\":\"x\",\"model\":\"m\"}".getBytes(StandardCharsets.ISO_8859_1);
        odd[6] = (byte) 0xfe;
        assertThat(new JsonEdit(odd, odd.length).text("model")).isEqualTo("m");
    }

    /**
     * Random documents: edited in bytes they say the same as edited in a tree, and unedited they
     * stay as they are.
     */
    @Test void randomDocuments() throws Malformed {
        long seed = System.nanoTime();
        Random random = new Random(seed);
        for (int i = 0; i < 1000; i++) {
            String label = "seed " + seed + ", document " + i;
            Json.Obj document = (Json.Obj) object(random, 0);
            String text = spaced(document.toString(), random);
            Map<String, Edit> edits = Map.of();
            Json.Obj expected = document;
            for (int e = random.nextInt(4); e > 0; e--) {
                String key = "k" + random.nextInt(6);
                boolean remove = random.nextBoolean();
                Json value = value(random, 2);
                edits = JsonEdit.plus(edits, List.of(key), remove ? REMOVE : new Edit.Set(value));
                Map<String, Json> entries = new LinkedHashMap<>(expected.entries());
                if (remove) entries.remove(key);
                else entries.put(key, value);
                expected = new Json.Obj(entries);
            }
            String edited = edit(text, edits);
            assertThat(((Json.Obj) Json.parse(edited)).entries())
                .as(label + ": " + text + " -> " + edited)
                .isEqualTo(expected.entries());
            if (edits.isEmpty()) assertThat(edited).as(label).isEqualTo(text);
        }
    }

    private static Json object(Random random, int depth) {
        Map<String, Json> entries = new LinkedHashMap<>();
        for (int i = random.nextInt(6); i > 0; i--) {
            entries.put("k" + random.nextInt(6), value(random, depth + 1));
        }
        return new Json.Obj(entries);
    }

    private static Json value(Random random, int depth) {
        return switch (random.nextInt(depth > 4 ? 5 : 7)) {
            case 0 -> Json.NULL;
            case 1 -> Json.of(random.nextBoolean());
            case 2 -> Json.of(random.nextInt());
            case 3 -> new Json.Num(random.nextInt(99) + "." + random.nextInt(99) + "e-3");
            case 4 -> Json.of("\"\\é😀\n" + random.nextInt() + "{[,:");
            case 5 -> new Json.Arr(List.of(value(random, depth + 1), value(random, depth + 1)));
            default -> object(random, depth);
        };
    }

    /** Puts white space where JSON allows it. */
    private static String spaced(String json, Random random) {
        StringBuilder out = new StringBuilder();
        boolean quoted = false;
        for (int i = 0; i < json.length(); i++) {
            char c = json.charAt(i);
            if (c == '"' && !(quoted && json.charAt(i - 1) == '\\' && json.charAt(i - 2) != '\\')) {
                quoted = !quoted;
            }
            out.append(c);
            if (!quoted && "{}[],:".indexOf(c) >= 0) {
                out.append(" \n\t".repeat(2), 0, random.nextInt(4));
            }
        }
        return out.toString();
    }
}
