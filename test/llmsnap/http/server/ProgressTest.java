package llmsnap.http.server;

import static java.util.concurrent.TimeUnit.SECONDS;
import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

/** Clients that are slow, and those that are as good as gone: minutes of them, in no time. */
class ProgressTest {
    private final Progress progress = new Progress();
    private final long begin = System.nanoTime();

    private long at(int seconds) {
        return begin + SECONDS.toNanos(seconds);
    }

    private void sends(int bytes) {
        progress.read(bytes);
        progress.reading();
    }

    @Test void aBodyThatDripsIsGivenUpAndASlowOneIsNot() {
        progress.reading();
        assertThat(progress.stuck(at(29))).isNull();
        for (int second = 1; second <= 300; second += 10) {
            sends(20_000);      // two kilobytes a second
            assertThat(progress.stuck(at(second))).as("second " + second).isNull();
        }
        int given = 0;
        for (int second = 301; given == 0; second += 10) {
            sends(1);
            if (progress.stuck(at(second)) != null) given = second;
            assertThat(second).isLessThan(350);
        }
        assertThat(progress.stuck(at(given)).status).isEqualTo(408);
    }

    @Test void whoHoldsAModelGetsAMinute() {
        progress.limitSilence(0);
        progress.reading();
        assertThat(progress.stuck(at(55))).isNull();
        sends(1);
        assertThat(progress.stuck(at(65))).isNotNull();
    }

    @Test void aReaderThatTakesNextToNothingIsGivenUpAndASlowOneIsNot() {
        progress.writing();
        long unsent = 1_000_000;
        for (int second = 0; second <= 300; second += 10) {
            unsent += second % 20 == 0 ? -30_000 : 30_000;
            assertThat(progress.isStalled(at(second), 60, unsent)).as("second " + second).isFalse();
        }
        int given = 0;
        for (int second = 301; given == 0; second += 10) {
            unsent -= 700;
            if (progress.isStalled(at(second), 60, unsent)) given = second;
            assertThat(second).isLessThan(380);
        }
        progress.written(true);
        assertThat(progress.isStalled(at(given + 10), 60, unsent)).as("it goes on").isFalse();
    }
}
