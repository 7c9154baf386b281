package llmsnap.text;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.function.Supplier;

/** Room for recursion: a thousand levels of YAML do not fit on every thread's stack. */
public final class DeepStack {
    private static final long STACK_BYTES = 64L << 20;

    private DeepStack() {}

    /** Runs {@code task} on a thread of its own; what it throws comes out as it was thrown. */
    public static <T> T call(Supplier<T> task) {
        try {
            return CompletableFuture.supplyAsync(task, work ->
                Thread.ofPlatform().name("deep-stack").stackSize(STACK_BYTES).start(work)).join();
        } catch (CompletionException e) {
            if (e.getCause() instanceof Error error) throw error;
            throw (RuntimeException) e.getCause();
        }
    }
}
