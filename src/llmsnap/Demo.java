package llmsnap;


import java.nio.file.Path;
import llmsnap.demo.SimulatedModel;

/**
 * The configuration of {@code --demo}: three simulated models, run from this jar, that take memory;
 * any two of them fit.
 */
final class Demo {
    private static final String MODEL = """
          %1$s:
            name: "simulated %1$s model"
            memory: 200MB
            cmd: ['%2$s', -Xrs, -XX:TieredStopAtLevel=1, -XX:+UseSerialGC, -Xmx256m, -cp, '%3$s',
              %4$s, --port, '${PORT}', --name, %1$s, --ready-ms, '%5$d', --token-ms, '30',
              --take-mb, '128']
        """;

    private Demo() {}

    static String yaml() {
        String models = model("small", 500) + model("medium", 1000) + model("large", 1500);
        return "memory: {host: 500MB}\nmemoryReserve: 0\nmodels:\n" + models;
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
