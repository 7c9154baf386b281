package llmsnap.record;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.util.List;
import llmsnap.record.Usage.Counts;
import llmsnap.record.Usage.Speeds;
import org.junit.jupiter.api.Test;

/**
 * Answers as servers send them, and what is read off them; each in one piece, and cut at every
 * byte.
 */
class UsageTest {
    private static final String JSON = "application/json; charset=utf-8";
    private static final String STREAM = "text/event-stream";

    private static final Usage.Draft NO_DRAFT = new Usage.Draft(-1, -1);

    /** @param pieces how many events have generated text in them */
    private record Case(String name, String type, String body, Counts counts, long pieces) {}

    private static Case of(String name, String type, Counts counts, long pieces, String... lines) {
        return new Case(name, type, String.join("\n", lines), counts, pieces);
    }

    private static Counts counts(long prompt, long cached, long output) {
        return new Counts(prompt, cached, output, -1, NO_DRAFT, new Speeds(-1, -1, -1, -1));
    }

    private static final List<Case> CASES =
        List.of(
            of(
                "vLLM with --enable-per-request-metrics",
                JSON,
                new Counts(42, -1, 128, -1, NO_DRAFT, new Speeds(-1, 103.2, 1326, 85)),
                0,
                """
                    {"id":"chatcmpl-1","choices":[],"usage":{"prompt_tokens":42,\
                    "completion_tokens":128,"total_tokens":170},"metrics":{\
                    "time_to_first_token_ms":85.2,"generation_time_ms":1240.5,\
                    "queue_time_ms":12.3,"mean_itl_ms":9.1,"tokens_per_second":103.2}}"""),
            of(
                "llama.cpp with a draft model",
                JSON,
                new Counts(8, 0, 25, -1, new Usage.Draft(30, 17), new Speeds(185, 104.5, 282, -1)),
                0,
                """
                    {"choices":[],"timings":{"cache_n":0,"prompt_n":8,"prompt_ms":43.2,\
                    "prompt_per_second":185,"predicted_n":25,"predicted_ms":238.7,\
                    "predicted_per_second":104.5,"draft_n":30,"draft_n_accepted":17}}"""),
            // Recorded from llama-server b11669; texts and ids shortened.
            of(
                "llama.cpp chat",
                JSON,
                new Counts(
                    28,
                    0,
                    4,
                    -1,
                    NO_DRAFT, new Speeds(48027.44425385936, 14150.943396226416, 1, -1)),
                0,
                """
                    {"choices":[{"finish_reason":"length","index":0,"message":{"role":"assistant",\
                    "content":" word sure those got"}}],"created":1795613024,"model":"alpha.gguf",\
                    "object":"chat.completion","usage":{"completion_tokens":4,"prompt_tokens":28,\
                    "total_tokens":32,"prompt_tokens_details":{"cached_tokens":0}},\
                    "id":"chatcmpl-5","timings":{"cache_n":0,"prompt_n":28,"prompt_ms":0.583,\
                    "prompt_per_token_ms":0.02082142857142857,\
                    "prompt_per_second":48027.44425385936,"predicted_n":4,"predicted_ms":0.212,\
                    "predicted_per_token_ms":0.07066666666666667,\
                    "predicted_per_second":14150.943396226416}}"""),
            of(
                "llama.cpp chat stream",
                STREAM,
                new Counts(1, 27, 4, -1, NO_DRAFT, new Speeds(3717.472118959108, 7500, 1, -1)),
                2,
                """
                    data: {"choices":[{"finish_reason":null,"index":0,"delta":{"role":"assistant",\
                    "content":null}}],"created":1795613024,"object":"chat.completion.chunk"}""",
                "",
                """
                    data: {"choices":[{"finish_reason":null,"index":0,"delta":{"content":" \
                    same"}}],"created":1795613024,"object":"chat.completion.chunk"}""",
                "",
                """
                    data: {"choices":[{"finish_reason":null,"index":0,"delta":{"content":" \
                    which"}}],"created":1795613024,"object":"chat.completion.chunk"}""",
                "",
                """
                    data: {"choices":[{"finish_reason":"length","index":0,"delta":{}}],\
                    "object":"chat.completion.chunk","timings":{"cache_n":27,"prompt_n":1,\
                    "prompt_ms":0.269,"prompt_per_second":3717.472118959108,"predicted_n":4,\
                    "predicted_ms":0.4,"predicted_per_second":7500.0}}""",
                "",
                "data: [DONE]",
                "",
                ""),
            of(
                "llama.cpp chat stream with usage: timings win",
                STREAM,
                new Counts(1, 27, 4, -1, NO_DRAFT, new Speeds(4098.5, 7894.25, 624, -1)),
                1,
                """
                    data: {"choices":[{"index":0,"delta":{"content":" idea"}}]}""",
                "",
                """
                    data: {"choices":[],"usage":{"completion_tokens":4,"prompt_tokens":28,\
                    "total_tokens":32,"prompt_tokens_details":{"cached_tokens":27}},\
                    "timings":{"cache_n":27,"prompt_n":1,"prompt_ms":244.0,\
                    "prompt_per_second":4098.5,"predicted_n":4,"predicted_ms":380.1,\
                    "predicted_per_second":7894.25}}""",
                "",
                "data: [DONE]",
                "",
                ""),
            of(
                "llama.cpp completion stream, its own form",
                STREAM,
                new Counts(1, 8, 2, -1, NO_DRAFT, new Speeds(261.5, 9433.5, 4, -1)),
                2,
                """
                    data: {"index":0,"content":" friend","tokens":[536],"stop":false,"id_slot":-1,\
                    "tokens_predicted":1,"tokens_evaluated":9}""",
                "",
                """
                    data: {"index":0,"content":" hand","tokens":[417],"stop":false,"id_slot":-1,\
                    "tokens_predicted":2,"tokens_evaluated":9}""",
                "",
                """
                    data: {"index":0,"content":"","tokens":[],"stop":true,"tokens_predicted":2,\
                    "generation_settings":{"dry_sequence_breakers":["\\n",":","\\"","*"],\
                    "lora":[]},"prompt":"<s>▁hello","timings":{"cache_n":8,"prompt_n":1,\
                    "prompt_ms":3.83,"prompt_per_second":261.5,"predicted_n":2,\
                    "predicted_ms":0.318,"predicted_per_second":9433.5}}""",
                "",
                ""),
            of("llama.cpp messages", JSON, counts(1, 27, 4), 0, """
                {"id":"x","type":"message","role":"assistant","content":[{"type":"text","text":" \
                same which feet sun"}],"stop_reason":"max_tokens",\
                "usage":{"cache_read_input_tokens":27,"input_tokens":1,"output_tokens":4}}"""),
            of(
                "llama.cpp messages stream",
                STREAM,
                counts(1, 27, 4),
                2,
                "event: message_start",
                """
                    data: {"type":"message_start","message":{"id":"x","role":"assistant",\
                    "content":[],"usage":{"cache_read_input_tokens":27,"input_tokens":1,\
                    "output_tokens":0}}}""",
                "",
                "event: content_block_start",
                """
                    data: {"type":"content_block_start","index":0,"content_block":{"type":"text",\
                    "text":""}}""",
                "",
                "event: content_block_delta",
                """
                    data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta",\
                    "text":" same"}}""",
                "",
                "event: content_block_delta",
                """
                    data: {"type":"content_block_delta","index":0,\
                    "delta":{"type":"thinking_delta","thinking":" low"}}""",
                "",
                "event: message_delta",
                """
                    data: {"type":"message_delta","delta":{"stop_reason":"max_tokens",\
                    "stop_sequence":null},"usage":{"output_tokens":4}}""",
                "",
                "event: message_stop",
                "data: {\"type\":\"message_stop\"}",
                "",
                ""),
            of(
                "llama.cpp responses stream",
                STREAM,
                new Counts(1, 27, 4, -1, NO_DRAFT, new Speeds(277.25, 9433.5, 4, -1)),
                2,
                "event: response.created",
                """
                    data: {"type":"response.created","response":{"id":"r","object":"response",\
                    "status":"in_progress"}}""",
                "",
                "event: response.output_text.delta",
                """
                    data: {"type":"response.output_text.delta","item_id":"m","delta":" word"}""",
                "",
                "event: response.output_text.delta",
                """
                    data: {"type":"response.output_text.delta","item_id":"m","delta":" low"}""",
                "",
                "event: response.output_text.done",
                """
                    data: {"type":"response.output_text.done","item_id":"m","text":" word low"}""",
                "",
                "event: response.output_item.done",
                """
                    data: {"type":"response.output_item.done","item":{"type":"message",\
                    "content":[{"type":"output_text","text":" word low"}]}}""",
                "",
                "event: response.completed",
                """
                    data: {"type":"response.completed","response":{"id":"r",\
                    "output":[{"type":"message","content":[{"text":" word low"}]}],\
                    "usage":{"input_tokens":28,"output_tokens":4,"total_tokens":32,\
                    "input_tokens_details":{"cached_tokens":27}}},"timings":{"cache_n":27,\
                    "prompt_n":1,"prompt_ms":3.609,"prompt_per_second":277.25,"predicted_n":4,\
                    "predicted_ms":0.318,"predicted_per_second":9433.5}}""",
                "",
                ""),
            of("llama.cpp embeddings", JSON, counts(9, -1, -1), 0, """
                {"model":"x","object":"list","usage":{"prompt_tokens":9,"total_tokens":9},\
                "data":[{"embedding":[0.0123,-4.5e-05],"index":0,"object":"embedding"}]}"""),
            of(
                "llama.cpp infill: a list, the last one counts",
                JSON,
                new Counts(3, 2, 9, -1, NO_DRAFT, new Speeds(11, 12, 3, -1)),
                0,
                """
                    [{"content":"a","timings":{"cache_n":1,"prompt_n":1,"prompt_ms":1,\
                    "prompt_per_second":1,"predicted_n":1,"predicted_ms":1,\
                    "predicted_per_second":1}},{"content":"b","timings":{"cache_n":2,"prompt_n":3,\
                    "prompt_ms":1,"prompt_per_second":11,"predicted_n":9,"predicted_ms":2,\
                    "predicted_per_second":12}}]"""),
            // In the shapes that the makers publish.
            of(
                "vLLM chat stream, usage with every piece",
                STREAM,
                counts(12, -1, 2),
                2,
                """
                    data: {"id":"c","choices":[{"index":0,"delta":{"role":"assistant",\
                    "content":""},"logprobs":null}],"usage":{"prompt_tokens":12,"total_tokens":12,\
                    "completion_tokens":0}}""",
                "",
                """
                    data: {"id":"c","choices":[{"index":0,"delta":{"reasoning":"Hm"}}],\
                    "usage":{"prompt_tokens":12,"total_tokens":13,"completion_tokens":1}}""",
                "",
                """
                    data: {"id":"c","choices":[{"index":0,"delta":{"content":"Hi"},\
                    "finish_reason":"stop"}],"usage":{"prompt_tokens":12,"total_tokens":14,\
                    "completion_tokens":2,"prompt_tokens_details":null}}""",
                "",
                "data: [DONE]",
                "",
                ""),
            of(
                "vLLM chat stream, usage last",
                STREAM,
                counts(12, 8, 2),
                1,
                """
                    data: {"choices":[{"index":0,"delta":{"content":"Hi"}}],"usage":null}""",
                "",
                """
                    data: {"choices":[],"usage":{"prompt_tokens":12,"total_tokens":14,\
                    "completion_tokens":2,"prompt_tokens_details":{"cached_tokens":8}}}""",
                "",
                "data: [DONE]",
                "",
                ""),
            of("vLLM rerank", JSON, counts(56, -1, -1), 0, """
                {"id":"rerank-1","model":"bge","usage":{"total_tokens":56,"prompt_tokens":56},\
                "results":[{"index":0,"document":{"text":"usage"},"relevance_score":0.9}]}"""),
            of(
                "OpenAI chat with reasoning",
                JSON,
                new Counts(100, 64, 50, 32, NO_DRAFT, new Speeds(-1, -1, -1, -1)),
                0,
                """
                    {"object":"chat.completion","choices":[{"index":0,\
                    "message":{"role":"assistant","content":"a \
                    {\\"usage\\":{\\"prompt_tokens\\":7}} b","refusal":null}}],\
                    "usage":{"prompt_tokens":100,"completion_tokens":50,"total_tokens":150,\
                    "prompt_tokens_details":{"cached_tokens":64,"audio_tokens":0},\
                    "completion_tokens_details":{"reasoning_tokens":32,"audio_tokens":0}}}"""),
            of(
                "OpenAI chat stream with a tool call, CRLF",
                STREAM,
                new Counts(80, 0, 17, 0, NO_DRAFT, new Speeds(-1, -1, -1, -1)),
                2,
                "data:"
                    + " {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,"
                    + "\"id\":\"call_1\",\"type\":\"function\",\"function\":{\"name\":\"f\","
                    + "\"arguments\":\"\"}}]}}],\"usage\":null}\r",
                "\r",
                "data:"
                    + " {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,"
                    + "\"function\":{\"arguments\":\"{\\\"a\\\"\"}}]}}],\"usage\":null}\r",
                "\r",
                "data:"
                    + " {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,"
                    + "\"function\":{\"arguments\":\":1}\"}}]}}],\"usage\":null}\r",
                "\r",
                "data:"
                    + " {\"choices\":[],\"usage\":{\"prompt_tokens\":80,"
                    + "\"completion_tokens\":17,\"prompt_tokens_details\":{\"cached_tokens\":0},"
                    + "\"completion_tokens_details\":{\"reasoning_tokens\":0}}}\r",
                "\r",
                "data: [DONE]\r",
                "\r",
                ""),
            of(
                "OpenAI responses",
                JSON,
                new Counts(36, 0, 87, 5, NO_DRAFT, new Speeds(-1, -1, -1, -1)),
                0,
                """
                    {"id":"resp_1","object":"response","output":[{"type":"message",\
                    "content":[{"type":"output_text","text":"In a peaceful grove"}]}],\
                    "usage":{"input_tokens":36,"input_tokens_details":{"cached_tokens":0},\
                    "output_tokens":87,"output_tokens_details":{"reasoning_tokens":5},\
                    "total_tokens":123}}"""),
            of(
                "Anthropic stream with ping, comments and cache",
                STREAM,
                counts(472, 1000, 89),
                2,
                ": hello",
                "event: message_start",
                """
                    data: {"type":"message_start","message":{"id":"msg_1",\
                    "usage":{"input_tokens":472,"cache_creation_input_tokens":0,\
                    "cache_read_input_tokens":1000,"output_tokens":2}}}""",
                "",
                "event: ping",
                "data: {\"type\": \"ping\"}",
                "",
                "event: content_block_delta",
                """
                    data: {"type":"content_block_delta","index":1,\
                    "delta":{"type":"input_json_delta","partial_json":"{\\"loc"}}""",
                "",
                "event: content_block_delta",
                """
                    data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta",\
                    "text":"Okay"}}""",
                "",
                "event: message_delta",
                """
                    data: {"type":"message_delta","delta":{"stop_reason":"tool_use"},\
                    "usage":{"input_tokens":0,"output_tokens":89}}""",
                "",
                ""),
            of(
                "tabbyAPI, with speeds in usage",
                JSON,
                new Counts(20, -1, 10, -1, NO_DRAFT, new Speeds(250.5, 40.25, -1, -1)),
                0,
                """
                    {"choices":[],"usage":{"prompt_tokens":20,"prompt_time":0.08,\
                    "prompt_tokens_per_sec":250.5,"completion_tokens":10,"completion_time":0.25,\
                    "completion_tokens_per_sec":40.25,"total_tokens":30}}"""),
            of(
                "transcription stream",
                STREAM,
                counts(14, -1, 45),
                1,
                """
                    data: {"type":"transcript.text.delta","delta":"Hello"}""",
                "",
                """
                    data: {"type":"transcript.text.done","text":"Hello","usage":{"type":"tokens",\
                    "input_tokens":14,"output_tokens":45}}""",
                "",
                ""),
            of(
                "image generation",
                JSON,
                counts(50, -1, 50),
                0,
                "{\"created\":1,\"data\":[{\"b64_json\":\""
                    + "Qk0=".repeat(40)
                    + "\"}],\"usage\":{\"total_tokens\":100,\"input_tokens\":50,"
                    + "\"output_tokens\":50}}"),
            of(
                "JSON lines",
                "application/x-ndjson",
                counts(5, -1, 6),
                0,
                "{\"a\":1}",
                """
                    {"usage":{"prompt_tokens":5,"completion_tokens":6}}"""),
            of(
                "an event over several data lines",
                STREAM,
                counts(5, -1, 6),
                1,
                "data: {\"choices\":[{\"text\":\"x\"}],",
                "data: \"usage\":{\"prompt_tokens\":5,",
                "data: \"completion_tokens\":6}}",
                "",
                ""),
            // What is no count.
            of(
                "usage further down, or of another kind",
                JSON,
                counts(-1, -1, -1),
                0,
                """
                    {"choices":[{"usage":{"prompt_tokens":5}}],"usage":"low","timings":null,\
                    "data":{"usage":{"prompt_tokens":5}}}"""),
            of("numbers that cannot be", JSON, counts(-1, -1, 3), 0, """
                {"usage":{"prompt_tokens":-5,"completion_tokens":3,\
                "prompt_tokens_details":{"cached_tokens":1e300},\
                "prompt_tokens_per_sec":"Indeterminate"}}"""),
            of(
                "no JSON",
                JSON,
                counts(-1, -1, -1),
                0,
                "<html>\"usage\":{\"prompt_tokens\":5}}}}]]]"),
            of(
                "JSON that breaks off",
                JSON,
                counts(-1, -1, -1),
                0,
                "{\"usage\":{\"prompt_tokens\":5,"),
            of(
                "very deep",
                JSON,
                counts(5, -1, -1),
                0,
                "{\"a\":"
                    + "[".repeat(100)
                    + "{\"usage\":{\"prompt_tokens\":9}}"
                    + "]".repeat(100)
                    + ",\"usage\":{\"prompt_tokens\":5}}"));

