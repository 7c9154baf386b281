package llmsnap.http;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Properties;
import java.util.function.Supplier;
import llmsnap.config.Config;
import llmsnap.config.Config.Model;
import llmsnap.swap.Scheduler.Outlook;
import llmsnap.swap.Scheduler.State;
import llmsnap.swap.Scheduler.Status;
import llmsnap.swap.SwapLoop;
import llmsnap.swap.SwapLoop.Refused;
import llmsnap.swap.SwapLoop.Snapshot;
import llmsnap.text.Json;

/** Listing and control: what there is, what is loaded, and putting models in and out. */
final class Api {
    private final SwapLoop loop;
    private final Supplier<Server.Reloaded> reload;
    private final Properties version;
    private final long startedAtSeconds = System.currentTimeMillis() / 1000;

    Api(SwapLoop loop, Supplier<Server.Reloaded> reload, Properties version) {
        this.loop = loop;
        this.reload = reload;
        this.version = version;
    }

    void health(Exchange exchange) throws IOException {
        exchange.quiet = true;
        exchange.sendText(200, "OK");
    }

    void version(Exchange exchange) throws IOException {
        exchange.sendJson(200, Json.obj("version", version.getProperty("version"), "commit", version.getProperty("commit"),
            "build_date", version.getProperty("date")));
    }

    void models(Exchange exchange) throws IOException {
        String origin = exchange.requestHeaders().getFirst("Origin");
        if (origin != null) exchange.responseHeaders().set("Access-Control-Allow-Origin", origin);
        List<Json.Obj> list = new ArrayList<>();
        Config config = loop.config();
        for (Snapshot snapshot : loop.snapshot()) {
            Model model = snapshot.status().model();
            if (model.unlisted()) continue;
            list.add(entry(model.id(), model, snapshot.status().state()));
            if (config.includeAliasesInList()) model.aliases().forEach(alias -> {
                if (model.id().equals(config.names().get(alias))) list.add(entry(alias, model, snapshot.status().state()));
            });
        }
        config.peerOf().forEach((name, peer) -> list.add(peerEntry(name, peer)));
        list.sort(Comparator.comparing(entry -> entry.text("id")));
        exchange.sendJson(200, Json.obj("object", "list", "data", list));
    }

    private Json.Obj peerEntry(String name, Config.Peer peer) {
        return Json.obj("id", name, "object", "model", "created", startedAtSeconds, "owned_by", "llmsnap", "name", peer.id() + ": " + name,
            "meta", Json.obj("llamaswap", Json.obj("peerID", peer.id())));
    }

    void model(Exchange exchange, String name) throws Failure, IOException {
        Config.Peer peer = loop.config().model(name) == null ? loop.config().peerOf().get(name) : null;
        if (peer != null) {
            exchange.sendJson(200, peerEntry(name, peer));
            return;
        }
        Model model = model(name);
        String origin = exchange.requestHeaders().getFirst("Origin");
        if (origin != null) exchange.responseHeaders().set("Access-Control-Allow-Origin", origin);
        for (Snapshot snapshot : loop.snapshot()) {
            if (snapshot.status().model().id().equals(model.id())) exchange.sendJson(200, entry(name, model, snapshot.status().state()));
        }
    }

    private Json.Obj entry(String id, Model model, State state) {
        Json.Obj entry = Json.obj("id", id, "object", "model", "created", startedAtSeconds, "owned_by", "llmsnap");
        if (!model.name().isEmpty()) entry = entry.with("name", Json.of(model.name()));
        if (!model.description().isEmpty()) entry = entry.with("description", Json.of(model.description()));
        if (!model.metadata().entries().isEmpty()) entry = entry.with("meta", Json.obj("llamaswap", model.metadata()));
        String value = switch (state) {
            case READY -> "loaded";
            case STARTING, WAKING -> "loading";
            case ASLEEP, SLEEP_PENDING -> "sleeping";
            case STOPPED, STOPPING -> "unloaded";
        };
        return entry.with("status", Json.obj("value", value));
    }

