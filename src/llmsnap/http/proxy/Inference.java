package llmsnap.http.proxy;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;

import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import java.util.Locale;
import java.util.Set;
import java.util.function.UnaryOperator;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import llmsnap.config.Config.Key;
import llmsnap.http.proxy.Outgoing.Kind;
import llmsnap.http.server.Exchange;
import llmsnap.http.server.Failure;
import llmsnap.http.server.Internals;
import llmsnap.models.ModelPool;
import llmsnap.models.ModelStatus;
import llmsnap.models.Refused;
import llmsnap.record.Log;
import llmsnap.text.Json;
import llmsnap.text.JsonEdit;
import llmsnap.text.JsonEdit.Edit;
import llmsnap.text.JsonEdit.Slice;
import llmsnap.text.Malformed;

/** The routes that lead to a model: finds out which one is meant, and edits the request's body. */
public record Inference(ModelPool pool, Names names, BodyReader bodies, Dispatcher dispatcher) {
    /** Routes that answer an event stream when they are asked for one; others may do it or not. */
    private static final Pattern STREAMS = Pattern.compile("(/+(v1|v))?/+(chat/completions"
        + "|completions|responses|messages|completion|infill)/*");
    /** Longer ones are not looked for: looking at each part of a path costs its length again. */
    private static final int MAX_SHOWN = 100;
    private static final int MAX_ID_CHARS = 1_000;
    /** Routes that are also served without their /v1. */
    private static final Set<String> VERSIONLESS = Set.of("/chat/completions", "/completions",
        "/responses", "/messages", "/messages/count_tokens", "/embeddings");
    /** Paths that lead to models, as far as they are known: those under /v1/ need not be. */
    public static final Set<String> MODEL_PATHS = Stream.concat(
        VERSIONLESS.stream().flatMap(each -> Stream.of(each, "/v1" + each)),
        Stream.of("/v1/audio/speech", "/v1/audio/voices", "/v1/audio/transcriptions",
            "/v1/images/generations", "/v1/images/edits", "/v1/rerank", "/v1/reranking", "/rerank",
            "/reranking", "/infill", "/completion", "/tokenize", "/detokenize", "/apply-template",
            "/score", "/classify", "/pooling", "/sdapi/v1/txt2img", "/sdapi/v1/img2img"))
        .collect(Collectors.toUnmodifiableSet());
    private static final Set<String> LOOKS = Set.of("/props", "/slots", "/metrics", "/health");
    private static final Pattern FILE =
        Pattern.compile(".*\\.(js|css|png|jpg|ico|svg|txt|map|json|woff2)");

    /** The path as servers know it: many clients leave the version out; /v/ is for their own. */
    private static String target(Exchange exchange) {
        String path = exchange.plainPath();
        if (VERSIONLESS.contains(path)) path = "/v1" + path;
        else if (path.startsWith("/v/")) path = path.substring(2);
        return path + exchange.queryPart();
    }

    /** What a name stands for; who asks for one that there is not gets a row, too. */
    private Target find(Exchange exchange, String name) throws Failure {
        try {
            Target target = names.find(name);
            if (!target.isAllowed(exchange.key())) throw forbidden(name);
            Log log = dispatcher.log();
            String whose = target instanceof Target.Local ? "the model " : "a peer's model ";
            if (log.isDebug()) log.debug("\"" + name + "\" means " + whose + target.id());
            return target;
        } catch (Failure e) {
            if (exchange.is("POST")) dispatcher.note(exchange, Log.cut(name, MAX_SHOWN));
            // Which models there are is none of its business.
            boolean limited = e.status == 404 && !exchange.key().models().isEmpty();
            throw limited ? forbidden(name) : e;
        }
    }

    /** Says that a key is not for what a name stands for. */
    public static Failure forbidden(String name) {
        return new Failure(403, "this API key may not use \"" + Failure.shown(name) + "\"")
            .as("forbidden", "model");
    }

    /**
     * What is passed on as it came must not become something else behind: not by dots, and not by
     * /v/ where more than inference would answer that this key is not for.
     */
    private static void checkPath(Exchange exchange, Target to) throws Failure {
        String path = exchange.plainPath();
        String decoded = Query.decodePath(path);
        if (decoded.contains("/..")) {
            throw new Failure(400, "the path has dots in it that lead up");
        }
        Key key = exchange.key();
        boolean free = to instanceof Target.Local && key.control() && key.models().isEmpty();
        if (free || !path.startsWith("/v/")) return;
        String its = path.substring("/v".length());
        if (MODEL_PATHS.contains(its)) return;
        throw new Failure(403, "with this API key, and for models of peers, /v/ leads to inference"
            + " only").as("forbidden", null);
    }

    /** A request by the name that it asks for. */
    private record Asked(String name, Function<Target, Outgoing> to) {}

