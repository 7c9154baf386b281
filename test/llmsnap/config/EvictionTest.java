package llmsnap.config;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class EvictionTest {
    /**
     * s1, s2 swap; t1, t2 live together; p1, p2 are persistent and exclude nobody; d1, d2 are in no
     * group.
     */
    private static final String YAML = """
        models: {s1: &m {cmd: x, proxy: http://h}, s2: *m, t1: *m, t2: *m, p1: *m, p2: *m, d1: *m,\
        \sd2: *m}
        groups:
          s: {members: [s1, s2]}
          t: {members: [t1, t2], swap: false, exclusive: false}
          p: {members: [p1, p2], swap: false, exclusive: false, persistent: true}
        """;

    private final Config config =
        ReadConfig.read(YAML.getBytes(StandardCharsets.UTF_8), name -> null, Map.of(),
            Machine.NONE)
            .config();

    @ParameterizedTest
    @CsvSource({
        "s1, s2, true",
        "s1, s1, false",
        "s1, t1, true",
        "s1, p1, false",
        "s1, d1, true",
        "t1, t2, false",
        "t1, s1, false",
        "t1, d1, false",
        "t1, p1, false",
        "p1, p2, false",
        "p1, s1, false",
        "d1, d2, true",
        "d1, s1, true",
        "d1, t1, true",
        "d1, p1, false"
    })
    void loadingTheFirstMakesTheSecondGo(String model, String other, boolean goes) {
        assertThat(config.evicts(model, other)).isEqualTo(goes);
    }

    @Test void aModelThatTheConfigurationHasLostIsInEverybodysWay() {
        assertThat(config.evicts("p1", "lost")).isTrue();
        assertThat(config.evicts("lost", "lost")).isFalse();
    }
}