    private static void expect(Case each, Usage usage, String how) {
        assertThat(usage.counts()).as(each.name + ", " + how).isEqualTo(each.counts);
        assertThat(usage.textPieces()).as(each.name + ", pieces, " + how).isEqualTo(each.pieces);
    }

    @Test void countsAreReadOffEveryKindOfAnswerHoweverItIsCut() {
        for (Case each : CASES) {
            byte[] bytes = each.body.getBytes(StandardCharsets.UTF_8);
            Usage whole = Usage.of(each.type);
            whole.read(bytes, 0, bytes.length);
            expect(each, whole, "whole");
            Usage single = Usage.of(each.type);
            for (int i = 0; i < bytes.length; i++) single.read(bytes, i, 1);
            expect(each, single, "byte by byte");
            for (int cut = 1; cut < bytes.length; cut++) {
                Usage two = Usage.of(each.type);
                two.read(bytes, 0, cut);
                two.read(bytes, cut, bytes.length - cut);
                expect(each, two, "cut at " + cut);
            }
        }
    }

    @Test void onlyJsonAndStreamsAreRead() {
        assertThat(Usage.of("audio/mpeg")).isNull();
        assertThat(Usage.of("")).isNull();
        assertThat(Usage.of("application/problem+json")).isNotNull();
        Usage stream = Usage.of("Text/Event-Stream; charset=utf-8");
        byte[] event =
            "data: {\"choices\":[{\"text\":\"x\"}]}\n\n".getBytes(StandardCharsets.UTF_8);
        stream.read(event, 0, event.length);
        assertThat(stream.textPieces()).isEqualTo(1);
    }

    @Test void aCountThatIsMuchTooLongIsNotKept() {
        Usage usage = Usage.of(JSON);
        byte[] bytes =
            ("{\"usage\":{\"x\":\"" + "y".repeat(100_000) + "\",\"prompt_tokens\":5}}")
                .getBytes(StandardCharsets.UTF_8);
        usage.read(bytes, 0, bytes.length);
        assertThat(usage.counts()).isEqualTo(counts(-1, -1, -1));
    }

    @Test void everyKindOfTextIsCounted() {
        for (String key : List.of("content", "text", "thinking", "reasoning", "reasoning_content",
                "partial_json", "arguments")) {
            var usage = new Usage(true);
            byte[] event = ("data: {\"choices\":[{\"delta\":{\"other\":\"a\",\"" + key
                + "\":\"x\"}}]}\n\n").getBytes(StandardCharsets.UTF_8);
            usage.read(event, 0, event.length);
            assertThat(usage.textPieces()).as(key).isEqualTo(1);
        }
    }
}
