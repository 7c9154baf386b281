package llmsnap.platform;

import static java.nio.charset.StandardCharsets.UTF_8;
import static java.util.concurrent.TimeUnit.MILLISECONDS;
import static java.util.concurrent.TimeUnit.NANOSECONDS;

import java.io.IOException;
import java.lang.ProcessBuilder.Redirect;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;

/** Asks NVIDIA's own tool, which takes up to a second and may hang. */
final class NvidiaSmi {
    private static final long PATIENCE_MS = 2_000;
    private static final long PAUSE_MS = 2_000;
    private static final long HANG_PAUSE_MS = 60_000;
    private static final int MAX_BYTES = 1 << 20;

    private final Consumer<String> warn;
    private boolean warned;
    private long lastNanos = System.nanoTime() - MILLISECONDS.toNanos(PAUSE_MS);

    NvidiaSmi(Consumer<String> warn) {
        this.warn = warn;
    }

    /** The same as {@link #now}, but not soon after the last one. */
    List<List<String>> query(String what) throws InterruptedException {
        long soonMs = PAUSE_MS - NANOSECONDS.toMillis(System.nanoTime() - lastNanos);
        if (soonMs > PAUSE_MS) return null;
        if (soonMs > 0) MILLISECONDS.sleep(soonMs);
        lastNanos = System.nanoTime();
        return now(what);
    }

    /** The rows of a query, its fields stripped; none where the tool is not; null: it fails. */
    List<List<String>> now(String what) throws InterruptedException {
        if (System.nanoTime() < lastNanos) return null;
        Process process;
        try {
            process = new ProcessBuilder("nvidia-smi", "--query-" + what,
                "--format=csv,noheader,nounits").redirectError(Redirect.DISCARD).start();
        } catch (IOException e) {
            return List.of();       // another maker's machine
        }
        try {
            CompletableFuture<String> output = new CompletableFuture<>();
            Thread.ofVirtual().start(() -> output.complete(read(process)));
            String text = output.get(PATIENCE_MS, MILLISECONDS);
            if (!process.waitFor(PATIENCE_MS, MILLISECONDS)) throw new TimeoutException();
            if (process.exitValue() == 0) return rows(text);
            warn("exited with code " + process.exitValue());
        } catch (TimeoutException e) {
            // Who hangs once is left alone for a while.
            lastNanos = System.nanoTime() + MILLISECONDS.toNanos(HANG_PAUSE_MS);
            process.descendants().forEach(ProcessHandle::destroyForcibly);
            warn("did not answer within " + PATIENCE_MS / 1000 + " s");
        } catch (ExecutionException e) {
            throw new IllegalStateException(e);     // reading throws nothing
        } finally {
            process.destroyForcibly();
        }
        return null;
    }

    private static String read(Process process) {
        try {
            return new String(process.getInputStream().readNBytes(MAX_BYTES), UTF_8);
        } catch (IOException e) {
            return "";
        }
    }

    private static List<List<String>> rows(String text) {
        List<List<String>> rows = new ArrayList<>();
        for (String line : text.lines().toList()) {
            if (!line.isBlank()) rows.add(List.of(line.strip().split("\\s*,\\s*")));
        }
        return rows;
    }

    /** Says once that it is of no use. */
    void warn(String what) {
        if (!warned) warn.accept("nvidia-smi " + what + "; declared and estimated sizes hold");
        warned = true;
    }
}
