package llmsnap.http.server;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import llmsnap.http.server.Auth.Access;

/** A table of routes: which method and path leads where, and who may go there. */
public final class Routes {
    /** Serves a request; {@code rest} is what the path has behind the route's own, decoded. */
    public interface Handler {
        void serve(Exchange exchange, String rest) throws Failure, InterruptedException;
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
        String prefix() {
            return path.substring(0, path.length() - 1);
        }
    }

    /** A row that fits, and what the path has behind it. */
    record Match(Access access, Handler handler, String rest) {}

    private final Map<String, List<Route>> exact = new HashMap<>();
    private final List<Route> prefixes = new ArrayList<>();     // longer ones first

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
        if (route.path.endsWith("/*")) prefixes.add(route);
        else exact.computeIfAbsent(route.path, each -> new ArrayList<>()).add(route);
        prefixes.sort(Comparator.comparing(each -> -each.path.length()));
    }

    /**
     * The row for a request.
     *
     * @param path decoded, with single slashes and none at its end
     * @param slash whether there was one at its end
     * @throws Failure 404 for an unknown path, 405 for another method than its routes take
     */
    Match find(String method, String path, boolean slash) throws Failure {
        if (slash) checkId(path);
        Set<String> allowed = new TreeSet<>();
        for (Route route : exact.getOrDefault(path, List.of())) {
            if (route.methods.has(method)) return new Match(route.access, route.handler, "");
            allowed.addAll(route.methods.names);
        }
        for (Route route : prefixes) {
            String prefix = route.prefix();
            if (!path.startsWith(prefix) || path.length() == prefix.length()) continue;
            String rest = path.substring(prefix.length());
            if (route.methods.has(method)) return new Match(route.access, route.handler, rest);
            allowed.addAll(route.methods.names);
        }
        if (allowed.isEmpty()) {
            throw Failure.notFound("there is no " + path + " here; README lists the routes");
        }
        throw new Failure(405, path + " takes " + String.join(", ", allowed) + ", not " + method)
            .as("method_not_allowed", null);
    }

    /** A script whose $ID is empty must not unload everything. */
    private void checkId(String path) throws Failure {
        for (Route route : prefixes) {
            boolean withId = route.access == Access.CONTROL && route.methods == Methods.POST;
            if (!withId || !route.prefix().equals(path + "/")) continue;
            throw Failure.noModel("the model's id is missing behind " + path + "/");
        }
    }
}
