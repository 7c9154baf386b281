package llmsnap.http;

import llmsnap.http.api.ActivityRoutes;
import llmsnap.http.api.ConfigRoutes;
import llmsnap.http.api.Events;
import llmsnap.http.api.LogRoutes;
import llmsnap.http.api.ModelRoutes;
import llmsnap.http.api.OperateRoutes;
import llmsnap.http.api.StaticFiles;
import llmsnap.http.proxy.Inference;
import llmsnap.http.proxy.Query;
import llmsnap.http.server.Exchange;
import llmsnap.http.server.Failure;
import llmsnap.http.server.Routes;
import llmsnap.models.Refused;

/** Which path leads where; README lists them. */
public record RouteTable(Inference inference, ModelRoutes models, Operating operating,
        Events events, ActivityRoutes activity, LogRoutes logs) implements Routes {
    /** What those need who keep the server going. */
    public record Operating(OperateRoutes operate, ConfigRoutes config) {}

    private static final StaticFiles FILES = new StaticFiles();

    @Override public Route at(String path) {
        if (path.equals("/v1/audio/voices")) return Route.use(inference::get, inference::post);
        boolean model = Inference.MODEL_PATHS.contains(path);
        return model ? Route.use(null, inference::post) : other(path);
    }

    /** Only a WebSocket, as /v1/realtime is one, comes with a GET for a model. */
    private void webSocket(Exchange exchange, String rest)
            throws Failure, Refused, InterruptedException {
        String path = exchange.plainPath();
        if (exchange.isWebSocket()) inference.get(exchange, rest);
        else if (Inference.MODEL_PATHS.contains(path)) throw Failure.notTaken(path, "POST", "GET");
        else throw Failure.noPath(path);
    }

    /** Of the model that the query names; else of this server. */
    private void props(Exchange exchange, String rest)
            throws Failure, Refused, InterruptedException {
        if (Query.names(exchange)) inference.get(exchange, rest);
        else models.props(exchange);
    }

    private Route other(String path) {
        if (path.equals("/v1/health")) return Route.open(models::routerHealth);
        boolean below = path.startsWith("/models/") && path.endsWith("/*");
        return below || path.startsWith("/api/") ? api(path) : plain(path);
    }

    private Route plain(String path) {
        return switch (path) {
            // Everything under /v1/ that is posted goes to the model it names.
            case "/v1/*" -> Route.use(this::webSocket, inference::post);
            case "/v/*" -> Route.use(null, inference::post);
            case "/sdapi/v1/*" -> Route.use(inference::get, inference::post);
            case "/props" -> Route.use(this::props, null);
            case "/slots", "/lora-adapters" -> Route.use(inference::get, null);
            case "/upstream/*" -> Route.any(inference::upstream);
            case "/health", "/wol-health" -> Route.open(models::health);
            case "/v1/models", "/models" -> Route.use(models::list, null);
            case "/v1/models/*" -> Route.use(models::one, null);
            case "/running" -> Route.look(models::running);
            case "/unload" -> Route.look(models::unloadAllByGet);
            case "/models/unload" -> Route.control(models::routerUnload);
            case "/models/load" -> Route.control(models::routerLoad);
            case "/models/sse" -> Route.look(events::router);
            case "/metrics" -> Route.look(activity::metrics);
            case "/logs", "/log" -> Route.look(logs::tail);
            case "/logs/stream", "/log/stream", "/logs/stream/*", "/log/stream/*" ->
                Route.look(logs::stream);
            case "/" -> Route.open((exchange, rest) -> exchange.redirect(302, "/ui"));
            case "/upstream" ->
                Route.look((exchange, rest) -> exchange.redirect(302, "/ui/models"));
            case "/favicon.ico" -> Route.open(FILES::icon);
            case "/ui", "/ui/*" -> Route.open(FILES::serve);
            default -> null;
        };
    }

    private Route api(String path) {
        return switch (path) {
            case "/api/models/unload" -> Route.control(models::unloadAll);
            case "/api/models/unload/*", "/models/unload/*" -> Route.control(models::unload);
            case "/api/models/sleep/*", "/models/sleep/*" -> Route.control(models::sleep);
            case "/api/models/load/*" -> Route.control(models::load);
            case "/api/profiles/active" -> Route.any(models::activate);
            case "/api/pause" -> Route.state(operating.operate::paused, operating.operate::pause);
            case "/api/resume" -> Route.control(operating.operate::resume);
            case "/api/history" -> Route.look(operating.operate::history);
            case "/api/reload" -> Route.control(operating.config::reload);
            case "/api/config" -> Route.state(operating.config::show, operating.config::save);
            case "/api/config/check" -> Route.control(operating.config::check);
            case "/api/key" -> Route.use(models::key, null);
            case "/api/version" -> Route.look(models::version);
            case "/api/explain" -> Route.look(models::explain);
            case "/api/events" -> Route.look(events::stream);
            case "/api/metrics" -> Route.look(activity::rows);
            case "/api/captures/*" -> Route.look(activity::capture);
            case "/api/inflight/*" -> Route.control(activity::cancel);
            case "/api/profiles" -> Route.look(models::profiles);
            default -> null;
        };
    }
}
