package llmsnap.http;

import java.io.IOException;
import java.net.Inet6Address;
import java.net.InetAddress;
import java.net.URI;
import java.net.URLDecoder;
import java.net.URLEncoder;
import java.net.UnknownHostException;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublisher;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.function.Supplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import llmsnap.config.Config;
import llmsnap.config.Config.Filters;
import llmsnap.config.Config.Model;
import llmsnap.config.Config.Peer;
import llmsnap.observe.Activity;
import llmsnap.swap.SwapLoop;
import llmsnap.swap.SwapLoop.Lease;
import llmsnap.swap.SwapLoop.Refused;
import llmsnap.text.Json;
import llmsnap.text.JsonEdit;
import llmsnap.text.Words;

/** The routes whose body names a model: read it, edit it, wait for the model, pass the request on and the answer back. */
final class Inference {
    private static final long EXIT_PATIENCE_MS = 150;
    private static final Pattern PAIR_OF_MODEL = Pattern.compile("(^|&)model=[^&]*");

    private final SwapLoop loop;
    private final Body bodies;
    private final Forward forward;
    private final Activity activity;

    Inference(SwapLoop loop, Body bodies, Forward forward, Activity activity) {
        this.loop = loop;
        this.bodies = bodies;
        this.forward = forward;
        this.activity = activity;
    }

    /** A body that names its model: JSON with a {@code model} key, or a form with a {@code model} field. */
    void post(Exchange exchange) throws Failure, IOException, InterruptedException {
        String type = exchange.requestHeaders().getFirst("Content-type");
        String boundary = Multipart.boundary(type);
        if (boundary != null) {
            multipart(exchange, boundary);
            return;
        }
        Body.Content content = bodies.read(exchange);
        boolean form = type != null && type.toLowerCase(Locale.ROOT).startsWith("application/x-www-form-urlencoded");
        // curl -d says "form" of JSON, too
        if (form && !startsLikeJson(content)) urlEncoded(exchange, content);
        else json(exchange, content);
    }

    private void json(Exchange exchange, Body.Content content) throws Failure, IOException, InterruptedException {
        try {
            JsonEdit body = JsonEdit.read(content.bytes(), content.length());
            String name = body.text("model");
            if (name == null || name.isEmpty()) {
                throw new Failure(400, "the request body names no model: it needs a top-level \"model\" with a text", "missing_model", "model");
            }
            Found found = find(name);
            List<JsonEdit.Slice> slices = body.edited(found.filters().forName(name));
            if (body.isTrue("stream")) exchange.waiting = waiting(exchange, found);
            serve(exchange, found, target(exchange), true, content, () -> Forward.publisher(slices));
        } catch (Json.Malformed e) {
            throw new Failure(400, "the request body is not a JSON object: " + e.getMessage(), "invalid_json", null);
        } catch (OutOfMemoryError e) {
            throw bodies.tooMuch();
        }
    }

    /** Keeps a client that asked for a stream company while it waits. */
    private WaitingStream waiting(Exchange exchange, Found found) {
        boolean text = found instanceof Local local && local.model.sendLoadingState() && exchange.path().endsWith("/v1/chat/completions");
        return switch (found) {
            case Local local -> new WaitingStream(exchange, local.model.id(), text ? () -> loop.waitingFor(local.model.id()) : null);
            case Remote remote -> new WaitingStream(exchange, remote.name, null);
        };
    }

    private static boolean startsLikeJson(Body.Content content) {
        int i = 0;
        while (i < content.length() && content.bytes()[i] <= ' ') i++;
        return i == content.length() || content.bytes()[i] == '{';
    }

    /** Path and query as they came. */
    private static String target(Exchange exchange) {
        return exchange.rawPath() + (exchange.rawQuery() == null ? "" : "?" + exchange.rawQuery());
    }

    private void multipart(Exchange exchange, String boundary) throws Failure, IOException, InterruptedException {
        try (Body.Form form = bodies.readForm(exchange)) {
            List<Multipart.Field> fields = Multipart.models(form, boundary);
            if (fields.isEmpty()) throw new Failure(400, "the form has no field \"model\"", "missing_model", "model");
            String name = Multipart.text(form, fields.getFirst());
            Found found = find(name);
            byte[] value = sentName(found, name).getBytes(StandardCharsets.UTF_8);
            List<BodyPublisher> pieces = new ArrayList<>();
            long at = 0;
            for (Multipart.Field field : fields) {
                pieces.add(form.piece(at, field.from()));
                pieces.add(HttpRequest.BodyPublishers.ofByteArray(value));
                at = field.to();
            }
            pieces.add(form.piece(at, form.size()));
            serve(exchange, found, target(exchange), true, form instanceof Body.Content content ? content : null, () -> HttpRequest.BodyPublishers.concat(pieces.toArray(BodyPublisher[]::new)));
        }
    }

