package llmsnap;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.nio.file.Path;
import llmsnap.demo.SimulatedModel;

/** The configuration of {@code --demo}: two simulated models, run from this jar. */
final class Demo {
    private static final String MODEL = """
          %1$s:
            name: "simulated %1$s model"
            cmd: ['%2$s', -Xrs, -XX:TieredStopAtLevel=1, -XX:+UseSerialGC, -Xmx64m, -cp, '%3$s',
              %4$s, --port, '${PORT}', --name, %1$s, --ready-ms, '%5$d', --token-ms, '30']
        """;

    private Demo() {}

    static byte[] yaml() {
        return ("models:\n" + model("small", 500) + model("large", 1500)).getBytes(UTF_8);
    }

    private static String model(String name, int readyMs) {
        Path java = Path.of(System.getProperty("java.home"), "bin", "java");
        String classPath = System.getProperty("java.class.path");
        return MODEL.formatted(name, quoted(java.toString()), quoted(classPath),
            SimulatedModel.class.getName(), readyMs);
    }

    private static String quoted(String text) {
        return text.replace("'", "''");
    }
}
