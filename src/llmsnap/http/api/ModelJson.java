package llmsnap.http.api;

import static java.lang.Math.max;
import static llmsnap.text.Json.obj;

import java.util.List;
import java.util.Locale;
import java.util.Map;
import llmsnap.config.Config.Launch;
import llmsnap.config.Config;
import llmsnap.config.Config.Abilities;
import llmsnap.config.Config.About;
import llmsnap.config.Config.Model;
import llmsnap.config.Config.Peer;
import llmsnap.config.Config.Selector;
import llmsnap.models.Kept;
import llmsnap.models.ModelState;
import llmsnap.models.ModelStatus;
import llmsnap.models.Outlook;
import llmsnap.models.PoolStatus;
import llmsnap.record.Log;
import llmsnap.text.Json;
import llmsnap.text.Size;

/** Models as JSON, in each of the shapes that the routes have. */
final class ModelJson {
    private static final long CREATED_SECONDS = System.currentTimeMillis() / 1000;

    private ModelJson() {}

    // ---- OpenAI's list of models

    private static Json.Obj listed(String id) {
        return obj(
            "id", id,
            "object", "model",
            "created", CREATED_SECONDS,
            "owned_by", "llmsnap");
    }

    private static Json.Obj meta(Json.Obj meta) {
        return obj("llamaswap", meta);
    }

    /** @param name the one it is listed under: its id or an alias */
    static Json.Obj listed(String name, ModelStatus status, Abilities can) {
        About about = status.model().about();
        Json.Obj entry = listed(name).withText("name", about.name())
            .withText("description", about.description());
        Json.Obj metadata = about.metadata();
        Json.Obj meta = metadata.entries().isEmpty() ? Json.EMPTY : meta(metadata);
        if (can.context() > 0) meta = meta.with("n_ctx", can.context());
        if (!meta.entries().isEmpty()) entry = entry.with("meta", meta);
        if (!can.equals(Abilities.NONE)) entry = abilities(entry, can);
        return entry.with("status", status(status));
    }

    /** As llama.cpp's router says it. */
    static Json.Obj status(ModelStatus status) {
        String value = switch (status.state()) {
            case READY -> "loaded";
            case STARTING, WAKING -> "loading";
            case ASLEEP, SLEEP_PENDING -> "sleeping";
            case STOPPED, STOPPING -> "unloaded";
        };
        Launch launch = status.model().launch();
        Json.Obj state = obj("value", value, "args", launch.words(launch.command().shown()));
        ModelStatus.Trouble trouble = status.history().trouble();
        boolean failed = value.equals("unloaded") && !trouble.why().isEmpty();
        if (failed) state = state.with("failed", true).with("exit_code", trouble.exitCode());
        return state;
    }

    /** As llama-swap and OpenRouter say it. */
    private static Json.Obj abilities(Json.Obj entry, Abilities can) {
        Json.Obj all = entry
            .with("architecture", obj(
                "input_modalities", can.in(),
                "output_modalities", can.out()))
            .with("supported_parameters", can.tools() ? List.of("tools") : List.of())
            .with("capabilities", obj(
                "in", can.in(),
                "out", can.out(),
                "tools", can.tools(),
                "reranker", can.reranker(),
                "context", can.context()));
        return can.context() > 0 ? all.with("context_length", can.context()) : all;
    }

    static Json.Obj listed(Selector selector) {
        About about = selector.about();
        return listed(selector.id()).withText("name", about.name())
            .withText("description", about.description()).with("meta", meta(about.metadata()
            .with("type", "selector")
            .with("strategy", selector.strategy().label())
            .with("targets", selector.targets())));
    }

    /** A name that stands for another while a profile is active. */
    static Json.Obj pinned(String name, String target) {
        return listed(name).with("meta", meta(obj("type", "pin", "target", target)));
    }

    /** @param status that the peer says it has, or "" */
    static Json.Obj listed(String name, Peer peer, String status) {
        boolean qualified = name.startsWith(peer.id() + "/");
        String its = qualified ? name.substring(peer.id().length() + 1) : name;
        Json.Obj entry = listed(name)
            .with("name", peer.id() + ": " + its)
            .with("meta", meta(obj("peerID", peer.id())));
        return status.isEmpty() ? entry : entry.with("status", obj("value", status));
    }

