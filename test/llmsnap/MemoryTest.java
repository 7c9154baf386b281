package llmsnap;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.TreeSet;
import llmsnap.text.Json;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Memory decides, over the real jar: with an nvidia-smi of the test's own, whose table follows what
 * the simulated models say that they take, and with real servers measured by the kernel.
 */
class MemoryTest {
    /** One GPU of 24 GB. Files named by a model's pid hold the MiB that it takes. */
    private static final String TOOL = """
        #!/bin/sh
        echo "$1" >> %1$s/calls
        [ -f %1$s/hangs ] && exec sleep 60
        [ -f %1$s/nonsense ] && { echo "<html>"; exit 0; }
        case "$1" in
          --query-gpu=index,memory.total) echo "0, 24576" ;;
          --query-gpu=index,uuid) echo "0, GPU-0" ;;
          --query-gpu=index,memory.used)
            sum=$(cat %1$s/stranger 2>/dev/null || echo 0)
            for each in %1$s/taken/*; do
              kill -0 "${each##*/}" 2>/dev/null && sum=$((sum + $(cat "$each")))
            done
            echo "0, $sum" ;;
          --query-compute-apps=*)
            [ -f %1$s/blind ] && exit 0
            for each in %1$s/taken/*; do
              kill -0 "${each##*/}" 2>/dev/null && echo "GPU-0, ${each##*/}, $(cat "$each")"
            done
            exit 0 ;;
        esac
        """;

    private static final String HELLO = """
        "max_tokens":1,"messages":[{"role":"user","content":"hello"}]""";

    @TempDir Path folder;

    @BeforeEach void makeTool() throws IOException {
        Files.createDirectory(folder.resolve("taken"));
        Path tool = Files.writeString(folder.resolve("nvidia-smi"), TOOL.formatted(folder));
        Files.setPosixFilePermissions(tool, PosixFilePermissions.fromString("rwxr-xr-x"));
    }

    private Running start(String yaml) throws IOException {
        Path config = Files.writeString(folder.resolve("config.yaml"),
            "startPort: " + Running.freePorts(10) + "\n" + Running.SIM + yaml);
        return start(config);
    }

    private Running start(Path config) throws IOException {
        List<String> java = List.of("env", "PATH=" + folder + ":" + System.getenv("PATH"),
            Running.JAVA, "-XX:TieredStopAtLevel=1");
        return Running.start(config, 0, java);
    }

    /** A model that takes that many GB of the GPU. */
    private String model(String id, int gigabytes, String more) {
        return "  %s: {cmd: '${sim} --gpu-mb %d --gpu-folder %s'%s}\n".formatted(id,
            gigabytes << 10, folder.resolve("taken"), more);
    }

    private static String source(Running llmsnap, String id) {
        return explained(llmsnap, id).text("memory_source");
    }

    private static Json.Obj explained(Running llmsnap, String id) {
        try {
            return (Json.Obj) Json.parse(llmsnap.get("/api/explain?model=" + id).body());
        } catch (Exception e) {
            throw new AssertionError(e);
        }
    }

    private static void load(Running llmsnap, String... ids) throws Exception {
        for (String id : ids) {
            assertThat(llmsnap.chat(id, HELLO).statusCode()).as(id).isEqualTo(200);
            Running.await(id + " is measured", () -> source(llmsnap, id).equals("measured"));
        }
    }

    private static TreeSet<String> loaded(Running llmsnap) throws Exception {
        return new TreeSet<>(llmsnap.running());
    }

    @Test void asManyStayLoadedAsFitAndTheOneUsedLongestAgoGoes() throws Exception {
        String yaml = "memory: auto\nstateFile: " + folder.resolve("state.json") + "\nmodels:\n"
            + model("a", 10, "") + model("b", 9, "") + model("c", 8, "");
        try (Running llmsnap = start(yaml)) {
            load(llmsnap, "a", "b", "c");
            // What each takes is known now: it was alone while that was not so.
            load(llmsnap, "b", "c");
            assertThat(loaded(llmsnap)).containsExactly("b:ready", "c:ready");
            load(llmsnap, "a");
            assertThat(loaded(llmsnap)).containsExactly("a:ready", "c:ready");
            assertThat(llmsnap.output()).containsPattern("stopping b \\(9 GB of gpu0, last used"
                + " \\d+ s ago\\) to make room for a, which needs 10 GB");
            assertThat(llmsnap.get("/metrics").body())
                .contains("llmsnap_memory_bytes{pool=\"gpu0\",kind=\"total\"} 25769803776\n")
                .contains("llmsnap_model_memory_bytes{model=\"a\",pool=\"gpu0\"} 10737418240\n");
            assertThat(explained(llmsnap, "b").text("summary"))
                .contains("It takes 9 GB of gpu0 (measured)");
        }
        try (Running again = start(folder.resolve("config.yaml"))) {
            again.chat("a");
            again.chat("b");
            assertThat(loaded(again)).as("what was learned is known after a restart")
                .containsExactly("a:ready", "b:ready");
        }
        assertThat(PosixFilePermissions.toString(
            Files.getPosixFilePermissions(folder.resolve("state.json")))).isEqualTo("rw-------");
    }

    @Test void whatCanNeverFitIsSaidAtStartAndRefusedWithTheArithmetic() throws Exception {
        try (Running llmsnap = start("memory: auto\nmodels:\n" + model("a", 1, ", memory: 30GB"))) {
            assertThat(llmsnap.output()).contains("the model \"a\" needs 30 GB of gpu0, which has"
                + " 24 GB less 1.2 GB kept free: it can never be loaded (warning)");
            assertThat(llmsnap.chat("a").statusCode()).isEqualTo(507);
            assertThat(llmsnap.chat("a").body()).contains("needs 30 GB of gpu0");
        }
    }

