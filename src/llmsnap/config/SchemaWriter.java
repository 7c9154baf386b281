package llmsnap.config;

import static java.nio.charset.StandardCharsets.UTF_8;
import static llmsnap.text.Json.obj;

import java.util.List;
import llmsnap.text.Json;

/** Writes what the reader knows as a JSON Schema (2020-12), for editors. */
public final class SchemaWriter {
    /** Files in which everything is there that is read only where it is given. */
    private static final List<String> SAMPLES = List.of("""
        models: {m: {cmd: x, proxy: 'http://h', capabilities: {}, env: [], filters: {},
          sleepEndpoints: [{}], wakeEndpoints: [{}], afterStart: [{}], beforeStop: [{}]}}
        apiKeys: [{}]
        discover: [{dir: x}]
        groups: {g: {}}
        peers: {p: {}}
        selectors: {s: {}}
        profiles: {p: {}}
        hooks: {on_idle: {}}
        history: {}
        """, """
        models: {m: {cmd: x, proxy: 'http://h'}}
        matrix: {}
        """, """
        models: {m: {cmd: x, proxy: 'http://h'}}
        routing: {router: {use: matrix, settings: {matrix: {}}}}
        """, """
        models: {m: {cmd: x, proxy: 'http://h'}}
        routing: {router: {settings: {groups: {g: {}}}}}
        """);

    private SchemaWriter() {}

    /** The schema of the configuration. */
    public static Json.Obj json() {
        var whole = new Schema();
        for (String sample : SAMPLES) ConfigReader.note(sample.getBytes(UTF_8), whole);
        // What is found is a model as it would be written.
        Schema found = whole.key(Discovery.KEY).items();
        found.addAll(whole.key("models").each());
        found.close();
        Json.Obj object = whole.object();
        return obj(
            "$schema", "https://json-schema.org/draft/2020-12/schema",
            "title", "config.yaml of llmsnap",
            "type", "object",
            "properties", object.at("properties"),
            "additionalProperties", object.at("additionalProperties"));
    }
}
