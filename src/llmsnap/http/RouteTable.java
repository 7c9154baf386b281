package llmsnap.http;

import java.util.Set;
import llmsnap.http.api.ActivityRoutes;
import llmsnap.http.api.Events;
import llmsnap.http.api.LogRoutes;
import llmsnap.http.api.ModelRoutes;
import llmsnap.http.api.StaticFiles;
import llmsnap.http.proxy.Inference;
import llmsnap.http.server.Routes;
import llmsnap.http.server.Routes.Methods;

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
        routes.use(Methods.POST, "/v1/*", inference::post);
        for (String path : MODEL_PATHS) {
            if (!path.startsWith("/v1/")) routes.use(Methods.POST, path, inference::post);
        }
        routes.use(Methods.GET, "/v1/audio/voices", inference::get);
        routes.use(Methods.GET, "/props", inference::get);
        routes.control(Methods.ANY, "/upstream/*", inference::upstream);
    }

    /** Listing and control. */
    public static void control(Routes routes, ModelRoutes models) {
        routes.open("/health", models::health);
        routes.open("/wol-health", models::health);
        routes.use(Methods.GET, "/v1/models", models::list);
        routes.use(Methods.GET, "/models", models::list);
        routes.use(Methods.GET, "/v1/models/*", models::one);
        routes.control(Methods.GET, "/running", models::running);
        routes.control(Methods.GET, "/unload", models::unloadAllByGet);
        for (String base : Set.of("/api/models", "/models")) {
            routes.control(Methods.POST, base + "/unload", models::unloadAll);
            routes.control(Methods.POST, base + "/unload/*", models::unload);
            routes.control(Methods.POST, base + "/sleep/*", models::sleep);
        }
        routes.control(Methods.POST, "/api/models/load/*", models::load);
        routes.control(Methods.POST, "/api/reload", models::reload);
        routes.control(Methods.GET, "/api/version", models::version);
        routes.control(Methods.GET, "/api/explain", models::explain);
    }

    /** What happens and has happened. */
    public static void looking(Routes routes, Events events, ActivityRoutes activity,
        LogRoutes logs) {
        routes.control(Methods.GET, "/api/events", events::stream);
        routes.control(Methods.GET, "/api/metrics", activity::rows);
        routes.control(Methods.GET, "/api/captures/*", activity::capture);
        routes.control(Methods.POST, "/api/inflight/*", activity::cancel);
        routes.control(Methods.GET, "/metrics", activity::metrics);
        for (String base : Set.of("/logs", "/log")) {
            routes.control(Methods.GET, base, logs::tail);
            routes.control(Methods.GET, base + "/stream", logs::stream);
            routes.control(Methods.GET, base + "/stream/*", logs::stream);
        }
    }

    /** The web UI. */
    public static void pages(Routes routes, StaticFiles files) {
        routes.open("/", (exchange, rest) -> exchange.redirect(302, "/ui"));
        routes.control(Methods.GET, "/upstream",
            (exchange, rest) -> exchange.redirect(302, "/ui/models"));
        routes.open("/favicon.ico", files::icon);
        routes.open("/ui", files::serve);
        routes.open("/ui/*", files::serve);
    }
}