    @Test void aStrangerInTheWayIsNamed() throws Exception {
        String yaml = "memory: auto\nmodels:\n" + model("a", 1, ", memory: 1GB")
            + model("b", 16, ", memory: 16GB");
        try (Running llmsnap = start(yaml)) {
            Files.writeString(folder.resolve("stranger"), "12288");
            load(llmsnap, "a");
            Running.await("the stranger is seen", () ->
                explained(llmsnap, "b").toString().contains("\"others\":12884901888"));
            assertThat(llmsnap.chat("b").statusCode()).isEqualTo(507);
            assertThat(llmsnap.chat("b").body())
                .contains("other programs hold 12 GB");
            assertThat(loaded(llmsnap)).as("nobody goes for him").containsExactly("a:ready");
            Files.delete(folder.resolve("stranger"));
            Running.await("he is gone", () -> status(llmsnap, "b") == 200);
        }
    }

    private static int status(Running llmsnap, String id) {
        try {
            return llmsnap.chat(id).statusCode();
        } catch (Exception e) {
            throw new AssertionError(e);
        }
    }

    @Test void whereProcessesCannotBeSeenTheDeviceTells() throws Exception {
        Files.createFile(folder.resolve("blind"));
        try (Running llmsnap = start("memory: auto\nmodels:\n" + model("a", 6, ""))) {
            load(llmsnap, "a");
            assertThat(explained(llmsnap, "a").toString())
                .contains("\"memory\":{\"gpu0\":" + (6L << 30) + "}");
        }
    }

    @Test void whatIsMeasuredByTheDeviceIsNoStranger() throws Exception {
        Files.createFile(folder.resolve("blind"));
        try (Running llmsnap = start("memory: auto\nmodels:\n" + model("a", 14, "")
            + model("b", 14, ", memory: 14GB"))) {
            load(llmsnap, "a");
            Running.await("strangers were looked at", () -> explained(llmsnap, "a").toString()
                .contains("\"others\":0,\"models\":{\"a\""));
            assertThat(llmsnap.chat("b").statusCode()).isEqualTo(200);
            assertThat(loaded(llmsnap)).containsExactly("b:ready");
        }
    }

    @Test void aStrangerDoesNotKeepWhatNobodyKnowsFromBeingTried() throws Exception {
        Files.writeString(folder.resolve("stranger"), "512");
        try (Running llmsnap = start("memory: auto\nmodels:\n" + model("a", 4, "")
            + model("b", 5, ""))) {
            load(llmsnap, "a");
            Running.await("the stranger is seen", () ->
                explained(llmsnap, "b").toString().contains("\"others\":536870912"));
            load(llmsnap, "b", "a");
            assertThat(loaded(llmsnap)).containsExactly("a:ready", "b:ready");
        }
    }

    @Test void twoOfOneCommandOnTwoCardsAreKeptApart() throws Exception {
        Path tool = folder.resolve("nvidia-smi");
        Files.writeString(tool, Files.readString(tool)
            .replace("echo \"0, 24576\" ;;", "printf '0, 24576\\n1, 24576\\n' ;;")
            .replace("echo \"0, GPU-0\" ;;", "printf '0, GPU-0\\n1, GPU-1\\n' ;;"));
        String one = model("a", 14, ", env: [CUDA_VISIBLE_DEVICES=0]");
        String other = one.replace("  a:", "  b:").replace("DEVICES=0", "DEVICES=1");
        try (Running llmsnap = start("memory: auto\nmodels:\n" + one + other)) {
            load(llmsnap, "a", "b");
            assertThat(loaded(llmsnap)).containsExactly("a:ready", "b:ready");
            assertThat(explained(llmsnap, "b").at("memory").toString()).doesNotContain("gpu0");
        }
    }

    @Test void aToolThatHangsOrPrintsNonsenseHoldsNobodyUp() throws Exception {
        for (String how : new String[] {"nonsense", "hangs"}) {
            Path fault = Files.createFile(folder.resolve(how));
            String yaml = "memory: {gpu0: 24GB}\nmodels:\n" + model("a", 10, ", memory: 14GB")
                + model("b", 10, ", memory: 14GB");
            try (Running llmsnap = start(yaml)) {
                llmsnap.chat("a");
                llmsnap.chat("b");
                assertThat(loaded(llmsnap)).containsExactly("b:ready");
                assertThat(llmsnap.output()).contains("nvidia-smi ")
                    .contains("declared and estimated sizes hold");
            }
            Files.delete(fault);
        }
    }

    @Test void whoRunsOutOfMemoryIsStartedOnceMoreAlone() throws Exception {
        String yaml = "memory: {p: 10GB}\nmemoryReserve: 0\nmodels:\n"
            + model("a", 2, ", memory: 2GB")
            + model("b", 2, ", memory: 2GB").replace("--gpu-mb", "--alone --gpu-mb");
        try (Running llmsnap = start(yaml)) {
            llmsnap.chat("a");
            assertThat(llmsnap.chat("b").statusCode()).isEqualTo(200);
            assertThat(loaded(llmsnap)).containsExactly("b:ready");
            assertThat(llmsnap.output()).contains("cudaMalloc failed: out of memory");
        }
    }
}
