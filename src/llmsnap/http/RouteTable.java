package llmsnap.http;

import static llmsnap.http.server.Routes.Methods.ANY;
import static llmsnap.http.server.Routes.Methods.GET;
import static llmsnap.http.server.Routes.Methods.POST;

import java.util.Set;
import llmsnap.http.api.ActivityRoutes;
import llmsnap.http.api.Events;
import llmsnap.http.api.LogRoutes;
import llmsnap.http.api.ModelRoutes;
import llmsnap.http.api.StaticFiles;
import llmsnap.http.proxy.Inference;
import llmsnap.http.server.Routes;

/** Which path leads where; README lists them. */
public final class RouteTable {
    /** Paths that lead to models, as far as they are known: those under /v1/ need not be. */
    public static final Set<String> MODEL_PATHS = Set.of(
        "/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/embeddings",
        "/v1/messages",
        "/v1/messages/count_tokens", "/v1/audio/speech", "/v1/audio/voices",
        "/v1/audio/transcriptions", "/v1/images/generations", "/v1/images/edits", "/v1/rerank",
        "/v1/reranking", "/rerank", "/reranking", "/infill", "/completion", "/tokenize",
        "/detokenize",
        "/apply-template", "/score", "/classify", "/pooling", "/sdapi/v1/txt2img",
        "/sdapi/v1/img2img");

    private RouteTable() {}

    /** Inference: everything under /v1/ that is posted goes to the model it names. */
    public static void models(Routes routes, Inference inference) {
        for (String path : MODEL_PATHS) routes.use(POST, path, inference::post);
        for (String path : Inference.VERSIONLESS) routes.use(POST, path, inference::post);
        for (String path : Set.of("/v1/*", "/v/*", "/sdapi/v1/*")) {
            routes.use(POST, path, inference::post);
        }
        routes.use(GET, "/v1/audio/voices", inference::get);
        routes.use(GET, "/sdapi/v1/*", inference::get);
        routes.use(GET, "/props", inference::get);
        routes.control(ANY, "/upstream/*", inference::upstream);
    }

    /** Listing and control. */
    public static void control(Routes routes, ModelRoutes models) {
        routes.open("/health", models::health);
        routes.open("/wol-health", models::health);
        routes.use(GET, "/v1/models", models::list);
        routes.use(GET, "/models", models::list);
        routes.use(GET, "/v1/models/*", models::one);
        routes.control(GET, "/running", models::running);
        routes.control(GET, "/unload", models::unloadAllByGet);
        for (String base : Set.of("/api/models", "/models")) {
            routes.control(POST, base + "/unload", models::unloadAll);
            routes.control(POST, base + "/unload/*", models::unload);
            routes.control(POST, base + "/sleep/*", models::sleep);
        }
        routes.control(POST, "/api/models/load/*", models::load);
        routes.control(POST, "/api/reload", models::reload);
        routes.control(GET, "/api/version", models::version);
        routes.control(GET, "/api/explain", models::explain);
    }

    /** What happens and has happened. */
    public static void looking(Routes routes, Events events, ActivityRoutes activity,
        LogRoutes logs) {
        routes.control(GET, "/api/events", events::stream);
        routes.control(GET, "/api/metrics", activity::rows);
        routes.control(GET, "/api/captures/*", activity::capture);
        routes.control(POST, "/api/inflight/*", activity::cancel);
        routes.control(GET, "/metrics", activity::metrics);
        for (String base : Set.of("/logs", "/log")) {
            routes.control(GET, base, logs::tail);
            routes.control(GET, base + "/stream", logs::stream);
            routes.control(GET, base + "/stream/*", logs::stream);
        }
    }

    /** The web UI. */
    public static void pages(Routes routes, StaticFiles files) {
        routes.open("/", (exchange, rest) -> exchange.redirect(302, "/ui"));
        routes.control(GET, "/upstream",
            (exchange, rest) -> exchange.redirect(302, "/ui/models"));
        routes.open("/favicon.ico", files::icon);
        routes.open("/ui", files::serve);
        routes.open("/ui/*", files::serve);
    }
}
