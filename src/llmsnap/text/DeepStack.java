package llmsnap.text;

import java.util.concurrent.Callable;
import java.util.concurrent.FutureTask;

/** Room for recursion over deep trees: a thousand levels of YAML do not fit on every thread's stack. */
public final class DeepStack {
    private static final long STACK_BYTES = 64L << 20;

    private DeepStack() {}

    /** Runs {@code task} on a thread of its own and waits for it; its exception comes out as it was thrown. */
    public static <T> T call(Callable<T> task) throws Exception {
        FutureTask<T> future = new FutureTask<>(task);
        Thread.ofPlatform().name("deep-stack").stackSize(STACK_BYTES).start(future);
        try {
            return future.get();
        } catch (java.util.concurrent.ExecutionException e) {
            if (e.getCause() instanceof Exception cause) throw cause;
            throw (Error) e.getCause();
        }
    }
}