    // ---- what runs

    static Json.Obj running(ModelStatus status) {
        Model model = status.model();
        boolean attached = model.isAttached() && status.state() == ModelState.READY;
        Json.Obj running = obj(
            "model", model.id(),
            "state", attached ? "attached" : status.state().label,
            "cmd", model.shownCmd(),
            "proxy", model.proxy().toString(),
            "ttl", model.limits().ttlSeconds(),
            "name", model.about().name(),
            "description", model.about().description());
        return withMore(running, status);
    }

    /** Adds what only some have: memory, a prompt cache. */
    private static Json.Obj withMore(Json.Obj to, ModelStatus status) {
        Json.Obj more = to;
        if (!status.server().needs().isEmpty()) {
            more = more.with("memory", status.server().holds())
                .with("takes", status.server().needs())
                .with("memorySource", source(status));
        }
        boolean keeps = !status.model().launch().life().cacheDir().isEmpty();
        return keeps ? more.with("prompt_cache", prompts(status.server().prompts())) : more;
    }

    private static Json.Obj prompts(Kept kept) {
        return obj(
            "doing", kept.doing(),
            "saved_tokens", kept.saved().tokens(),
            "save_ms", kept.saved().ms(),
            "bytes", kept.saved().bytes(),
            "restored_tokens", kept.restored().tokens(),
            "restore_ms", kept.restored().ms());
    }

    private static String source(ModelStatus status) {
        boolean none = status.server().needs().isEmpty();
        return none ? "" : status.server().source().name().toLowerCase(Locale.ROOT);
    }

    /** Of a model, which may have been removed and be on its way out: "". */
    private static String group(String id, Config config) {
        return config.models().containsKey(id) ? config.group(id).name() : "";
    }

    // ---- events

    static Json.Obj event(ModelStatus status, Config config) {
        Model model = status.model();
        ModelStatus.Clock clock = status.clock();
        boolean began = status.history().starts() > 0;
        boolean busy = status.requests().inFlight() > 0;
        ModelStatus.Trouble trouble = status.history().trouble();
        boolean failed = !trouble.why().isEmpty();
        long idleMs = busy ? 0 : clock.nowMs() - clock.idleSinceMs();
        return withMore(obj(
            "id", model.id(),
            "name", model.about().name(),
            "description", model.about().description(),
            "state", status.state().label,
            "unlisted", model.about().unlisted(),
            "sleepMode", model.launch().sleep() == null ? "disable" : "enable",
            "peerID", "",
            "aliases", model.about().aliases(),
            "group", group(model.id(), config),
            "pid", status.pid(),
            "port", model.proxy().port(),
            "ttl", model.limits().ttlSeconds(),
            "since_ms", began ? clock.nowMs() - clock.stateSinceMs() : -1,
            "idle_ms", began ? idleMs : -1,
            "load_ms", status.history().loadMs(),
            "failed_ms", failed ? clock.nowMs() - trouble.sinceMs() : -1,
            "failure", Log.inBrief(trouble.why()),
            "back_off_ms", failed ? max(0, trouble.backOffUntilMs() - clock.nowMs()) : 0),
            status);
    }

    /** @param status that the peer says it has, or "" */
    static Json.Obj event(String name, Peer peer, String status) {
        return obj(
            "id", name,
            "name", "",
            "description", "",
            "state", status.isEmpty() ? "unknown" : status,
            "unlisted", false,
            "sleepMode", "disable",
            "peerID", peer.id());
    }

    // ---- what a request would meet

    static Json.Obj explained(String name, Peer peer) {
        return obj(
            "model", name,
            "peer", peer.id(),
            "summary", "It is a model of the peer " + peer.id()
            + ": nothing has to go for it here.");
    }