    /** Passes a request on to what its name stands for, or to one of several. */
    private void pass(Exchange exchange, Asked asked, Target found)
            throws Failure, Refused, InterruptedException {
        PeerModels peers = names.peers();
        if (!exchange.plainPath().startsWith("/upstream/")) checkPath(exchange, found);
        int priority = exchange.key().priority();
        List<Target> targets = found instanceof Target.Any any
            ? new Selection(pool, peers).choose(any, exchange.interruption, priority)
            : List.of(found);
        if (found instanceof Target.Remote remote) peers.begun(remote);
        try {
            dispatcher.pass(exchange, asked.name, targets, asked.to);
        } finally {
            switch (targets.getFirst()) {
                case Target.Local local -> local.giveUp();
                case Target.Remote remote -> peers.ended(remote);
                case Target.Any any -> { }
            }
        }
    }

    /** A GET whose query names the model. */
    public void get(Exchange exchange) throws Failure, Refused, InterruptedException {
        String name = Query.model(exchange);
        Target found = find(exchange, name);
        boolean looks = "false".equals(Query.value(exchange.rawQuery(), "autoload"));
        if (looks && found instanceof Target.Local && !isLoaded(found.id())) {
            // As llama.cpp's router says it: its clients tell "loading" by a 503.
            throw new Failure(400, "model is not loaded").as("400", null);
        }
        checkLoad(exchange, found, false);
        Kind kind = kindOfGet(exchange);
        pass(exchange, new Asked(name, to ->
            new Outgoing(to, target(exchange), kind, null, BodyPublishers::noBody)), found);
    }

    private static Kind kindOfGet(Exchange exchange) throws Failure {
        if (!exchange.isWebSocket()) return Kind.REPEATABLE;
        if (Internals.areOpen()) return Kind.UPGRADE;
        throw new Failure(501, "this Java does not let a WebSocket pass; connect to the model's"
            + " server itself, see /running for its address");
    }

    /** A body that names its model: JSON with a {@code model} key, or a form with such a field. */
    public void post(Exchange exchange) throws Failure, Refused, InterruptedException {
        String type = exchange.headerText("Content-type");
        String boundary = Multipart.boundary(type);
        try (Body body = boundary == null ? bodies.read(exchange) : bodies.readForm(exchange)) {
            boolean form =
                type.toLowerCase(Locale.ROOT).startsWith("application/x-www-form-urlencoded");
            Asked asked;
            if (boundary != null) asked = multipart(exchange, body, boundary);
            // curl -d says "form" of JSON, too
            else if (form && !startsLikeJson(body)) asked = urlEncoded(exchange, body);
            else asked = json(exchange, body);
            pass(exchange, asked, find(exchange, asked.name));
        }
    }

    private static boolean startsLikeJson(Body body) {
        int i = 0;
        while (i < body.size() && body.bytes()[i] <= ' ') i++;
        return i == body.size() || body.bytes()[i] == '{';
    }

    private Asked json(Exchange exchange, Body body) throws Failure {
        try {
            JsonEdit edit = body.json();
            String name = edit.text("model");
            if (name == null || name.isEmpty()) {
                throw Failure.missingModel(
                    "the request body names no model: it needs a top-level \"model\" with a text");
            }
            boolean stream = edit.isTrue("stream") && STREAMS.matcher(exchange.rawPath()).matches();
            Kind kind = stream ? Kind.STREAM : Kind.REPEATABLE;
            return new Asked(name, to -> {
                List<Slice> slices = edit.edited(to.edits(name));
                return new Outgoing(to, target(exchange), kind, body, () -> publisher(slices));
            });
        } catch (Malformed e) {
            throw Body.noJson(e);
        } catch (OutOfMemoryError e) {
            throw bodies.tooMuch();
        }
    }

    private static BodyPublisher publisher(List<Slice> slices) {
        var pieces = new BodyPublisher[slices.size()];
        for (int i = 0; i < pieces.length; i++) {
            Slice slice = slices.get(i);
            pieces[i] = new ArrayPublisher(slice.bytes(), slice.offset(), slice.length()).sized();
        }
        return pieces.length == 1 ? pieces[0] : BodyPublishers.concat(pieces);
    }

    private Asked multipart(Exchange exchange, Body form, String boundary)
            throws Failure {
        List<Multipart.Field> fields = Multipart.models(form, boundary);
        String name = Multipart.text(form, fields.getFirst());
        Body asked = form.bytes() == null ? null : form;
        return new Asked(name, to -> new Outgoing(to, target(exchange), Kind.REPEATABLE, asked,
            () -> renamed(form, fields, sentName(to, name).getBytes(UTF_8))));
    }

    private static BodyPublisher renamed(Body form, List<Multipart.Field> fields, byte[] sent) {
        List<BodyPublisher> pieces = new ArrayList<>();
        long at = 0;
        for (Multipart.Field field : fields) {
            pieces.add(form.publisher(at, field.from()));
            pieces.add(BodyPublishers.ofByteArray(sent));
            at = field.to();
        }
        pieces.add(form.publisher(at, form.size()));
        return BodyPublishers.concat(pieces.toArray(BodyPublisher[]::new));
    }

