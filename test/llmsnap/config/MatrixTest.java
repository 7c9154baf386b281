package llmsnap.config;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** llama-swap's matrix: expressions -> who has to go for whom. */
class MatrixTest {
    private static final String MODELS = "models: {" + "a b c d e f".chars()
        .filter(c -> c != ' ').mapToObj(c -> (char) c + ": {cmd: x, proxy: 'http://h'}")
        .collect(Collectors.joining(", ")) + "}\n";

    private static ConfigReader.Result read(String yaml) {
        return ReadConfig.read((MODELS + yaml).getBytes(UTF_8), name -> null, Map.of(),
            Machine.NONE);
    }

    private static Matrix matrix(String sets, String costs) {
        ConfigReader.Result result = read("matrix:\n  vars: {x: a, b: c}\n  evict_costs: {" + costs
            + "}\n  sets:\n" + sets.lines().map(line -> "    " + line + "\n")
            .collect(Collectors.joining()));
        assertThat(result.errors()).isEmpty();
        return result.config().groups().matrix();
    }

    @ParameterizedTest
    @CsvSource(delimiter = ';', textBlock = """
        s: a & d             ; a ; d     ; ''
        s: a & d             ; a ; d e   ; e
        s: a & d             ; f ; a d   ; a d
        s: a \\| d           ; a ; d     ; d
        s: (a \\| d) & e     ; a ; d e   ; d
        s: a & d & e         ; a ; d     ; ''
        s: x & d             ; a ; d e   ; e
        s: b & d             ; c ; d a   ; a
        s: (a\\|d)&(e\\|f)   ; a ; d e   ; d
        """)
    void whoGoes(String set, String model, String loaded, String gone) {
        Matrix matrix = matrix(set.replace("\\|", "|"), "");
        assertThat(String.join(" ", new TreeSet<>(matrix.outsiders(model,
            List.of(loaded.split(" ")))))).isEqualTo(gone);
    }

    @Test void theSetThatCostsLeastWinsThenTheFirst() {
        String sets = "one: a & d\ntwo: a & e\nthree: +two & f\n";
        assertThat(matrix(sets, "").outsiders("a", List.of("d", "e"))).containsExactly("e");
        assertThat(matrix(sets, "e: 2").outsiders("a", List.of("d", "e"))).containsExactly("d");
        assertThat(matrix(sets, "").outsiders("a", List.of("d", "e", "f"))).containsExactly("d");
    }

    @Test void aProductOfTenAlternativesInFivePlacesIsAnsweredAtOnce() {
        String models = IntStream.range(0, 50)
            .mapToObj(i -> "m" + i + ": {cmd: x, proxy: 'http://h'}")
            .collect(Collectors.joining(", ", "models: {", "}\n"));
        String set = IntStream.range(0, 5).mapToObj(place -> IntStream.range(0, 10)
            .mapToObj(i -> "m" + (place * 10 + i)).collect(Collectors.joining(" | ", "(", ")")))
            .collect(Collectors.joining(" & "));
        Matrix matrix = ReadConfig.read((models + "matrix: {sets: {s: \"" + set + "\"}}")
            .getBytes(UTF_8), name -> null, Map.of(), Machine.NONE).config().groups().matrix();
        Set<String> gone = matrix.outsiders("m7", List.of("m3", "m13", "m23", "m33", "m43"));
        assertThat(gone).containsExactly("m3");
        assertThat(matrix.allows("m1", "m2")).isFalse();
        assertThat(matrix.allows("m1", "m12")).isTrue();
    }

    @ParameterizedTest
    @CsvSource(delimiter = ';', textBlock = """
        matrix: {sets: {s: "a & nobody"}}                ; a set names "nobody", which is no model
        matrix: {vars: {v: bb}, sets: {s: a}}            ; the var "v" stands for "bb"
        matrix: {vars: {v: a}}                           ; the matrix has no sets
        matrix: {evict_costs: {a: 0}, sets: {s: a}}      ; has to be a whole number from 1
        matrix: {evict_costs: {q: 2}, sets: {s: a}}      ; evict_costs names "q"
        matrix: {sets: {s: "+t", t: "+s & a"}}           ; the set "s" leads to itself
        matrix: {sets: {s: "+t"}}                        ; there is no set "t"
        matrix: {sets: {s: "a & (b | c"}}                ; a closing parenthesis is missing
        matrix: {sets: {s: "a &"}}                       ; a model is missing at its end
        matrix: {sets: {s: "a & | b"}}                   ; a model is missing before "|"
        matrix: {sets: {s: "a b"}}                       ; "b" is too much
        matrix: {sets: {s: a}}, groups: {g: {members: [a]}} ; one of them has to go
        matrix: {sets: {s: a}}, memory: 8GB              ; one of them has to go
        """)
    void whatIsWrongIsSaid(String yaml, String said) {
        String block = yaml.replace("}}, groups", "}}\ngroups").replace("}}, memory", "}}\nmemory");
        assertThat(read(block + "\n").errors().toString()).contains(said);
    }

    @Test void underRoutingItIsUsedWhenChosen() {
        String both = "routing: {router: {%s settings: {matrix: {sets: {s: 'a & d'}},"
            + " groups: {g: {members: [a, d]}}}}}\n";
        assertThat(read(both.formatted("")).config().groups().matrix()).isNull();
        assertThat(read(both.formatted("use: matrix,")).config().groups().matrix()).isNotNull();
        assertThat(read("matrix: {sets: {s: a}}\n" + both.formatted("")).errors().toString())
            .contains("given twice");
    }
}
