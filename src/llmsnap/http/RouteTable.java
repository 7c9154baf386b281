package llmsnap.http;

import static llmsnap.http.server.Routes.Access.CONTROL;
import static llmsnap.http.server.Routes.Access.OPEN;
import static llmsnap.http.server.Routes.Access.USE;

import java.util.HashMap;
import java.util.Map;
import llmsnap.http.api.ActivityRoutes;
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
public final class RouteTable implements Routes {
    private final Map<String, Route> routes = new HashMap<>();

    /** @param inference requests that go to models; the others are for what they are called */
    public RouteTable(Inference inference, ModelRoutes models, OperateRoutes operate,
            Events events, ActivityRoutes activity, LogRoutes logs) {
        inference(inference, models);
        models(models);
        operate(operate, events, activity, logs);
        var files = new StaticFiles();
        get(OPEN, exchange -> exchange.redirect(302, "/ui"), "/");
        get(CONTROL, exchange -> exchange.redirect(302, "/ui/models"), "/upstream");
        get(OPEN, files::icon, "/favicon.ico");
        get(OPEN, files::serve, "/ui", "/ui/*");
    }

    private void inference(Inference to, ModelRoutes models) {
        Inference.MODEL_PATHS.forEach(path -> add(USE, null, to::post, path, "/v" + path));
        // Everything under /v1/ that is posted goes to the model it names.
        add(USE, exchange -> webSocket(to, exchange), to::post, "/v1/*");
        // What else a server takes may change it.
        post(to::post, "/v/*");
        add(USE, to::get, to::post, "/v1/audio/voices", "/sdapi/v1/*");
        // Slots may tell what others have said.
        get(CONTROL, to::get, "/slots");
        get(USE, to::get, "/lora-adapters");
        // Of the model that the query names; else of this server.
        add(USE, exchange -> {
            if (Query.names(exchange)) to.get(exchange);
            else models.props(exchange);
        }, null, "/props");
        any(to::upstream, "/upstream/*");
    }

    /** Only a WebSocket, as /v1/realtime is one, comes with a GET for a model. */
    private static void webSocket(Inference to, Exchange exchange)
            throws Failure, Refused, InterruptedException {
        String path = exchange.plainPath();
        if (exchange.isWebSocket()) to.get(exchange);
        else if (Inference.MODEL_PATHS.contains(path)) throw Failure.notTaken(path, "POST", "GET");
        else throw Failure.noPath(path);
    }

    private void models(ModelRoutes models) {
        get(OPEN, models::health, "/health", "/wol-health");
        get(OPEN, models::routerHealth, "/v1/health");
        get(USE, models::list, "/v1/models", "/models");
        get(USE, models::one, "/v1/models/*");
        get(CONTROL, models::running, "/running");
        get(CONTROL, models::unloadAllByGet, "/unload");
        post(models::routerUnload, "/models/unload");
        post(models::routerLoad, "/models/load");
        post(models::unloadAll, "/api/models/unload");
        post(models::unload, "/api/models/unload/*", "/models/unload/*");
        post(models::sleep, "/api/models/sleep/*", "/models/sleep/*");
        post(models::load, "/api/models/load/*");
        get(CONTROL, models::profiles, "/api/profiles");
        any(models::activate, "/api/profiles/active");
        get(USE, models::key, "/api/key");
        get(CONTROL, models::version, "/api/version");
        get(CONTROL, models::explain, "/api/explain");
    }

    private void operate(OperateRoutes operate, Events events, ActivityRoutes activity,
            LogRoutes logs) {
        add(CONTROL, operate::paused, operate::pause, "/api/pause");
        post(operate::resume, "/api/resume");
        get(CONTROL, operate::history, "/api/history");
        post(operate::reload, "/api/reload");
        add(CONTROL, operate::show, operate::save, "/api/config");
        post(operate::check, "/api/config/check");
        get(CONTROL, events::stream, "/api/events");
        get(CONTROL, events::router, "/models/sse");
        get(CONTROL, activity::metrics, "/metrics");
        get(CONTROL, activity::rows, "/api/metrics");
        get(CONTROL, activity::capture, "/api/captures/*");
        post(activity::cancel, "/api/inflight/*");
        get(CONTROL, logs::tail, "/logs", "/log");
        get(CONTROL, logs::stream, "/logs/stream", "/log/stream", "/logs/stream/*",
            "/log/stream/*");
    }

    private void get(Access access, Handler handler, String... paths) {
        add(access, handler, null, paths);
    }

    /** For who may control the server. */
    private void post(Handler handler, String... paths) {
        add(CONTROL, null, handler, paths);
    }

    private void add(Access access, Handler get, Handler post, String... paths) {
        for (String path : paths) routes.put(path, new Route(access, get, post, null));
    }

    private void any(Handler handler, String path) {
        routes.put(path, new Route(CONTROL, handler, handler, handler));
    }

    @Override public Route at(String path) {
        return routes.get(path);
    }
}