    private Asked urlEncoded(Exchange exchange, Body body) throws Failure {
        var text = new String(body.bytes(), 0, (int) body.size(), ISO_8859_1);
        String name = Query.value(text, "model");
        if (name == null || name.isEmpty()) throw Multipart.noModel();
        UnaryOperator<String> renamed = Query.replacing(text, "model");
        return new Asked(name, to -> {
            String sent = sentName(to, name);
            String edited = sent.equals(name) ? text : renamed.apply(sent);
            return new Outgoing(to, target(exchange), Kind.REPEATABLE, body,
                () -> BodyPublishers.ofByteArray(edited.getBytes(ISO_8859_1)));
        });
    }

    /** The name that the model's server is to see: useModelName, or the one that came. */
    private static String sentName(Target to, String name) {
        Edit edit = to.edits(name).get("model");
        return edit instanceof Edit.Set set && set.value() instanceof Json.Str text ? text.text()
            : name;
    }

    /** {@code /upstream/ID/rest}: any request to a model's server as it is. */
    public void upstream(Exchange exchange) throws Failure, Refused, InterruptedException {
        // Behind /upstream/, which may be spelled %75pstream.
        String raw = exchange.rawPath().replaceFirst("^/+[^/]+/+", "");
        int end = idEnd(raw);
        String id = raw.substring(0, end);
        Target to = find(exchange, Query.decodePath(id));
        if (to instanceof Target.Any) {
            throw Failure.noModel("\"" + Failure.shown(id) + "\" is a selector, which has no"
                + " pages: name a model behind /upstream/");
        }
        if (end == raw.length()) {
            String location = "/upstream/" + raw + "/" + exchange.queryPart();
            exchange.redirect(exchange.isGet() ? 301 : 308, location);
            return;
        }
        String path = raw.substring(end);
        if (leadsAbove(Query.decodePath(path))) {
            throw new Failure(400, "the path leads out of /upstream/" + Failure.shown(id) + "/");
        }
        boolean navigates = exchange.isStray()
            && exchange.headerText("Accept").contains("text/html");
        if (navigates && to instanceof Target.Local && !isLoaded(to.id())) {
            LoadPage.send(exchange, to.id());
            return;
        }
        // A look at a model that is not loaded does not load it: monitors ask for some paths again
        // and again, browsers for icons and files of pages that are still open.
        checkLoad(exchange, to, isLook(exchange, path));
        try (Body small = exchange.is("POST") ? bodies.readSmall(exchange) : null) {
            Kind kind = exchange.isGet() ? kindOfGet(exchange) : Kind.ONCE;
            pass(exchange, new Asked(to.id(), any ->
                new Outgoing(any, path + exchange.queryPart(), kind, small,
                    () -> small == null ? BodyReader.passing(exchange)
                        : small.publisher(0, small.size()))), to);
        }
    }

    private boolean isLook(Exchange exchange, String path) {
        List<Pattern> own = pool.config().settings().entry().looks();
        if (own != null) return own.stream().anyMatch(each -> each.matcher(path).find());
        boolean file = exchange.isStray() && FILE.matcher(path).matches();
        return file || exchange.isGet() && LOOKS.contains(path);
    }

    private static boolean leadsAbove(String path) {
        int depth = 0;
        for (String segment : path.split("/")) {
            if (segment.equals("..")) depth--;
            else if (!segment.isEmpty() && !segment.equals(".")) depth++;
            if (depth < 0) return true;
        }
        return false;
    }

    /** @param look whether the request asks for nothing that is worth a load */
    private void checkLoad(Exchange exchange, Target to, boolean look) throws Failure {
        boolean stray = exchange.isStray();
        if (!look && !stray || !(to instanceof Target.Local) || isLoaded(to.id())) return;
        String instead = "POST /api/models/load/" + to.id() + " loads the model";
        if (!look) throw Failure.stray(instead);
        throw new Failure(409, "the model \"" + to.id()
            + "\" is not loaded, and a look does not load it; " + instead)
            .as("model_not_loaded", "model");
    }

    private boolean isLoaded(String id) {
        ModelStatus status = pool.status(id);
        return status == null || status.state().isServing();
    }

    /** Where the longest id that there is ends; where the first segment does when there is none. */
    private int idEnd(String raw) throws Failure {
        String segments = raw + "/";
        int longest = segments.indexOf('/');
        int most = MAX_ID_CHARS;
        for (int end = longest; end >= 0 && end <= most; end = segments.indexOf('/', end + 1)) {
            String id = Query.decodePath(raw.substring(0, end));
            if (names.findOrNull(id) != null) longest = end;
        }
        return longest;
    }
}
