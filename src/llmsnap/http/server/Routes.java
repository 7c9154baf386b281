package llmsnap.http.server;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import llmsnap.http.server.Auth.Access;
import llmsnap.models.Refused;

/** A table of routes: which method and path leads where, and who may go there. */
public final class Routes {
    /** Serves a request; {@code rest} is what the path has behind the route's own, decoded. */
    public interface Handler {
        void serve(Exchange exchange, String rest) throws Failure, Refused, InterruptedException;
    }

    /** Methods that a route takes. */
    public enum Methods {
        ANY, GET("GET", "HEAD"), POST("POST");

        private final Set<String> names;

        Methods(String... names) {
            this.names = Set.of(names);
        }

        private boolean has(String method) {
            return this == ANY || names.contains(method);
        }
    }

    /** One row. A path that ends with a slash and a star stands for all that begin so. */
    private record Route(Methods methods, String path, Access access, Handler handler) {
        boolean isPrefix() {
            return path.endsWith("/*");
        }

        /** What {@code asked} has behind this path; null when it is another. */
        String rest(String asked) {
            if (!isPrefix()) return asked.equals(path) ? "" : null;
            int end = path.length() - 1;
            boolean more = asked.length() > end && asked.regionMatches(0, path, 0, end);
            return more ? asked.substring(end) : null;
        }
    }

    /** A row that fits, and what the path has behind it. */
    record Match(Access access, Handler handler, String rest) {}

    private final List<Route> routes = new ArrayList<>();   // exact ones, then longer ones first

    /** For anybody. */
    public void open(String path, Handler handler) {
        add(new Route(Methods.GET, path, Access.OPEN, handler));
    }

    /** For who may use the models. */
    public void use(Methods methods, String path, Handler handler) {
        add(new Route(methods, path, Access.USE, handler));
    }

    /** For who may look at and control the server. */
    public void control(Methods methods, String path, Handler handler) {
        add(new Route(methods, path, Access.CONTROL, handler));
    }

    private void add(Route route) {
        routes.add(route);
        routes.sort(Comparator.comparing(Route::isPrefix).thenComparing(r -> -r.path.length()));
    }

    /**
     * The row for a request.
     *
     * @param path decoded, with single slashes and none at its end
     * @throws Failure 404 for an unknown path, 405 for another method than its routes take
     */
    Match find(String method, String path) throws Failure {
        Set<String> allowed = new TreeSet<>();
        for (Route route : routes) {
            String rest = route.rest(path);
            if (rest == null) continue;
            if (route.methods.has(method)) return new Match(route.access, route.handler, rest);
            // What is behind a path of ours for models' servers may be no route at all.
            boolean known = !route.isPrefix() || route.access != Access.USE;
            if (known) allowed.addAll(route.methods.names);
        }
        if (allowed.isEmpty()) {
            throw Failure.notFound("there is no " + path + " here; README lists the routes");
        }
        throw new Failure(405, path + " takes " + String.join(", ", allowed) + ", not " + method)
            .as("method_not_allowed", null);
    }
}
