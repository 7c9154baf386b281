package llmsnap.config;

import java.io.IOException;
import java.util.List;
import java.util.Map;

/** What reading a configuration asks of the machine that it is for. */
public interface Machine {
    /** One of which nothing is known. */
    Machine NONE = new Machine() { };

    /** The bytes of each memory that models share, by the pool's name: its GPUs, else the host. */
    default Map<String, Long> memories() {
        return Map.of();
    }

    /** The bytes of a GGUF with all its shards, or of a folder of safetensors; 0 of neither. */
    default long weights(String path) {
        return 0;
    }

    /**
     * The GGUF files in a folder and below it, by their path; null stands for one whose name is no
     * text.
     *
     * @throws IOException with a sentence
     */
    default List<String> models(String folder) throws IOException {
        throw new IOException("there is no folder " + folder);
    }

    /** What a GGUF says of itself, by key. @throws IOException with a sentence */
    default Map<String, String> header(String file) throws IOException {
        throw new IOException("there is no file " + file);
    }
}
