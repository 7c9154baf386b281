package llmsnap.http;

import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import llmsnap.http.Auth.Access;

/** The table of all routes: which method and path leads where, and who may go there. */
final class Routes {
    /** Serves a request; {@code rest} is what the path has behind the route's own, decoded. */
    interface Handler {
        void serve(Exchange exchange, String rest) throws Failure, IOException, InterruptedException;
    }

    private static final Set<String> ANY = Set.of("*");
    private static final Set<String> GET = Set.of("GET", "HEAD");
    private static final Set<String> POST = Set.of("POST");

    /** One row. A path that ends with a slash and a star stands for all that begin so. */
    record Route(Set<String> methods, String path, Access access, Handler handler) {
        boolean takes(String method) {
            return methods == ANY || methods.contains(method);
        }
    }

    /** A row and what the path has behind it. */
    record Match(Route route, String rest) {}

    private final Map<String, List<Route>> exact = new HashMap<>();
    private final List<Route> prefixes = new ArrayList<>();     // longer ones first

    Routes(Inference inference, Api api, LogRoutes logs, ActivityRoutes activity, Events events, StaticFiles files) {
        Handler post = (exchange, rest) -> inference.post(exchange);
        Handler get = (exchange, rest) -> inference.get(exchange);

        add(GET, "/", Access.OPEN, (exchange, rest) -> exchange.redirect(302, "/ui"));
        add(GET, "/health", Access.OPEN, (exchange, rest) -> api.health(exchange));
        add(GET, "/wol-health", Access.OPEN, (exchange, rest) -> api.health(exchange));
        add(GET, "/favicon.ico", Access.OPEN, (exchange, rest) -> files.serve(exchange, "icon.svg"));
        add(GET, "/ui", Access.OPEN, files::serve);
        add(GET, "/ui/*", Access.OPEN, files::serve);

        // Everything under /v1/ that is posted goes to the model it names: new endpoints need no new release.
        add(POST, "/v1/*", Access.USE, post);
        for (String path : List.of("/rerank", "/reranking", "/infill", "/completion", "/tokenize", "/detokenize", "/apply-template",
                "/score", "/classify", "/pooling", "/sdapi/v1/txt2img", "/sdapi/v1/img2img")) {
            add(POST, path, Access.USE, post);
        }
        add(GET, "/v1/audio/voices", Access.USE, get);
        add(GET, "/props", Access.USE, get);
        for (String path : List.of("/v1/models", "/models")) add(GET, path, Access.USE, (exchange, rest) -> api.models(exchange));
        add(GET, "/v1/models/*", Access.USE, api::model);

        add(ANY, "/upstream/*", Access.CONTROL, (exchange, rest) -> inference.upstream(exchange));
        add(GET, "/upstream", Access.CONTROL, (exchange, rest) -> exchange.redirect(302, "/ui/models"));
        add(GET, "/running", Access.CONTROL, (exchange, rest) -> api.running(exchange));
        add(GET, "/unload", Access.CONTROL, (exchange, rest) -> api.unloadAll(exchange, false));
        for (String base : List.of("/api/models", "/models")) {
            add(POST, base + "/unload", Access.CONTROL, (exchange, rest) -> api.unloadAll(exchange, true));
            add(POST, base + "/unload/*", Access.CONTROL, api::unload);
            add(POST, base + "/sleep/*", Access.CONTROL, api::sleep);
        }
        add(POST, "/api/models/load/*", Access.CONTROL, api::load);
        add(POST, "/api/reload", Access.CONTROL, (exchange, rest) -> api.reload(exchange));
        add(GET, "/api/version", Access.CONTROL, (exchange, rest) -> api.version(exchange));
        add(GET, "/api/explain", Access.CONTROL, (exchange, rest) -> api.explain(exchange));
        add(GET, "/api/events", Access.CONTROL, (exchange, rest) -> events.stream(exchange));
        add(GET, "/api/metrics", Access.CONTROL, (exchange, rest) -> activity.rows(exchange));
        add(GET, "/api/captures/*", Access.CONTROL, activity::capture);
        add(POST, "/api/inflight/*", Access.CONTROL, activity::cancel);
        add(GET, "/metrics", Access.CONTROL, (exchange, rest) -> activity.prometheus(exchange));
        for (String base : List.of("/logs", "/log")) {
            add(GET, base, Access.CONTROL, (exchange, rest) -> logs.tail(exchange));
            add(GET, base + "/stream", Access.CONTROL, logs::stream);
            add(GET, base + "/stream/*", Access.CONTROL, logs::stream);
        }
        prefixes.sort((a, b) -> b.path.length() - a.path.length());
    }

    private void add(Set<String> methods, String path, Access access, Handler handler) {
        Route route = new Route(methods, path, access, handler);
        if (path.endsWith("/*")) prefixes.add(route);
        else exact.computeIfAbsent(path, each -> new ArrayList<>()).add(route);
    }

    /**
     * The row for a request.
     *
     * @param path decoded, with single slashes and none at its end
     * @param slash whether there was one at its end
     * @throws Failure 404 for an unknown path, 405 for another method than its routes take
     */
    Match find(String method, String path, boolean slash) throws Failure {
        // A script whose $ID is empty must not unload everything.
        boolean idMissing = slash && prefixes.stream().anyMatch(route -> route.methods == POST && route.path.equals(path + "/*"));
        if (idMissing && !path.equals("/v1")) throw new Failure(404, "the model's id is missing behind " + path + "/", "model_not_found", "model");
        Set<String> allowed = new TreeSet<>();
        for (Route route : exact.getOrDefault(path, List.of())) {
            if (route.takes(method)) return new Match(route, "");
            allowed.addAll(route.methods);
        }
        for (Route route : prefixes) {
            String prefix = route.path.substring(0, route.path.length() - 1);
            if (!path.startsWith(prefix) || path.length() == prefix.length()) continue;
            if (route.takes(method)) return new Match(route, path.substring(prefix.length()));
            allowed.addAll(route.methods);
        }
        if (allowed.isEmpty()) throw new Failure(404, "there is no " + path + " here; README lists the routes", "not_found", null);
        throw new Failure(405, path + " takes " + String.join(", ", allowed) + ", not " + method, "method_not_allowed", null);
    }
}
