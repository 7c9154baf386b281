package llmsnap;

import java.io.File;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.StringJoiner;
import java.util.stream.Stream;
import llmsnap.config.Config;
import llmsnap.config.Config.Model;
import llmsnap.config.Machine;
import llmsnap.platform.Memories;
import llmsnap.platform.ModelFiles;

/** The machine that this program runs on, for those who read its configuration. */
record ThisMachine(Memories memory, ModelFiles files) implements Machine {
    @Override public Map<String, Long> memories() {
        return memory.sizes();
    }

    @Override public long weights(String path) {
        return Memories.weights(path);
    }

    @Override public List<String> models(String folder) throws IOException {
        List<String> names = new ArrayList<>();
        for (Path each : files.in(Path.of(folder))) {
            names.add(ModelFiles.hasPlainName(each) ? each.toString() : null);
        }
        return names;
    }

    @Override public Map<String, String> header(String file) throws IOException {
        return files.header(Path.of(file));
    }

    /** Whether it can be started here, by its path or, without a folder, by its name. */
    static boolean hasProgram(String name) {
        String path = name.contains("/") ? "" : String.valueOf(System.getenv("PATH"));
        return Stream.of(path.split(File.pathSeparator))
            .map(folder -> new File(folder.isEmpty() ? null : folder, name))
            .anyMatch(file -> file.isFile() && file.canExecute());
    }

    /**
     * What commands name that is not here, a line each. It is nothing wrong with the configuration,
     * which may be for another machine.
     */
    static String missing(Config config) {
        var missing = new StringJoiner(" on this machine\n", "", " on this machine\n");
        missing.setEmptyValue("");
        for (Model model : config.models().values()) {
            List<String> words = model.launch().command().start();
            String program = words.isEmpty() ? "" : words.getFirst();
            if (!program.isEmpty() && !hasProgram(program)) {
                missing.add("model " + model.id() + ": there is no program \"" + program + "\"");
            }
            // Others may mean a file in a container, or on another machine.
            if (!program.endsWith("llama-server")) continue;
            words.stream().filter(word -> word.matches("/.*\\.gguf") && !new File(word).exists())
                .forEach(word -> missing.add("model " + model.id() + ": there is no file " + word));
        }
        return missing.toString();
    }
}
