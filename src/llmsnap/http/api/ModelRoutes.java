package llmsnap.http.api;

import static llmsnap.text.Json.obj;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Properties;
import llmsnap.config.Config;
import llmsnap.config.Config.Model;
import llmsnap.config.Config.Peer;
import llmsnap.http.proxy.Body;
import llmsnap.http.proxy.BodyReader;
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

/** Listing and control: what there is, what is loaded, and putting models in and out. */
public record ModelRoutes(ModelPool pool, BodyReader bodies, Reloader reloader,
        Properties version) {
    /** Reads the configuration again. */
    public interface Reloader {
        /** @return what changed @throws Failure with the problems */
        Json.Obj reload() throws Failure;
    }

    public void health(Exchange exchange, String rest) throws Failure {
        exchange.beQuiet();
        exchange.sendText("OK");
    }

    public void version(Exchange exchange, String rest) throws Failure {
        exchange.sendJson(obj(
            "version", version.getProperty("version"),
            "commit", version.getProperty("commit"),
            "build_date", version.getProperty("date")));
    }

    // ---- what there is

    public void list(Exchange exchange, String rest) throws Failure {
        Config config = pool.config();
        List<Json.Obj> list = new ArrayList<>();
        for (ModelStatus status : pool.statuses()) {
            Model model = status.model();
            if (model.about().unlisted()) continue;
            list.add(ModelJson.listed(model.id(), status));
            if (!config.settings().includeAliasesInList()) continue;
            for (String alias : model.about().aliases()) {
                boolean its = model.id().equals(config.names().get(alias));
                if (its) list.add(ModelJson.listed(alias, status));
            }
        }
        config.peers().byModel().forEach((name, peer) -> list.add(ModelJson.listed(name, peer)));
        list.sort(Comparator.comparing(entry -> entry.text("id")));
        exchange.sendJson(obj("object", "list", "data", list));
    }

    public void one(Exchange exchange, String name) throws Failure {
        if (Target.find(name, pool.config()) instanceof Target.Remote remote) {
            exchange.sendJson(ModelJson.listed(name, remote.peer()));
        } else {
            exchange.sendJson(ModelJson.listed(name, present(name, pool.status(id(name)))));
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
        return lost ? name : Target.model(name, pool.config()).id();
    }

    public void running(Exchange exchange, String rest) throws Failure {
        List<Json.Obj> running = pool.statuses().stream()
            .filter(status -> status.state() != ModelState.STOPPED).map(ModelJson::running)
            .toList();
        exchange.sendJson(obj("running", running));
    }

    /** What a request for {@code ?model=} would meet, and why the model last went. */
    public void explain(Exchange exchange, String rest) throws Failure {
        String name = Query.model(exchange);
        Config config = pool.config();
        Peer peer = config.model(name) == null ? config.peer(name) : null;
        if (peer != null) {
            exchange.sendJson(ModelJson.explained(name, peer));
            return;
        }
        Outlook outlook = present(name, pool.outlook(id(name)));
        exchange.sendJson(ModelJson.explained(outlook, config, pool.pools()));
    }

    // ---- control

    public void reload(Exchange exchange, String rest) throws Failure {
        exchange.sendJson(reloader.reload());
    }

    /** For scripts: answers with text. */
    public void unloadAllByGet(Exchange exchange, String rest)
            throws Failure, InterruptedException {
        if (exchange.isStray()) throw Failure.stray("POST /api/models/unload");
        pool.unloadAll();
        exchange.sendText("OK");
    }

    /** All models, or the one that a JSON body names as llama.cpp's router is asked. */
    public void unloadAll(Exchange exchange, String rest) throws Failure, InterruptedException {
        if (exchange.rawPath().endsWith("/")) {     // of a script whose $ID is empty
            throw Failure.noModel("the model's id is missing behind " + exchange.plainPath());
        }
        String model;
        try (Body body = bodies.read(exchange)) {
            model = body.size() == 0 ? null : body.json().text("model");
        }
        if (model == null) pool.unloadAll();
        else pool.unload(id(model));
        exchange.sendJson(obj("msg", "ok"));
    }

    public void unload(Exchange exchange, String name) throws Failure, InterruptedException {
        pool.unload(id(name));
        if (exchange.queryPart().matches(".*[?&]forget=true.*")) pool.forget(id(name));
        exchange.sendText("OK");
    }

    public void load(Exchange exchange, String name)
            throws Failure, Refused, InterruptedException {
        pool.acquire(id(name), exchange.interruption).close();
        exchange.sendText("OK");
    }

    public void sleep(Exchange exchange, String name)
            throws Failure, Refused, InterruptedException {
        pool.sleep(id(name));
        exchange.sendText("OK");
    }
}
