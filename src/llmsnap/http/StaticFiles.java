package llmsnap.http;

import java.io.IOException;
import java.io.InputStream;
import java.util.Map;

/** The web UI's files, out of the jar. Only names in its list exist, so no path leads anywhere else. */
final class StaticFiles {
    private static final Map<String, String> TYPES = Map.of("html", "text/html; charset=utf-8", "css", "text/css; charset=utf-8",
        "js", "text/javascript; charset=utf-8", "svg", "image/svg+xml");
    private static final java.util.Set<String> FILES = java.util.Set.of("index.html", "style.css", "models.js", "icon.svg");

    void serve(Exchange exchange, String rest) throws Failure, IOException {
        String name = FILES.contains(rest) ? rest : "index.html";
        if (!name.equals(rest) && rest.contains(".")) throw new Failure(404, "the UI has no file " + rest);
        byte[] bytes;
        try (InputStream in = StaticFiles.class.getResourceAsStream("/ui/" + name)) {
            if (in == null) throw new Failure(404, "the UI has no file " + rest);
            bytes = in.readAllBytes();
        }
        exchange.responseHeaders().set("Content-Security-Policy", "default-src 'self'");
        exchange.quiet = true;
        exchange.send(200, TYPES.get(name.substring(name.lastIndexOf('.') + 1)), bytes);
    }
}
