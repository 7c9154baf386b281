package llmsnap.process;

import static java.nio.charset.StandardCharsets.UTF_8;
import static java.nio.file.StandardCopyOption.ATOMIC_MOVE;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.function.Consumer;
import llmsnap.text.Json;

/** What was learned of models, kept over restarts; no file is no loss, a bad one neither. */
final class StateFile {
    private static final int VERSION = 1;
    private static final int MAX_BYTES = 10 << 20;
    private static final double MOST = 1L << 50;

    private StateFile() {}

    /** What models take, by command line and pool. @param name "" for no file */
    static Map<String, Map<String, Long>> read(String name, Consumer<String> warn) {
        Map<String, Map<String, Long>> sizes = new HashMap<>();
        if (name.isEmpty()) return sizes;
        try {
            if (Files.size(Path.of(name)) > MAX_BYTES) throw new IOException("it is too large");
            Json.Obj all = (Json.Obj) Json.parse(Files.readString(Path.of(name), UTF_8));
            if (((Json.Num) all.at("version")).value() > VERSION) {
                warn.accept(name + " is a newer llmsnap's, and is not read; it will be replaced");
                return sizes;
            }
            ((Json.Obj) all.at("models")).entries().forEach((command, pools) -> {
                Map<String, Long> bytes = new HashMap<>();
                ((Json.Obj) pools).entries().forEach((pool, its) -> {
                    double number = ((Json.Num) its).value();
                    if (number >= 0 && number < MOST) bytes.put(pool, (long) number);
                });
                sizes.put(command, bytes);
            });
        } catch (NoSuchFileException e) {
            // nothing was learned so far
        } catch (IOException | RuntimeException e) {
            sizes.clear();
            warn.accept(name + " cannot be read, what models take is learned anew: "
                + e.getMessage());
        }
        return sizes;
    }

    static void write(String name, Map<String, Map<String, Long>> sizes, Consumer<String> warn) {
        if (name.isEmpty()) return;
        Map<String, Json> models = new HashMap<>();
        sizes.forEach((command, bytes) -> models.put(command, Json.of(bytes)));
        String text = Json.obj("version", VERSION, "models", new Json.Obj(models)) + "\n";
        Path file = Path.of(name).toAbsolutePath();
        try {
            // A temporary file is nobody else's to read.
            Path fresh = Files.createTempFile(file.getParent(), ".llmsnap", ".tmp");
            try {
                Files.writeString(fresh, text, UTF_8);
                Files.move(fresh, file, ATOMIC_MOVE);
            } finally {
                Files.deleteIfExists(fresh);
            }
        } catch (IOException | RuntimeException e) {
            warn.accept("stateFile " + name + " cannot be written: " + e);
        }
    }
}
