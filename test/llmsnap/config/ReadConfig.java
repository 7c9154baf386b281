package llmsnap.config;

import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;

/** Reads the bytes of one configuration file. */
public final class ReadConfig {
    private ReadConfig() {}

    public static ConfigReader.Result read(byte[] utf8, UnaryOperator<String> environment,
            Map<String, Integer> keptPorts, Machine machine) {
        return ConfigReader.read(List.of(new ConfigReader.Text("", utf8)), environment, keptPorts,
            machine);
    }
}