    /** @param pools of memory; empty when it decides nothing */
    static Json.Obj explained(Outlook outlook, Config config, List<PoolStatus> pools) {
        ModelStatus status = outlook.status();
        ModelStatus.History history = status.history();
        Json.Obj lastStop = obj(
            "why", history.lastStop(),
            "seconds_ago", (status.clock().nowMs() - history.lastStopMs()) / 1000);
        return obj(
            "model", status.id(),
            "state", status.state().label,
            "group", group(status.id(), config),
            "in_flight", status.requests().inFlight(),
            "waiting", status.requests().waiting(),
            "position", status.requests().position(),
            "must_go", outlook.mustGo(),
            "busy", outlook.busy(),
            "cmd", status.model().shownCmd(),
            "ahead", outlook.ahead(),
            "leaving", outlook.hindrance().leaving(),
            "memory", status.server().needs(),
            "memory_source", source(status),
            "memory_lack", outlook.hindrance().lack(),
            "pools", pools.stream().map(ModelJson::pool).toList(),
            "last_load_ms", history.loadMs(),
            "failure", history.trouble().why(),
            "last_unload", history.lastStop().isEmpty() ? null : lastStop,
            "back_off_seconds", (outlook.backOffMs() + 999) / 1000,
            "prompt_cache", prompts(status.server().prompts()),
            "summary", summary(outlook) + memory(outlook, config, pools));
    }

    /** What it needs, and who holds that. */
    private static String memory(Outlook outlook, Config config, List<PoolStatus> pools) {
        Map<String, Long> needs = outlook.status().server().needs();
        if (needs.isEmpty() || outlook.hindrance().lack() != null) return "";
        String takes = config.memory().shown(needs);
        var text = new StringBuilder(" It takes " + (takes.isEmpty() ? "nothing" : takes) + " ("
            + source(outlook.status()) + "); " + config.memory().left(needs));
        for (PoolStatus each : pools) {
            if (!needs.containsKey(each.pool().name())) continue;
            each.models().forEach((id, bytes) ->
                text.append(", " + id + " holds " + Size.shown(bytes)));
            if (each.others() > 0) {
                text.append(", other programs hold " + Size.shown(each.others()));
            }
        }
        return text.append('.').toString();
    }

    static Json.Obj pool(PoolStatus status) {
        return obj(
            "pool", status.pool().name(),
            "total", status.pool().bytes(),
            "reserve", status.pool().reserve(),
            "others", status.others(),
            "models", status.models());
    }

    private static String summary(Outlook outlook) {
        String text = now(outlook);
        if (!outlook.busy().isEmpty()) {
            text += " Before that, " + names(outlook.busy()) + " would end what is in flight.";
        }
        if (!outlook.ahead().isEmpty()) {
            text += " Requests for " + names(outlook.ahead()) + " are ahead.";
        }
        if (outlook.backOffMs() > 0) {
            text += " It failed to start several times, and is not tried for now: "
                + Log.inBrief(outlook.status().history().trouble().why()) + ".";
        }
        String went = Log.inBrief(outlook.status().history().lastStop());
        if (went.isEmpty()) return text;
        return text + " The last time it went: " + went.replaceFirst("[.?!]$", "") + ".";
    }

    private static String now(Outlook outlook) {
        ModelState state = outlook.status().state();
        return switch (state) {
            case READY -> ready(outlook);
            case STARTING, WAKING -> "It is loading.";
            case STOPPING -> "It is stopping, and would be started again.";
            case SLEEP_PENDING -> "It is falling asleep, and would be woken again.";
            case STOPPED, ASLEEP -> stopped(outlook);
        };
    }

    private static String stopped(Outlook outlook) {
        String lack = outlook.hindrance().lack();
        if (lack != null) return "It cannot be loaded: " + lack + ".";
        List<String> mustGo = outlook.mustGo();
        return mustGo.isEmpty() ? "Nothing has to go for it."
            : names(mustGo) + " would have to go for it.";
    }

    private static String ready(Outlook outlook) {
        String leaving = outlook.hindrance().leaving();
        if (!leaving.isEmpty()) {
            return "It goes as soon as its requests in flight have ended (" + leaving
                + "), and is loaded again for new ones.";
        }
        boolean free = outlook.ahead().isEmpty();
        return free ? "It is loaded: a request goes at once." : "It is loaded.";
    }

    private static String names(List<String> ids) {
        return String.join(", ", ids);
    }
}
