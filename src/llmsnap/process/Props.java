package llmsnap.process;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import llmsnap.config.Config.Abilities;
import llmsnap.config.Config.Call;
import llmsnap.config.Config.Model;
import llmsnap.text.Json;

/**
 * What llama-servers say that their models can do, kept by command line for when they do not run.
 */
final class Props {
    private static final long PATIENCE_MS = 3_000;

    private final Map<String, Abilities> said = new ConcurrentHashMap<>();

    /** What an earlier llmsnap was told. */
    void learned(Map<String, Abilities> before) {
        before.forEach(said::putIfAbsent);
    }

    Map<String, Abilities> all() {
        return Map.copyOf(said);
    }

    /** What is said of a model in the configuration, and where that says nothing by its server. */
    Abilities of(Model model) {
        Abilities given = model.about().abilities();
        // A command line is put together only where that can tell something.
        return said.isEmpty() ? given : given.or(said.getOrDefault(model.line(), Abilities.NONE));
    }

    /** Asks a server that is ready; others than llama.cpp's have no answer. @return whether news */
    boolean ask(Model model, Endpoint endpoint) {
        try {
            var answer = endpoint.answer(new Call("GET", "/props", "", 0), PATIENCE_MS);
            if (answer.status() != 200) return false;
            Abilities now = read(Json.parse(answer.text()));
            return !now.equals(Abilities.NONE) && !now.equals(said.put(model.line(), now));
        } catch (IOException | InterruptedException | RuntimeException e) {
            return false;
        }
    }

    private static Abilities read(Json props) {
        if (!(props instanceof Json.Obj all)) return Abilities.NONE;
        Json context = all.at("default_generation_settings", "n_ctx");
        int tokens = context instanceof Json.Num number ? (int) number.value() : 0;
        if (!(all.at("modalities") instanceof Json.Obj modalities)) return context(tokens);
        List<String> in = new ArrayList<>(List.of("text"));
        if (modalities.at("vision") == Json.TRUE) in.add("image");
        if (modalities.at("audio") == Json.TRUE) in.add("audio");
        return new Abilities(in, List.of("text"), false, false, tokens);
    }

    private static Abilities context(int tokens) {
        return new Abilities(List.of(), List.of(), false, false, tokens);
    }
}
