package llmsnap;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
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
}
