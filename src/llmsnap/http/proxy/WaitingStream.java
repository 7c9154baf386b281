package llmsnap.http.proxy;

import static java.nio.charset.StandardCharsets.UTF_8;
import static java.util.concurrent.TimeUnit.MILLISECONDS;
import static java.util.concurrent.TimeUnit.NANOSECONDS;
import static llmsnap.text.Json.obj;

import java.util.List;
import java.util.concurrent.locks.Condition;
import java.util.function.Supplier;
import llmsnap.http.server.Exchange;
import llmsnap.http.server.Failure;
import llmsnap.platform.Guard;
import llmsnap.text.Json;

/**
 * What a client that asked for a stream gets while it waits for its first byte. With loading text:
 * after a second, what is going on, as reasoning of the model that is to come. Without: after 15
 * seconds comment lines, so that nobody on the way gives up. Both begin the answer.
 */
final class WaitingStream implements AutoCloseable {
    private static final long TEXT_EVERY_MS = 1_000;
    static final long COMMENT_EVERY_MS = 15_000;
    /** What every reader of events skips. */
    static final String COMMENT = ": waiting\n\n";

    private final Exchange exchange;
    private final String model;
    private final Supplier<String> text;
    /** Guards the fields below, and the client until the stream has ended. */
    private final Guard guard = new Guard();
    private final Condition ended = guard.newCondition();
    private boolean over;
    private String lastText = "";

    /** @param text what is going on; null for clients that are only kept alive */
    WaitingStream(Exchange exchange, String model, Supplier<String> text) {
        this.exchange = exchange;
        this.model = model;
        this.text = text;
    }

    WaitingStream start() {
        Thread.ofVirtual().name("waiting").start(this::run);
        return this;
    }

    private void run() {
        long everyMs = text == null ? COMMENT_EVERY_MS : TEXT_EVERY_MS;
        long start = System.nanoTime();
        guard.lock();
        try {
            while (!over) {
                if (ended.await(everyMs, MILLISECONDS) || over) continue;
                if (!exchange.isCommitted()) exchange.beginEvents();
                tell(NANOSECONDS.toSeconds(System.nanoTime() - start));
            }
        } catch (Failure e) {
            exchange.interruption.breakOff(e);
        } catch (InterruptedException e) {
            // nobody interrupts it
        } finally {
            guard.unlock();
        }
    }

    private void tell(long seconds) throws Failure {
        String event = COMMENT;
        if (text != null) {
            String now = text.get();
            String reasoning = ".";
            if (!now.equals(lastText)) {
                String line = model + ": " + now + ", " + seconds + " s so far";
                reasoning = lastText.isEmpty() ? line : "\n" + line;
            }
            lastText = now;
            event = "data: " + chunk(reasoning) + "\n\n";
        }
        exchange.write(event.getBytes(UTF_8));
        exchange.flush();
    }

    private Json chunk(String reasoning) {
        Json.Obj choice = obj(
            "index", 0,
            "delta", obj("reasoning_content", reasoning),
            "finish_reason", null);
        return obj(
            "id", "llmsnap-loading",
            "object", "chat.completion.chunk",
            "created", System.currentTimeMillis() / 1000,
            "model", model,
            "choices", List.of(choice));
    }

    /** From now on the answer is somebody else's. */
    @Override public void close() {
        guard.run(() -> {
            over = true;
            ended.signalAll();
        });
    }
}
