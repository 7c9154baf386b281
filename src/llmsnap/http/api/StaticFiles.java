package llmsnap.http.api;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.sun.net.httpserver.Headers;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.util.Arrays;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.regex.Pattern;
import java.util.zip.Deflater;
import java.util.zip.GZIPOutputStream;
import llmsnap.http.server.Exchange;
import llmsnap.http.server.Failure;

/**
 * The web UI's files, out of the jar: letters and a known ending, so no path leads anywhere else.
 * Each is packed and hashed once, and kept: they are small.
 */
public final class StaticFiles {
    private static final String PAGE = "index.html";
    private static final Set<String> PAGES =
        Set.of("", "now", "models", "activity", "logs", "chat", "try", "settings");
    private static final String MODEL = "models/";
    private static final String UI = "/ui";
    private static final int MAX_LEVELS = 20;
    private static final Pattern FILE = Pattern.compile("(pages/)?[a-z]+\\.(css|js|svg)");
    private static final Map<String, String> TYPES = Map.of(
        "html", "text/html; charset=utf-8",
        "css", "text/css; charset=utf-8",
        "js", "text/javascript; charset=utf-8",
        "svg", "image/svg+xml");
    private static final String POLICY = "default-src 'self'; img-src 'self' data: blob:;"
        + " media-src 'self' blob:; base-uri 'self'; form-action 'self';"
        + " frame-ancestors 'self'; object-src 'none'";

    /** One file in both forms; {@code tag} is its ETag. */
    private record File(String type, byte[] plain, byte[] gzip, String tag) {}

    private final Map<String, File> files = new ConcurrentHashMap<>();

    public void icon(Exchange exchange) throws Failure {
        serve(exchange, "icon.svg");
    }

    public void serve(Exchange exchange) throws Failure {
        serve(exchange, exchange.rest());
    }

    private void serve(Exchange exchange, String rest) throws Failure {
        boolean page = PAGES.contains(rest) || rest.startsWith(MODEL);
        File file = page ? file(PAGE, base(exchange)) : file(rest, "./");
        exchange.beQuiet();
        Headers headers = exchange.responseHeaders();
        headers.set("Content-Security-Policy", POLICY);
        headers.set("X-Content-Type-Options", "nosniff");
        headers.set("Referrer-Policy", "no-referrer");
        // Asked each time: an update is seen at once, and costs a 304 when there is none.
        headers.set("Cache-Control", "no-cache");
        headers.set("Vary", "Accept-Encoding");
        boolean gzip = acceptsGzip(exchange.headerText("Accept-encoding"));
        String tag = "\"" + file.tag + (gzip ? "-gzip\"" : "\"");
        headers.set("ETag", tag);
        String known = exchange.headerText("If-none-match");
        if (known.strip().equals("*") || known.contains(tag)) {
            exchange.commit(304, 0);
            return;
        }
        if (gzip) headers.set("Content-Encoding", "gzip");
        exchange.send(200, file.type, gzip ? file.gzip : file.plain);
    }

    /**
     * What the page names is relative to /ui/, wherever a reverse proxy puts that: /ui is one level
     * above it, /ui/models/ one below, and /ui/models/a/b two.
     */
    private static String base(Exchange exchange) throws Failure {
        String path = exchange.rawPath();
        int levels = -1;
        for (int i = path.indexOf(UI) + UI.length(); i < path.length(); i++) {
            if (path.charAt(i) == '/') levels++;
        }
        if (levels > MAX_LEVELS) throw Failure.noPath(path);
        if (levels < 0) return "ui/";
        return levels == 0 ? "./" : "../".repeat(levels);
    }

    private static boolean acceptsGzip(String accepted) {
        // By hand: a regular expression with two free runs takes a core for seconds over blanks.
        for (String each : accepted.split(",")) {
            int end = each.indexOf(';');
            String name = end < 0 ? each : each.substring(0, end);
            if (!name.strip().equalsIgnoreCase("gzip")) continue;
            String weight = end < 0 ? "" : each.substring(end + 1).strip();
            return !weight.startsWith("q=0")
                || weight.chars().skip(3).anyMatch(c -> c != '.' && c != '0');
        }
        return false;
    }

    private File file(String name, String base) throws Failure {
        File known = files.get(base + name);
        if (known != null) return known;
        try {
            byte[] bytes = read(name);
            if (name.equals(PAGE)) {
                String tag = "<base href=\"%s\">";
                var page = new String(bytes, UTF_8);
                bytes = page.replace(tag.formatted("./"), tag.formatted(base)).getBytes(UTF_8);
            }
            String type = TYPES.get(name.substring(name.lastIndexOf('.') + 1));
            var file = new File(type, bytes, gzip(bytes),
                Integer.toHexString(Arrays.hashCode(bytes)));
            files.put(base + name, file);
            return file;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static byte[] read(String name) throws IOException, Failure {
        try (InputStream in = StaticFiles.class.getResourceAsStream("/ui/" + name)) {
            boolean file = name.equals(PAGE) || FILE.matcher(name).matches();
            if (in == null || !file) {
                throw Failure.notFound("the UI has no page and no file " + Failure.shown(name));
            }
            return in.readAllBytes();
        }
    }

    /** As small as it gets: it is done once. */
    private static final class Gzip extends GZIPOutputStream {
        Gzip(OutputStream out) throws IOException {
            super(out);
            def.setLevel(Deflater.BEST_COMPRESSION);
        }
    }

    private static byte[] gzip(byte[] bytes) throws IOException {
        var out = new ByteArrayOutputStream();
        try (var gzip = new Gzip(out)) {
            gzip.write(bytes);
        }
        return out.toByteArray();
    }
}
