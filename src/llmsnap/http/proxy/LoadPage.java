package llmsnap.http.proxy;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.net.URLEncoder;
import llmsnap.http.server.Exchange;
import llmsnap.http.server.Failure;

/** What a browser gets that goes to a page of a model which is not loaded: a button. */
final class LoadPage {
    private static final String PAGE = """
        <!doctype html>
        <html lang="en">
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width">
        <title>%1$s</title>
        <link rel="stylesheet" href="%3$sui/style.css">
        <script type="module" src="%3$sui/load.js"></script>
        <main>
        <h1>%1$s</h1>
        <p>This model is not loaded. Loading it may make others go.</p>
        <form method="post" action="%3$sapi/models/load/%2$s"><button>Load it</button></form>
        <p role="status"></p>
        </main>
        </html>
        """;

    private LoadPage() {}

    static void send(Exchange exchange, String id) throws Failure {
        // What it names is relative: a reverse proxy may have put us anywhere.
        long levels = exchange.rawPath().chars().filter(c -> c == '/').count() - 1;
        String shown = id.replace("&", "&amp;").replace("<", "&lt;");
        String path = URLEncoder.encode(id, UTF_8).replace("+", "%20");
        exchange.responseHeaders().set("Content-Security-Policy",
            "default-src 'self'; frame-ancestors 'none'");
        byte[] page = PAGE.formatted(shown, path, "../".repeat((int) levels)).getBytes(UTF_8);
        exchange.send(409, "text/html; charset=utf-8", page);
    }
}
