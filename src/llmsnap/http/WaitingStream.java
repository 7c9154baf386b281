package llmsnap.http;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Supplier;
import llmsnap.text.Json;

/**
 * What a client that asked for a stream gets while it waits for its first byte. With loading text: after a second, what
 * is going on, as reasoning of the model that is to come. Without: after 15 seconds comment lines, so that nobody on the
 * way gives up. Both begin the answer, so an error behind them is an event of the stream.
 */
final class WaitingStream implements AutoCloseable {
    private static final long TEXT_AFTER_MS = 1_000;
    private static final long TEXT_EVERY_MS = 1_000;
    private static final long COMMENT_AFTER_MS = 15_000;

    private final Exchange exchange;
    private final String model;
    private final Supplier<String> text;        // what is going on, or null for comment lines only
    private final ReentrantLock lock = new ReentrantLock();     // guards the fields below, and the client until it is handed over
    private final Condition ended = lock.newCondition();
    private boolean begun;
    private boolean over;
    private String lastText = "";

    /** @param text what is going on, for clients that are to be told; null for those that are only kept alive */
    WaitingStream(Exchange exchange, String model, Supplier<String> text) {
        this.exchange = exchange;
        this.model = model;
        this.text = text;
        Thread.ofVirtual().name("waiting").start(this::run);
    }

    private void run() {
        lock.lock();
        try {
            long start = System.nanoTime();
            long patienceMs = text == null ? COMMENT_AFTER_MS : TEXT_AFTER_MS;
            while (!over) {
                if (ended.await(patienceMs, TimeUnit.MILLISECONDS) || over) continue;
                if (!begun) begin();
                tell((System.nanoTime() - start) / 1_000_000_000);
                patienceMs = text == null ? COMMENT_AFTER_MS : TEXT_EVERY_MS;
            }
        } catch (IOException e) {
            exchange.breakOff(Exchange.CLIENT_LEFT);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } finally {
            lock.unlock();
        }
    }

    private void begin() throws IOException {
        exchange.responseHeaders().set("Content-Type", "text/event-stream");
        exchange.responseHeaders().set("Cache-Control", "no-cache");
        exchange.responseHeaders().set("X-Accel-Buffering", "no");
        exchange.commit(200, -1);
        begun = true;
    }

    private void tell(long seconds) throws IOException {
        String now = text == null ? null : text.get();
        String line = ": waiting\n\n";
        if (now != null) {
            String changed = now.equals(lastText) ? "." : (lastText.isEmpty() ? "" : "\n") + model + ": " + now + ", " + seconds + " s so far";
            lastText = now;
            line = "data: " + chunk(changed) + "\n\n";
        }
        send(line);
    }

    private Json chunk(String reasoning) {
        return Json.obj("id", "llmsnap-loading", "object", "chat.completion.chunk", "created", System.currentTimeMillis() / 1000, "model", model,
            "choices", java.util.List.of(Json.obj("index", 0, "delta", Json.obj("reasoning_content", reasoning), "finish_reason", null)));
    }

    private void send(String text) throws IOException {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        exchange.write(bytes, 0, bytes.length);
        exchange.flush();
    }

    /** From now on the answer is somebody else's. @return whether it has begun: as a stream with status 200 */
    boolean handOver() {
        lock.lock();
        try {
            over = true;
            ended.signalAll();
            return begun;
        } finally {
            lock.unlock();
        }
    }

    /** Ends a stream that has begun with an error event, in the form of its route. @return false when it had not begun */
    boolean fail(Failure failure) throws IOException {
        if (!handOver()) return false;
        String event = (exchange.form == Failure.Form.ANTHROPIC ? "event: error\n" : "") + "data: " + failure.body(exchange.form) + "\n\n"
            + (exchange.form == Failure.Form.OPENAI ? "data: [DONE]\n\n" : "");
        exchange.noteEnd(failure.status, failure.getMessage(), event.getBytes(StandardCharsets.UTF_8));
        send(event);
        return true;
    }

    @Override public void close() {
        handOver();
    }
}