    /** What a request for {@code ?model=} would meet, and why the model last went. */
    void explain(Exchange exchange) throws Failure, IOException {
        String name = Inference.parameter(exchange.rawQuery(), "model");
        if (name == null || name.isEmpty()) throw new Failure(400, "the query names no model: add ?model=ID", "missing_model", "model");
        Config.Peer peer = loop.config().model(name) == null ? loop.config().peerOf().get(name) : null;
        if (peer != null) {
            exchange.sendJson(200, Json.obj("model", name, "peer", peer.id(), "summary", "It is a model of the peer " + peer.id() + ": nothing has to go for it here."));
            return;
        }
        SwapLoop.Look look = loop.look(model(name).id());
        if (look.snapshot() == null) throw Inference.unknown(name, loop.config());      // removed this moment
        Status status = look.snapshot().status();
        Outlook outlook = look.outlook();
        Json lastStop = status.lastStop().isEmpty() ? Json.NULL : Json.obj("why", status.lastStop(), "seconds_ago", (look.snapshot().nowMs() - status.lastStopMs()) / 1000);
        exchange.sendJson(200, Json.obj("model", status.model().id(), "state", status.state().label, "group", loop.config().group(status.model().id()).name(),
            "in_flight", status.inFlight(), "waiting", status.waiting(), "position", outlook.position(), "must_go", outlook.mustGo(), "busy", outlook.busy(),
            "cmd", String.join(" ", status.model().cmd()), "ahead", outlook.ahead(), "leaving", outlook.leaving(), "last_load_ms", status.loadMs(), "last_unload", lastStop, "back_off_seconds", (outlook.backOffMs() + 999) / 1000,
            "summary", summary(status, outlook)));
    }

    private static String summary(Status status, Outlook outlook) {
        StringBuilder text = new StringBuilder(switch (status.state()) {
            case READY -> !outlook.leaving().isEmpty() ? "It goes as soon as its requests in flight have ended (" + outlook.leaving() + "), and is loaded again for new ones."
                : outlook.ahead().isEmpty() ? "It is loaded: a request goes at once." : "It is loaded.";
            case STARTING, WAKING -> "It is loading.";
            case STOPPING -> "It is stopping, and would be started again.";
            case SLEEP_PENDING -> "It is falling asleep, and would be woken again.";
            case STOPPED, ASLEEP -> outlook.mustGo().isEmpty() ? "Nothing has to go for it." : String.join(", ", outlook.mustGo()) + " would have to go for it.";
        });
        if (!outlook.busy().isEmpty()) text.append(" Before that, ").append(String.join(", ", outlook.busy())).append(" would end what is in flight.");
        if (!outlook.ahead().isEmpty()) text.append(" Requests for ").append(String.join(", ", outlook.ahead())).append(" are ahead.");
        if (outlook.backOffMs() > 0) text.append(" It failed to start several times, and is not tried for now: ").append(firstLine(outlook.lastFailure())).append('.');
        if (!status.lastStop().isEmpty()) text.append(" The last time it went: ").append(firstLine(status.lastStop()).replaceFirst("[.?!]$", "")).append('.');
        return text.toString();
    }

    /** Without the log lines that reasons may end with. */
    private static String firstLine(String reason) {
        return reason.lines().findFirst().orElse("").replaceFirst("; its last lines:$", "");
    }

    void running(Exchange exchange) throws IOException {
        List<Json> running = new ArrayList<>();
        for (Snapshot snapshot : loop.snapshot()) {
            Model model = snapshot.status().model();
            if (snapshot.status().state() == State.STOPPED) continue;
            running.add(Json.obj("model", model.id(), "state", snapshot.status().state().label, "cmd", String.join(" ", model.cmd()),
                "proxy", model.proxy().toString(), "ttl", model.ttlSeconds(), "name", model.name(), "description", model.description()));
        }
        exchange.sendJson(200, Json.obj("running", running));
    }

    /** Reads the configuration again. */
    void reload(Exchange exchange) throws IOException {
        Server.Reloaded reloaded = reload.get();
        exchange.sendJson(reloaded.done() ? 200 : 400, reloaded.report());
    }

    void unloadAll(Exchange exchange, boolean json) throws IOException, InterruptedException {
        loop.unload(loop.config().models().keySet());
        if (json) exchange.sendJson(200, Json.obj("msg", "ok"));
        else exchange.sendText(200, "OK");
    }

    void unload(Exchange exchange, String name) throws Failure, IOException, InterruptedException {
        loop.unload(List.of(model(name).id()));
        exchange.sendText(200, "OK");
    }

    void load(Exchange exchange, String name) throws Failure, IOException, InterruptedException {
        try {
            loop.acquire(model(name).id(), exchange).close();
        } catch (Refused e) {
            throw Failure.of(e);
        }
        exchange.sendText(200, "OK");
    }

    void sleep(Exchange exchange, String name) throws Failure, IOException, InterruptedException {
        try {
            loop.sleep(model(name).id());
        } catch (Refused e) {
            throw Failure.of(e);
        }
        exchange.sendText(200, "OK");
    }

    private Model model(String name) throws Failure {
        Model model = loop.config().model(name);
        if (model == null) throw Inference.unknown(name, loop.config());
        return model;
    }
}
