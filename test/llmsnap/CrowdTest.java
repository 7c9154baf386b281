package llmsnap;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.Isolated;

/**
 * Alone, while no other test runs: how many swaps a crowd costs depends on how soon its clients
 * ask again, and a client that has to wait for the CPU is a slow one.
 */
@Isolated
class CrowdTest {
    @Test void aCrowdThatAlternatesCostsFewSwaps() throws Exception {
        try (Running llmsnap = Running.start("""
            models:
              a: {cmd: '${sim} --ready-ms 300 --reply-ms 50'}
              b: {cmd: '${sim} --ready-ms 300 --reply-ms 50'}
            """)) {
            AtomicInteger next = new AtomicInteger();
            List<HttpResponse<String>> answers =
                Collections.synchronizedList(new ArrayList<>());
            ServerTest.together(
                8,
                client -> {
                    for (int i; (i = next.getAndIncrement()) < 60; ) {
                        answers.add(llmsnap.chat(i % 2 == 0 ? "a" : "b"));
                    }
                    return null;
                });
            assertThat(answers).hasSize(60).allMatch(answer -> answer.statusCode() == 200);
            assertThat(llmsnap.count(": starting: ")).isLessThanOrEqualTo(8);
        }
    }
}
