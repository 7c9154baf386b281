package llmsnap.text;

import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;

/** Room for recursion: a thousand levels of YAML do not fit on every thread's stack. */
public final class DeepStack {
    private static final long STACK_BYTES = 64L << 20;

    private DeepStack() {}

    /** Something to do that may throw {@code E}. */
    public interface Task<T, E extends Exception> {
        T call() throws E;
    }

    /** Runs {@code task} on a thread of its own; its exception comes out as it was thrown. */
    @SuppressWarnings("unchecked")
    public static <T, E extends Exception> T call(Task<T, E> task) throws E {
        var future = new FutureTask<>(task::call);
        Thread.ofPlatform().name("deep-stack").stackSize(STACK_BYTES).start(future);
        try {
            return future.get();
        } catch (ExecutionException e) {
            if (e.getCause() instanceof Error error) throw error;
            throw (E) e.getCause();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException(e);
        }
    }
}
