package llmsnap.http.proxy;

import static java.lang.Math.min;

import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.nio.ByteBuffer;
import java.util.concurrent.Flow;
import java.util.concurrent.atomic.AtomicLong;

/** Publishes a part of an array in views of it: the JDK's own publisher copies it first. */
record ArrayPublisher(byte[] bytes, int from, int length) implements Flow.Publisher<ByteBuffer> {
    private static final int PIECE_BYTES = 64 * 1024;

    /** The same for a body whose length is known. */
    BodyPublisher sized() {
        return BodyPublishers.fromPublisher(this, length);
    }

    @Override public void subscribe(Flow.Subscriber<? super ByteBuffer> subscriber) {
        subscriber.onSubscribe(new Flow.Subscription() {
            private final AtomicLong asked = new AtomicLong();
            private final int to = from + length;
            private int at = from;

            @Override public void request(long n) {
                if (asked.getAndAdd(n) > 0) return;      // who asks meanwhile is served below
                do {
                    if (at >= to) return;
                    int size = min(PIECE_BYTES, to - at);
                    ByteBuffer piece = ByteBuffer.wrap(bytes, at, size).slice();
                    at += size;
                    subscriber.onNext(piece.asReadOnlyBuffer());
                    if (at == to) subscriber.onComplete();
                } while (asked.decrementAndGet() > 0);
            }

            @Override public void cancel() {
                at = Integer.MAX_VALUE;
            }
        });
    }
}
