package llmsnap.config;

import java.util.Map;

/** What reading a configuration asks of the machine that it is for. */
public interface Machine {
    /** Whether somebody listens on that port: it is not handed out. */
    boolean isHeld(int port);

    /** The bytes of each memory that models share, by the pool's name: its GPUs, else the host. */
    default Map<String, Long> memories() {
        return Map.of();
    }

    /** The bytes of a GGUF with all its shards, or of a folder of safetensors; 0 of neither. */
    default long weights(String path) {
        return 0;
    }
}
