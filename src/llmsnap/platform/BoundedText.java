package llmsnap.platform;

import static java.nio.charset.StandardCharsets.UTF_8;
import static java.util.concurrent.TimeUnit.MILLISECONDS;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodySubscriber;
import java.net.http.HttpTimeoutException;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Flow;
import java.util.concurrent.TimeoutException;

/**
 * A short answer of another server, which need not be one that ends: the JDK's time limit is over
 * with its head, and its bodies have no bound.
 */
public final class BoundedText implements BodySubscriber<String> {
    private static final int MAX_BYTES = 4 << 20;

    private final CompletableFuture<String> text = new CompletableFuture<>();
    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    private Flow.Subscription subscription;

    private BoundedText() {}

    /** @throws HttpTimeoutException without a whole answer in time */
    public static HttpResponse<String> of(HttpClient client, HttpRequest request, long timeoutMs)
            throws IOException, InterruptedException {
        var answer = client.sendAsync(request, head -> new BoundedText());
        try {
            return answer.get(timeoutMs, MILLISECONDS);
        } catch (ExecutionException e) {
            if (e.getCause() instanceof IOException failed) throw failed;
            throw new IOException(e.getCause());
        } catch (TimeoutException e) {
            throw new HttpTimeoutException("no answer within " + timeoutMs / 1000.0 + " s");
        } finally {
            answer.cancel(true);
        }
    }

    @Override public CompletionStage<String> getBody() {
        return text;
    }

    @Override public void onSubscribe(Flow.Subscription subscription) {
        this.subscription = subscription;
        subscription.request(Long.MAX_VALUE);
    }

    @Override public void onNext(List<ByteBuffer> pieces) {
        for (ByteBuffer piece : pieces) {
            var its = new byte[piece.remaining()];
            piece.get(its);
            bytes.writeBytes(its);
        }
        if (bytes.size() <= MAX_BYTES) return;
        subscription.cancel();
        onError(new IOException("an answer of over " + (MAX_BYTES >> 20) + " MB"));
    }

    @Override public void onError(Throwable error) {
        text.completeExceptionally(error);
    }

    @Override public void onComplete() {
        text.complete(bytes.toString(UTF_8));
    }
}