    private void urlEncoded(Exchange exchange, Body.Content content) throws Failure, IOException, InterruptedException {
        String text = new String(content.bytes(), 0, content.length(), StandardCharsets.ISO_8859_1);
        String name = parameter(text, "model");
        if (name == null || name.isEmpty()) throw new Failure(400, "the form has no field \"model\"", "missing_model", "model");
        Found found = find(name);
        String sent = sentName(found, name);
        String edited = sent.equals(name) ? text : PAIR_OF_MODEL.matcher(text).replaceAll(match -> Matcher.quoteReplacement(
            match.group(1) + "model=" + URLEncoder.encode(sent, StandardCharsets.UTF_8)));
        byte[] bytes = edited.getBytes(StandardCharsets.ISO_8859_1);
        serve(exchange, found, target(exchange), true, content, () -> HttpRequest.BodyPublishers.ofByteArray(bytes));
    }

    /** The name that the model's server is to see: useModelName, or the one that came. */
    private static String sentName(Found found, String name) {
        return found.filters().forName(name).get("model") instanceof JsonEdit.Edit.Set set && set.value() instanceof Json.Str text ? text.text() : name;
    }

    /** The decoded value of the first {@code key} in a query or an encoded form, or null. */
    static String parameter(String encoded, String key) throws Failure {
        if (encoded == null) return null;
        for (String pair : encoded.split("&")) {
            int equals = pair.indexOf('=');
            try {
                if (equals >= 0 && URLDecoder.decode(pair.substring(0, equals), StandardCharsets.UTF_8).equals(key)) {
                    return URLDecoder.decode(pair.substring(equals + 1), StandardCharsets.UTF_8);
                }
            } catch (IllegalArgumentException e) {
                throw new Failure(400, "a % that is followed by no two hex digits");
            }
        }
        return null;
    }

    /** A GET whose query names the model. */
    void get(Exchange exchange) throws Failure, IOException, InterruptedException {
        String name = parameter(exchange.rawQuery(), "model");
        if (name == null || name.isEmpty()) throw new Failure(400, "the query names no model: add ?model=ID", "missing_model", "model");
        serve(exchange, find(name), target(exchange), true, null, HttpRequest.BodyPublishers::noBody);
    }

    /** {@code /upstream/ID/rest}: any request to a model's server as it is; the longest ID that there is wins. */
    void upstream(Exchange exchange) throws Failure, IOException, InterruptedException {
        String raw = exchange.rawPath().replaceFirst("^/+[^/]+/+", "");      // behind /upstream/, which may be spelled %75pstream
        Found model = null;
        int end = 0;
        for (int i = 1; i <= raw.length(); i++) {
            if (i < raw.length() && raw.charAt(i) != '/') continue;
            Found found = findOrNull(decoded(raw.substring(0, i)));
            if (found != null) {
                model = found;
                end = i;
            }
        }
        if (model == null) throw unknown(decoded(raw.replaceFirst("/.*", "")), loop.config());
        String query = exchange.rawQuery() == null ? "" : "?" + exchange.rawQuery();
        boolean get = exchange.method().equals("GET") || exchange.method().equals("HEAD");
        if (end == raw.length()) {
            exchange.redirect(get ? 301 : 308, "/upstream/" + raw + "/" + query);
            return;
        }
        if (exchange.requestHeaders().containsKey("Upgrade")) {
            throw new Failure(501, "llmsnap cannot pass a connection upgrade (WebSocket) on; connect to the model's server itself, see /running for its address");
        }
        Body.Content small = exchange.method().equals("POST") ? bodies.readSmall(exchange) : null;
        serve(exchange, model, raw.substring(end) + query, get, small, () -> small == null ? bodies.passing(exchange)
            : HttpRequest.BodyPublishers.ofByteArray(small.bytes(), 0, small.length()));
    }

    private static String decoded(String raw) throws Failure {
        try {
            return URLDecoder.decode(raw.replace("+", "%2B"), StandardCharsets.UTF_8);
        } catch (IllegalArgumentException e) {
            throw new Failure(400, "a % that is followed by no two hex digits");
        }
    }

    /** What a name stands for: a model here, or one of a peer's. */
    private sealed interface Found {
        /** The model's id, or the peer's name for it. */
        String name();

        /** The edits of request bodies for a name. */
        Filters filters();
    }

    private record Local(Model model) implements Found {
        @Override public String name() {
            return model.id();
        }

        @Override public Filters filters() {
            return model.filters();
        }
    }

    private record Remote(Peer peer, String name) implements Found {
        @Override public Filters filters() {
            return peer.filters();
        }
    }

    private Found find(String name) throws Failure {
        Found found = findOrNull(name);
        if (found == null) throw unknown(name, loop.config());
        return found;
    }

