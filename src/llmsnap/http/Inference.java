package llmsnap.http;

import java.io.IOException;
import java.net.http.HttpRequest.BodyPublisher;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.function.Supplier;
import llmsnap.config.Config;
import llmsnap.config.Config.Model;
import llmsnap.swap.SwapLoop;
import llmsnap.swap.SwapLoop.Lease;
import llmsnap.swap.SwapLoop.Refused;
import llmsnap.text.Json;
import llmsnap.text.JsonEdit;
import llmsnap.text.Words;

/** The routes whose body names a model: read it, edit it, wait for the model, pass the request on and the answer back. */
final class Inference {
    private static final long EXIT_PATIENCE_MS = 150;

    private final SwapLoop loop;
    private final Body bodies;
    private final Forward forward;

    Inference(SwapLoop loop, Body bodies, Forward forward) {
        this.loop = loop;
        this.bodies = bodies;
        this.forward = forward;
    }

    /** A JSON body with a {@code model} key. */
    void json(Exchange exchange) throws Failure, IOException, InterruptedException {
        Body.Content content = bodies.read(exchange);
        JsonEdit body;
        try {
            body = JsonEdit.read(content.bytes(), content.length());
        } catch (Json.Malformed e) {
            throw new Failure(400, "the request body is not a JSON object: " + e.getMessage(), "invalid_json", null);
        }
        String name = body.text("model");
        if (name == null || name.isEmpty()) {
            throw new Failure(400, "the request body names no model: it needs a top-level \"model\" with a text", "missing_model", "model");
        }
        Model model = model(name);
        List<JsonEdit.Slice> slices;
        try {
            slices = body.edited(model.filters().forName(name));
        } catch (Json.Malformed e) {
            throw new IllegalStateException(e);     // it was read once already
        }
        String query = exchange.rawQuery() == null ? "" : "?" + exchange.rawQuery();
        serve(exchange, model, exchange.rawPath() + query, true, () -> Forward.publisher(slices));
    }

    private Model model(String name) throws Failure {
        Model model = loop.config().model(name);
        if (model == null) throw unknown(name, loop.config());
        return model;
    }

    /** 404 with the names that are near, or with some that there are. */
    static Failure unknown(String name, Config config) {
        Collection<String> names = config.names().keySet();
        String nearest = Words.nearest(name, names);
        List<String> some = new ArrayList<>();
        for (Model model : config.models().values()) if (!model.unlisted() && some.size() < 8) some.add(model.id());
        String hint = nearest != null ? "did you mean \"" + nearest + "\"?"
            : some.isEmpty() ? "there are no models in the configuration" : "there are " + String.join(", ", some)
                + (config.models().size() > some.size() ? " and more, see /v1/models" : "");
        return new Failure(404, "there is no model \"" + name + "\"; " + hint, "model_not_found", "model");
    }

    /**
     * Waits for {@code model}, sends the request on and the answer back. When the server breaks off before its first byte,
     * tries once more: on a fresh start if its process is gone, else on a new connection.
     */
    void serve(Exchange exchange, Model model, String path, boolean retry, Supplier<BodyPublisher> body)
            throws Failure, IOException, InterruptedException {
        for (int attempt = 1; ; attempt++) {
            try (Lease lease = loop.acquire(model.id(), exchange)) {
                var target = new Forward.Target(lease.run().base(), model.proxy().isHttps() ? null : model.proxy().authority(),
                    "the server of the model \"" + model.id() + "\"");
                try {
                    forward.send(exchange, target, path, body.get());
                    return;
                } catch (Forward.NoAnswer e) {
                    boolean dead = lease.run().hasEnded(EXIT_PATIENCE_MS);
                    if (attempt > 1 || !retry) throw new Failure(502, e.getMessage() + (dead ? "; its process has ended; " : "; ") + lease.run().lastLines());
                }
            } catch (Refused e) {
                throw Failure.of(e);
            }
        }
    }
}
