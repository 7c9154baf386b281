package llmsnap;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.TreeSet;
import llmsnap.text.Json;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.api.parallel.Isolated;

/**
 * Real servers share main memory by what the kernel says. Alone: others that run the same program
 * would take a part of its pages over.
 */
@Isolated
class HostMemoryTest {
    private static final String HELLO = """
        "max_tokens":1,"messages":[{"role":"user","content":"hello"}]""";

    @TempDir Path folder;

    private static Json.Obj explained(Running llmsnap, String id) {
        return Running.json(llmsnap.get("/api/explain?model=" + id));
    }

    private static void load(Running llmsnap, String... ids) {
        for (String id : ids) {
            assertThat(llmsnap.chat(id, HELLO).statusCode()).as(id).isEqualTo(200);
            Running.await(id + " is measured", () ->
                explained(llmsnap, id).text("memory_source").equals("measured"));
        }
    }

    private static TreeSet<String> loaded(Running llmsnap) {
        return new TreeSet<>(llmsnap.running());
    }

    @Test void realServersShareTheHostByWhatTheKernelSays() throws Exception {
        List<String> found = List.of(System.getenv("PATH").split(":"));
        Path alpha = Path.of("/opt/tiny-models/alpha.gguf");
        assumeTrue(Files.exists(alpha) && found.stream().anyMatch(each ->
            Files.isExecutable(Path.of(each, "llama-server"))), "no llama-server here");
        String models = "models:\n";
        for (String id : List.of("a", "b", "c")) {
            // Of a file that several have open each would count a part.
            Path own = Files.copy(alpha, folder.resolve(id + ".gguf"));
            models += "  " + id + ": {cmd: 'llama-server --port ${PORT} -m " + own
                + " -c 2048'}\n";
        }
        long each;
        try (Running llmsnap = Running.start("memory: {host: 4GB}\nmemoryReserve: 0\n" + models)) {
            load(llmsnap, "a");
            each = (long) ((Json.Num) explained(llmsnap, "a").at("memory", "host")).value();
            assertThat(each).isBetween(10L << 20, 2L << 30);
        }
        String memory = "memory: {host: %d}\nmemoryReserve: 0\n".formatted(each * 5 / 2);
        try (Running llmsnap = Running.start(memory + models)) {
            load(llmsnap, "a", "b", "c");
            load(llmsnap, "a", "b");
            assertThat(loaded(llmsnap)).containsExactly("a:ready", "b:ready");
            load(llmsnap, "c");
            assertThat(loaded(llmsnap)).containsExactly("b:ready", "c:ready");
            assertThat(Running.processesWith("LLMSNAP_RUN=" + llmsnap.process.pid() + "-"))
                .hasSize(2);
        }
    }
}