    private Found findOrNull(String name) {
        Config config = loop.config();
        Model model = config.model(name);
        if (model != null) return new Local(model);
        Peer peer = config.peerOf().get(name);
        return peer == null ? null : new Remote(peer, name);
    }

    /** 404 with the names that are near, or with some that there are. */
    static Failure unknown(String name, Config config) {
        Collection<String> names = config.names().keySet();
        String nearest = Words.nearest(name, names);
        List<String> some = new ArrayList<>();
        for (Model model : config.models().values()) if (!model.unlisted() && some.size() < 8) some.add(model.id());
        String hint = nearest != null ? "did you mean \"" + nearest + "\"?"
            : some.isEmpty() ? "there are no models in the configuration" : "there are " + String.join(", ", some)
                + (config.models().size() > some.size() ? " and more, see /v1/models" : "");
        return new Failure(404, "there is no model \"" + name + "\"; " + hint, "model_not_found", "model");
    }

    /**
     * Waits for the model, sends the request on and the answer back. When the server breaks off before its first byte,
     * tries once more: on a fresh start if its process is gone, else on a new connection.
     *
     * @param asked the request's body as it came, for the capture; null when it is not at hand
     */
    private void serve(Exchange exchange, Found found, String path, boolean retry, Body.Content asked, Supplier<BodyPublisher> body)
            throws Failure, IOException, InterruptedException {
        if (exchange.method().equals("POST")) {
            exchange.activity = activity.begin(found.name(), target(exchange), () -> exchange.breakOff(Exchange.CANCELLED));
            if (asked != null) exchange.activity.asked(exchange.requestHeaders(), asked.bytes(), asked.length());
        }
        try (WaitingStream waiting = exchange.waiting) {
            try {
                switch (found) {
                    case Local local -> serveLocal(exchange, local.model, path, retry, body);
                    case Remote remote -> serveRemote(exchange, remote.peer, path, retry, body);
                }
            } catch (Failure e) {
                if (waiting == null || !waiting.fail(e)) throw e;
            } catch (InterruptedException e) {
                boolean left = exchange.brokenOff() == null || exchange.brokenOff().equals(Exchange.CLIENT_LEFT);
                if (left || waiting == null || !waiting.handOver()) throw e;
                throw new IOException(exchange.brokenOff());
            }
        }
    }

    private void serveLocal(Exchange exchange, Model model, String path, boolean retry, Supplier<BodyPublisher> body)
            throws Failure, IOException, InterruptedException {
        for (int attempt = 1; ; attempt++) {
            try (Lease lease = loop.acquire(model.id(), exchange)) {
                var target = new Forward.Target(lease.run().base(), model.proxy().isHttps() ? null : model.proxy().authority(),
                    "the server of the model \"" + model.id() + "\"", "");
                try {
                    if (exchange.activity != null) exchange.activity.taken();
                    exchange.limitSilence(model.requestTimeoutSeconds());
                    forward.send(exchange, target, path, body.get(), lease::close);
                    return;
                } catch (Forward.NoAnswer e) {
                    boolean dead = lease.run().hasEnded(EXIT_PATIENCE_MS);
                    if (attempt > 1 || !retry) throw new Failure(502, e.getMessage() + (dead ? "; its process has ended; " : "; ") + lease.run().lastLines());
                    if (exchange.activity != null) exchange.activity.again();
                }
            } catch (Refused e) {
                throw Failure.of(e);
            }
        }
    }

    private void serveRemote(Exchange exchange, Peer peer, String path, boolean retry, Supplier<BodyPublisher> body)
            throws Failure, IOException, InterruptedException {
        if (exchange.activity != null) exchange.activity.taken();
        for (int attempt = 1; ; attempt++) {
            try {
                forward.send(exchange, target(peer), path, body.get(), () -> { });
                return;
            } catch (Forward.NoAnswer e) {
                if (attempt > 1 || !retry) throw new Failure(502, e.getMessage());
            }
        }
    }

    /** Where a peer answers. The JDK's client refuses host names with an underscore: those are resolved here. */
    private static Forward.Target target(Peer peer) throws Failure {
        String name = "the peer \"" + peer.id() + "\" (" + peer.proxy() + ")";
        String url = peer.proxy().toString();
        String host = null;
        if (peer.proxy().host().contains("_") && !peer.proxy().isHttps()) {
            try {
                InetAddress address = InetAddress.getByName(peer.proxy().host());
                url = "http://" + (address instanceof Inet6Address ? "[" + address.getHostAddress().replaceAll("%.*", "") + "]" : address.getHostAddress())
                    + ":" + peer.proxy().port() + peer.proxy().basePath();
                host = peer.proxy().authority();
            } catch (UnknownHostException e) {
                throw new Failure(502, name + " cannot be found: there is no host " + peer.proxy().host());
            }
        }
        return new Forward.Target(URI.create(url), host, name, peer.apiKey());
    }
}
