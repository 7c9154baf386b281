package llmsnap.http.api;

import static llmsnap.text.Json.obj;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Properties;
import llmsnap.config.Config.Abilities;
import llmsnap.config.Config.Key;
import llmsnap.config.Config;
import llmsnap.config.Config.Model;
import llmsnap.config.Config.Peer;
import llmsnap.config.Config.Profile;
import llmsnap.config.Config.Selector;
import llmsnap.http.proxy.Body;
import llmsnap.http.proxy.BodyReader;
import llmsnap.http.proxy.Inference;
import llmsnap.http.proxy.Names;
import llmsnap.http.proxy.PeerModels;
import llmsnap.http.proxy.Query;
import llmsnap.http.proxy.Target;
import llmsnap.http.server.Exchange;
import llmsnap.http.server.Failure;
import llmsnap.models.ModelPool;
import llmsnap.models.ModelState;
import llmsnap.models.ModelStatus;
import llmsnap.models.Outlook;
import llmsnap.models.Refused;
import llmsnap.text.Json;
import llmsnap.text.JsonEdit;

/** Listing and control: what there is, what is loaded, and putting models in and out. */
public record ModelRoutes(ModelPool pool, Names names, BodyReader bodies, Properties version) {
    public void health(Exchange exchange) throws Failure {
        exchange.beQuiet();
        exchange.sendText("OK");
    }

    public void version(Exchange exchange) throws Failure {
        exchange.sendJson(obj(
            "version", version.getProperty("version"),
            "commit", version.getProperty("commit"),
            "build_date", version.getProperty("date")));
    }

    /** What the caller may do, and what there is for it. */
    public void key(Exchange exchange) throws Failure {
        exchange.beQuiet();
        boolean history = !pool.config().settings().kept().history().dir().isEmpty();
        exchange.sendJson(obj(
            "name", exchange.key().name(),
            "control", exchange.key().control(),
            "needed", !exchange.key().key().isEmpty(),
            "history", history));
    }

    // ---- what there is

    public void list(Exchange exchange) throws Failure {
        Config config = pool.config();
        List<Json.Obj> list = new ArrayList<>();
        for (ModelStatus status : pool.statuses()) {
            Model model = status.model();
            if (model.about().unlisted()) continue;
            Abilities can = pool.abilities(model);
            list.add(ModelJson.listed(model.id(), status, can));
            if (!config.settings().lists().aliases()) continue;
            for (String alias : model.about().aliases()) {
                boolean its = model.id().equals(config.names().ids().get(alias));
                if (its) list.add(ModelJson.listed(alias, status, can));
            }
        }
        PeerModels peers = names.peers();
        for (Peer peer : config.peers().byId().values()) {
            for (String name : peers.of(peer)) {
                String status = peers.status(peer, name);
                list.add(ModelJson.listed(peer.id() + "/" + name, peer, status));
                boolean alone = config.settings().lists().bareNames()
                    && names.isAlone(name);
                if (alone) list.add(ModelJson.listed(name, peer, status));
            }
        }
        for (Selector each : config.names().selectors().values()) {
            if (!each.about().unlisted()) list.add(ModelJson.listed(each));
        }
        Profile active = names.profile();
        if (active != null) {
            active.pins().forEach((name, target) -> {
                boolean known = list.stream().anyMatch(each -> name.equals(each.text("id")));
                if (!known && !target.isEmpty()) list.add(ModelJson.pinned(name, target));
            });
        }
        Key key = exchange.key();
        boolean limited = !key.models().isEmpty();
        list.removeIf(each -> limited && !(names.findOrNull(each.text("id")) instanceof Target its
            && its.isAllowed(key)));
        list.sort(Comparator.comparing(entry -> entry.text("id")));
        exchange.sendJson(obj("object", "list", "data", list));
    }

    public void one(Exchange exchange) throws Failure {
        String name = exchange.rest();
        boolean limited = !exchange.key().models().isEmpty();
        Target found = limited ? names.findOrNull(name) : names.find(name);
        if (found == null || !found.isAllowed(exchange.key())) throw Inference.forbidden(name);
        switch (found) {
            case Target.Remote remote -> exchange.sendJson(ModelJson.listed(name, remote.peer(),
                names.peers().status(remote.peer(), remote.name())));
            case Target.Any any -> exchange.sendJson(ModelJson.listed(any.selector()));
            case Target.Local local -> {
                ModelStatus status = present(name, pool.status(local.id()));
                Abilities can = pool.abilities(local.model());
                exchange.sendJson(ModelJson.listed(name, status, can));
            }
        }
    }

    /** {@code found}, unless the model was removed this moment. */
    private <T> T present(String name, T found) throws Failure {
        if (found == null) throw Failure.noModel("there is no model \"" + name + "\" any more");
        return found;
    }

    /** The model's id; one that the configuration has lost may still be loaded. */
    private String id(String name) throws Failure {
        boolean lost = pool.config().model(name) == null && pool.status(name) != null;
        return lost ? name : names.model(name).id();
    }

