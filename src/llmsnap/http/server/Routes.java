package llmsnap.http.server;

import java.util.Set;
import java.util.TreeSet;
import llmsnap.models.Refused;

/** Finds a request's route: which method and path leads where, and who may go there. */
public interface Routes {
    /** How many slashes the longest path of a table has that stands for all that begin so. */
    int MAX_SLASHES = 4;

    /** What a route asks of its callers. */
    enum Access {
        /** Anybody: health, the UI's files. */
        OPEN,
        /**
         * A key, and without keys nothing: inference and listing, also for pages of other sites.
         */
        USE,
        /**
         * A key, and without keys that no page of another site asks: to change or show the server.
         */
        CONTROL
    }

    /**
     * The route of a path, or null.
     *
     * @param path one that ends with a slash and a star stands for all that begin so
     */
    Route at(String path);

    /** Serves a request. */
    interface Handler {
        void serve(Exchange exchange) throws Failure, Refused, InterruptedException;
    }

    /** Who serves a path; null for methods that it does not take. */
    record Route(Access access, Handler get, Handler post, Handler others) {
        private Handler handler(String method) {
            return switch (method) {
                case "GET", "HEAD" -> get;
                case "POST" -> post;
                default -> others;
            };
        }
    }

    /** A route that fits, and what the path has behind it. */
    record Match(Access access, Handler handler, String rest) {}

    /**
     * The route of a request.
     *
     * @param path decoded, with single slashes and none at its end
     * @throws Failure 404 for an unknown path, 405 for another method than its routes take
     */
    default Match find(String method, String path) throws Failure {
        Set<String> allowed = new TreeSet<>();
        for (int end = path.length(); end > 0; end = shorter(path, end)) {
            boolean whole = end == path.length();
            Route route = at(whole ? path : path.substring(0, end) + "*");
            if (route == null) continue;
            Handler handler = route.handler(method);
            if (handler != null) return new Match(route.access, handler, path.substring(end));
            // What is behind a path of ours for models' servers may be no route at all.
            boolean known = whole || route.access != Access.USE;
            if (known && route.get != null) allowed.addAll(Set.of("GET", "HEAD"));
            if (known && route.post != null) allowed.add("POST");
        }
        if (allowed.isEmpty()) throw Failure.noPath(path);
        throw Failure.notTaken(path, String.join(", ", allowed), method);
    }

    /** Behind the last slash before {@code end}; first behind the last that a table may have. */
    private static int shorter(String path, int end) {
        if (end < path.length()) return path.lastIndexOf('/', end - 2) + 1;
        int slash = -1;
        for (int i = 0; i < MAX_SLASHES; i++) {
            int next = path.indexOf('/', slash + 1);
            if (next >= 0) slash = next;
        }
        return slash + 1 == end ? 0 : slash + 1;
    }
}
