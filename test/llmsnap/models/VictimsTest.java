package llmsnap.models;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import llmsnap.models.Victims.Resident;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.api.Test;

/** Who goes: what is loaded and what is needed -> ids, in the order in which they go. */
class VictimsTest {
    /** "b 9 at 3 !" is b, which takes 9 of p, was used at 3, and may not go; "?" goes anyway. */
    private static Resident resident(String text) {
        String[] words = text.strip().split(" ");
        Map<String, Long> takes = words[1].contains("+")
            ? Map.of("p", Long.valueOf(words[1].split("\\+")[0]),
                "q", Long.valueOf(words[1].split("\\+")[1]))
            : Map.of("p", Long.valueOf(words[1]));
        return new Resident(words[0], takes, Long.parseLong(words[3]), !text.contains("!"),
            text.contains("?"));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', nullValues = "never", textBlock = """
        5     | 0 | ''                                        | ''
        5     | 0 | b 5 at 1                                  | ''
        6     | 0 | b 5 at 1                                  | b
        5     | 0 | b 5 at 2, c 5 at 1                        | c
        5     | 0 | b 5 at 1, c 5 at 1                        | b
        10    | 0 | b 5 at 2, c 5 at 1                        | c,b
        4     | 0 | big 8 at 1, s 1 at 7, t 1 at 8            | big
        7     | 0 | s 1 at 1, t 1 at 2, u 1 at 3, big 7 at 4  | big
        8     | 0 | s 1 at 1, t 1 at 2, u 1 at 3, big 6 at 4  | u,big
        6     | 0 | b 5 at 1 !                                | never
        5     | 0 | b 5 at 1 !, c 5 at 2                      | c
        11    | 0 | ''                                        | never
        3     | 5 | b 5 at 1                                  | b
        3     | 5 | b 5 at 1 ?                                | ''
        6     | 5 | ''                                        | never
        2     | 0 | b 3+9 at 1, c 5+1 at 2                    | ''
        5+5   | 0 | b 3+9 at 1, c 4+1 at 2                    | b
        """)
    void whoGoes(String need, long reserved, String loaded, String gone) {
        Map<String, Long> room = Map.of("p", 10L, "q", 10L);
        List<Resident> residents = new ArrayList<>();
        for (String each : loaded.split(",")) if (!each.isBlank()) residents.add(resident(each));
        Map<String, Long> needs = resident("x " + need + " at 0").takes();
        List<Resident> chosen = Victims.choose(needs, room, Map.of("p", reserved), residents);
        String ids = chosen == null ? null
            : String.join(",", chosen.stream().map(Resident::id).toList());
        assertThat(ids).isEqualTo(gone);
    }

    @Test void whoGoesIsEnoughAndNobodyGoesForNothing() {
        for (int round = 0; round < 1000; round++) {
            Random random = new Random(round);
            List<Resident> residents = new ArrayList<>();
            for (int i = 0; i < 8; i++) {
                residents.add(new Resident("m" + i, Map.of("p", random.nextLong(40)),
                    random.nextLong(5), random.nextInt(4) > 0, false));
            }
            Map<String, Long> need = Map.of("p", random.nextLong(100));
            Map<String, Long> room = Map.of("p", 100L);
            List<Resident> gone = Victims.choose(need, room, Map.of(), residents);
            if (gone == null) continue;
            List<Resident> left = new ArrayList<>(residents);
            left.removeAll(gone);
            long free = 100 - left.stream().mapToLong(each -> each.takes("p")).sum();
            assertThat(gone).as("round %s", round).allMatch(Resident::mayGo);
            assertThat(free).as("round %s", round).isGreaterThanOrEqualTo(
                gone.isEmpty() && free < 0 ? free : need.get("p"));
            for (Resident each : gone) {
                assertThat(free - each.takes("p")).as("%s goes for nothing, round %s", each, round)
                    .isLessThan(need.get("p"));
            }
        }
    }
}
