package llmsnap;

import java.util.Map;
import llmsnap.config.Machine;
import llmsnap.platform.Memories;
import llmsnap.platform.Ports;

/** The machine that this program runs on, for those who read its configuration. */
record ThisMachine(Memories memory) implements Machine {
    @Override public boolean isHeld(int port) {
        return Ports.isHeld(port);
    }

    @Override public Map<String, Long> memories() {
        return memory.sizes();
    }

    @Override public long weights(String path) {
        return Memories.weights(path);
    }
}