    public void running(Exchange exchange) throws Failure {
        List<Json.Obj> running = pool.statuses().stream()
            .filter(status -> status.state() != ModelState.STOPPED).map(ModelJson::running)
            .toList();
        exchange.sendJson(obj("running", running));
    }

    /** What a request for {@code ?model=} would meet, and why the model last went. */
    public void explain(Exchange exchange) throws Failure {
        String name = Query.model(exchange);
        Config config = pool.config();
        if (names.findOrNull(name) instanceof Target.Remote remote) {
            exchange.sendJson(ModelJson.explained(name, remote.peer()));
            return;
        }
        Outlook outlook = present(name, pool.outlook(id(name)));
        exchange.sendJson(ModelJson.explained(outlook, config, pool.pools()));
    }

    // ---- control

    /** For scripts: answers with text. */
    public void unloadAllByGet(Exchange exchange) throws Failure, InterruptedException {
        if (exchange.isStray()) throw Failure.stray("POST /api/models/unload");
        pool.unloadAll();
        exchange.sendText("OK");
    }

    // ---- profiles

    public void profiles(Exchange exchange) throws Failure {
        List<Json.Obj> all = pool.config().names().profiles().values().stream()
            .map(each -> obj(
                "id", each.id(),
                "name", each.id(),
                "description", each.description(),
                "pins", each.pins()))
            .toList();
        Profile active = names.profile();
        exchange.sendJson(obj("profiles", all, "active", active == null ? null : active.id()));
    }

    public void activate(Exchange exchange) throws Failure {
        if (!exchange.is("PUT")) {
            throw Failure.notTaken(exchange.plainPath(), "PUT", exchange.method());
        }
        try (Body body = bodies.read(exchange)) {
            JsonEdit edit = body.json();
            String id = edit.text("id");
            names.activate(id == null ? edit.text("name") : id);
        }
        profiles(exchange);
    }

    // ---- as llama.cpp's router is asked

    /** Begins to load a model, and answers at once. */
    public void routerLoad(Exchange exchange) throws Failure {
        String id = names.model(named(exchange)).id();
        ModelStatus status = present(id, pool.status(id));
        if (status.state().isServing()) throw new Failure(400, "model is already running");
        pool.load(id, why -> { });      // its status tells
        exchange.sendJson(obj("success", true));
    }

    /** Begins to unload the model that the body names, and answers at once; without one all. */
    public void routerUnload(Exchange exchange) throws Failure, InterruptedException {
        String name = named(exchange);
        if (name == null) {
            pool.unloadAll();
            exchange.sendJson(obj("msg", "ok"));
            return;
        }
        ModelStatus status = names.findOrNull(name) instanceof Target.Local local
            ? pool.status(local.id()) : pool.status(name);
        if (status == null) throw new Failure(400, "model is not found").as("invalid", "model");
        if (status.state() == ModelState.STOPPED || status.state() == ModelState.STOPPING) {
            throw new Failure(400, "model is not running");
        }
        Thread.ofVirtual().start(() -> {
            try {
                pool.unload(status.id());
            } catch (InterruptedException e) {
                // its status tells
            }
        });
        exchange.sendJson(obj("success", true));
    }

    /** The model that the body names, or null. */
    private String named(Exchange exchange) throws Failure {
        if (exchange.rawPath().endsWith("/")) {     // of a script whose $ID is empty
            throw Failure.noModel("the model's id is missing behind " + exchange.plainPath());
        }
        try (Body body = bodies.read(exchange)) {
            return body.size() == 0 ? null : body.json().text("model");
        }
    }

    public void routerHealth(Exchange exchange) throws Failure {
        exchange.beQuiet();
        exchange.sendJson(obj("status", "ok"));
    }

    /** What llama.cpp's router says of itself. */
    public void props(Exchange exchange) throws Failure {
        exchange.sendJson(obj(
            "role", "router",
            "max_instances", pool.config().models().size(),
            "models_autoload", true,
            "model_alias", "llmsnap",
            "model_path", "",
            "default_generation_settings", obj("params", Json.EMPTY, "n_ctx", 0),
            "build_info", "llmsnap " + version.getProperty("version")));
    }

    /** All models, or the one that a JSON body names. */
    public void unloadAll(Exchange exchange) throws Failure, InterruptedException {
        String model = named(exchange);
        if (model == null) pool.unloadAll();
        else pool.unload(id(model));
        exchange.sendJson(obj("msg", "ok"));
    }

    public void unload(Exchange exchange) throws Failure, InterruptedException {
        String name = exchange.rest();
        // Before it goes: who waits for it begins afresh, and nothing is saved only to be deleted.
        if ("true".equals(Query.value(exchange.rawQuery(), "forget"))) pool.forget(id(name));
        pool.unload(id(name));
        exchange.sendText("OK");
    }

    public void load(Exchange exchange) throws Failure, Refused, InterruptedException {
        pool.acquire(id(exchange.rest()), exchange.interruption).close();
        exchange.sendText("OK");
    }

    public void sleep(Exchange exchange) throws Failure, Refused, InterruptedException {
        pool.sleep(id(exchange.rest()));
        exchange.sendText("OK");
    }
}
