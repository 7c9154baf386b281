package llmsnap.process;

import static java.nio.charset.StandardCharsets.UTF_8;
import static java.nio.file.StandardCopyOption.ATOMIC_MOVE;
import static llmsnap.text.Json.obj;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import llmsnap.config.Config.Abilities;
import llmsnap.text.Json;

/**
 * What was learned of models, kept over restarts; no file is no loss, a bad one neither.
 *
 * @param sizes what they take, by command line and pool
 * @param abilities what they can do, by command line
 */
record StateFile(Map<String, Map<String, Long>> sizes, Map<String, Abilities> abilities) {
    private static final int VERSION = 1;
    private static final int MAX_BYTES = 10 << 20;
    private static final double MOST = 1L << 50;

    private static final StateFile NOTHING = new StateFile(Map.of(), Map.of());

    /** @param name "" for no file */
    static StateFile read(String name, Consumer<String> warn) {
        if (name.isEmpty()) return NOTHING;
        try {
            if (Files.size(Path.of(name)) > MAX_BYTES) throw new IOException("it is too large");
            Json.Obj all = (Json.Obj) Json.parse(Files.readString(Path.of(name), UTF_8));
            if (((Json.Num) all.at("version")).value() > VERSION) {
                warn.accept(name + " is a newer llmsnap's, and is not read; it will be replaced");
                return NOTHING;
            }
            return new StateFile(sizes((Json.Obj) all.at("models")),
                all.at("abilities") instanceof Json.Obj some ? abilities(some) : Map.of());
        } catch (NoSuchFileException e) {
            return NOTHING;     // nothing was learned so far
        } catch (IOException | RuntimeException e) {
            warn.accept(name + " cannot be read, what models take is learned anew: "
                + e.getMessage());
            return NOTHING;
        }
    }

    private static Map<String, Map<String, Long>> sizes(Json.Obj models) {
        Map<String, Map<String, Long>> sizes = new HashMap<>();
        models.entries().forEach((command, pools) -> {
            Map<String, Long> bytes = new HashMap<>();
            ((Json.Obj) pools).entries().forEach((pool, its) -> {
                double number = ((Json.Num) its).value();
                if (number >= 0 && number < MOST) bytes.put(pool, (long) number);
            });
            sizes.put(command, bytes);
        });
        return sizes;
    }

    private static Map<String, Abilities> abilities(Json.Obj models) {
        Map<String, Abilities> abilities = new HashMap<>();
        models.entries().forEach((command, its) -> {
            var can = (Json.Obj) its;
            abilities.put(command, new Abilities(kinds(can, "in"), kinds(can, "out"), false, false,
                (int) ((Json.Num) can.at("context")).value()));
        });
        return abilities;
    }

    private static List<String> kinds(Json.Obj can, String key) {
        return ((Json.Arr) can.at(key)).items().stream().map(each -> ((Json.Str) each).text())
            .toList();
    }

    private static Json.Obj json(Abilities can) {
        return obj(
            "in", can.in(),
            "out", can.out(),
            "context", can.context());
    }

    void write(String name, Consumer<String> warn) {
        if (name.isEmpty()) return;
        Map<String, Json> models = new HashMap<>();
        sizes.forEach((command, bytes) -> models.put(command, Json.of(bytes)));
        Map<String, Json> can = new HashMap<>();
        abilities.forEach((command, its) -> can.put(command, json(its)));
        String text = obj(
            "version", VERSION,
            "models", new Json.Obj(models),
            "abilities", new Json.Obj(can)) + "\n";
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
