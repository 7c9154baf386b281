package llmsnap.http;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.zip.GZIPOutputStream;

/**
 * The web UI's files, out of the jar. Only names in its list exist, so no path leads anywhere else. Each is packed and
 * hashed once, and kept: they are small.
 */
final class StaticFiles {
    private static final String PAGE = "index.html";
    private static final Set<String> PAGES = Set.of("", "models", "activity", "logs", "chat");
    private static final Set<String> FILES = Set.of("style.css", "theme.js", "app.js", "dom.js", "store.js", "models.js", "activity.js", "capture.js",
        "logs.js", "chat.js", "markdown.js", "icon.svg");
    private static final Map<String, String> TYPES = Map.of("html", "text/html; charset=utf-8", "css", "text/css; charset=utf-8",
        "js", "text/javascript; charset=utf-8", "svg", "image/svg+xml");
    private static final String POLICY = "default-src 'self'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'; object-src 'none'";

    /** One file in both forms; {@code tag} is its ETag. */
    private record File(String type, byte[] plain, byte[] gzip, String tag) {}

    private final Map<String, File> files = new ConcurrentHashMap<>();

    void serve(Exchange exchange, String rest) throws Failure, IOException {
        boolean page = PAGES.contains(rest);
        if (!page && !FILES.contains(rest)) throw new Failure(404, "the UI has no page and no file " + rest, "not_found", null);
        // What the page names is relative to /ui/, wherever a reverse proxy puts that: /ui is one level above, /ui/models/ one below.
        boolean slash = exchange.rawPath().endsWith("/");
        String base = !page || rest.isEmpty() == slash ? "./" : rest.isEmpty() ? "ui/" : "../";
        File file = file(page ? PAGE : rest, base);
        var headers = exchange.responseHeaders();
        headers.set("Content-Security-Policy", POLICY);
        headers.set("X-Content-Type-Options", "nosniff");
        headers.set("Referrer-Policy", "no-referrer");
        headers.set("Cache-Control", "no-cache");       // ask each time: an update is seen at once, and costs a 304 when there is none
        headers.set("Vary", "Accept-Encoding");
        exchange.quiet = true;
        boolean gzip = acceptsGzip(exchange.requestHeaders().getFirst("Accept-encoding"));
        String tag = "\"" + file.tag + (gzip ? "-gzip\"" : "\"");
        headers.set("ETag", tag);
        String known = exchange.requestHeaders().getFirst("If-none-match");
        if (known != null && (known.strip().equals("*") || known.contains(tag))) {
            exchange.commit(304, 0);
            return;
        }
        if (gzip) headers.set("Content-Encoding", "gzip");
        exchange.send(200, file.type, gzip ? file.gzip : file.plain);
    }

    private static boolean acceptsGzip(String accepted) {
        if (accepted == null) return false;
        for (String each : accepted.split(",")) {
            String[] parts = each.strip().split("\\s*;\\s*q=");
            if (parts[0].equalsIgnoreCase("gzip")) return parts.length == 1 || !parts[1].matches("0(\\.0*)?");
        }
        return false;
    }

    private File file(String name, String base) throws IOException {
        String key = base + name;
        File known = files.get(key);
        if (known != null) return known;
        byte[] bytes;
        try (InputStream in = StaticFiles.class.getResourceAsStream("/ui/" + name)) {
            if (in == null) throw new IOException("the jar has no ui/" + name);
            bytes = in.readAllBytes();
        }
        if (name.equals(PAGE)) bytes = new String(bytes, StandardCharsets.UTF_8).replace("<base href=\"./\">", "<base href=\"" + base + "\">").getBytes(StandardCharsets.UTF_8);
        File file = new File(TYPES.get(name.substring(name.lastIndexOf('.') + 1)), bytes, gzip(bytes), hash(bytes));
        files.put(key, file);
        return file;
    }

    private static byte[] gzip(byte[] bytes) throws IOException {
        var out = new ByteArrayOutputStream();
        try (GZIPOutputStream gzip = new GZIPOutputStream(out)) {
            gzip.write(bytes);
        }
        return out.toByteArray();
    }

    private static String hash(byte[] bytes) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes), 0, 8);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);     // every Java has it
        }
    }
}
