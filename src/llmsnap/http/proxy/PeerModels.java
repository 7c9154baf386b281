package llmsnap.http.proxy;

import static java.util.concurrent.TimeUnit.SECONDS;

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Supplier;
import llmsnap.config.Config;
import llmsnap.config.Config.Peer;
import llmsnap.http.server.Failure;
import llmsnap.models.ModelPool;
import llmsnap.platform.BoundedText;
import llmsnap.record.Log;
import llmsnap.text.Json;

/**
 * Which models peers have: those that the configuration lists, or what they say themselves. They
 * are asked now and then, and nobody waits for that: one that does not answer keeps its last list.
 */
public final class PeerModels {
    private static final int PATIENCE_MS = 10_000;
    private static final int MAX_MODELS = 10_000;
    static final String UNREACHABLE = "unreachable";

    /** What one peer said last: the status of each of its models, "" where it has none. */
    private record Said(Map<String, String> models, boolean reachable) {}

    private final ModelPool pool;
    private final Log log;
    private final Map<String, Said> said = new ConcurrentHashMap<>();
    private final Map<String, Long> askedNanos = new ConcurrentHashMap<>();
    private Config asked;       // of the thread that asks
    private final Map<String, Integer> requests = new ConcurrentHashMap<>();
    private final List<Runnable> listeners = new CopyOnWriteArrayList<>();

    public PeerModels(ModelPool pool, Log log) {
        this.pool = pool;
        this.log = log;
    }

    /** Has {@code listener} told when a peer has said something new. */
    public void onChange(Runnable listener) {
        listeners.add(listener);
    }

    /** Asks from now on. */
    public void start(Supplier<ReverseProxy.Clients> clients) {
        Thread thread = Thread.ofPlatform().daemon().name("peers").start(() -> {
            while (true) {
                long nextNanos = askThoseDue(clients);
                if (nextNanos == Long.MAX_VALUE) LockSupport.park(this);
                else LockSupport.parkNanos(this, nextNanos);
            }
        });
        pool.onChange((ids, brief, now) -> {
            if (ids == null) LockSupport.unpark(thread);        // perhaps a reload
        });
    }

    /** @return ns until the next one is due */
    private long askThoseDue(Supplier<ReverseProxy.Clients> clients) {
        Config config = pool.config();
        if (config != asked) askedNanos.clear();
        asked = config;
        long next = Long.MAX_VALUE;
        for (Peer peer : config.peers().byId().values()) {
            if (!isAsked(peer)) continue;
            long every = SECONDS.toNanos(peer.reach().refreshSeconds());
            Long last = askedNanos.get(peer.id());
            if (last == null || System.nanoTime() - last >= every) {
                askedNanos.put(peer.id(), System.nanoTime());
                // One that hangs does not keep the others from being asked.
                Thread.ofVirtual().start(() -> ask(peer, clients.get()));
                last = System.nanoTime();
            }
            next = Math.min(next, last + every - System.nanoTime());
        }
        return Math.max(next, 1);
    }

    private static boolean isAsked(Peer peer) {
        return peer.reach().refreshSeconds() > 0;
    }

    private void ask(Peer peer, ReverseProxy.Clients clients) {
        Said before = said.getOrDefault(peer.id(), new Said(Map.of(), true));
        try {
            Upstream to = Upstream.of(peer, false, true);
            String path = peer.reach().upstreamPath();
            URI uri = URI.create(to.base() + (path == null ? "/v1" : path) + "/models");
            HttpRequest.Builder request = HttpRequest.newBuilder(uri);
            if (to.host() != null) request.header("Host", to.host());
            if (!peer.apiKey().isEmpty()) {
                request.header("Authorization", "Bearer " + peer.apiKey());
            }
            HttpResponse<String> answer = BoundedText.of(
                clients.patient(peer.reach().connectSeconds()), request.build(), PATIENCE_MS);
            if (answer.statusCode() != 200) throw new IOException("" + answer.statusCode());
            said(peer, new Said(read(answer.body()), true));
        } catch (IOException | InterruptedException | Failure | RuntimeException e) {
            if (!said(peer, new Said(before.models, false))) return;    // it is known
            String why = AnswerStream.unreachable(e);
            log.warn("the peer \"" + peer.id() + "\" does not list its models: "
                + (why == null ? String.valueOf(e.getMessage()) : why));
        }
    }

    /** @return whether that is new */
    private boolean said(Peer peer, Said now) {
        boolean same = now.equals(said.put(peer.id(), now));
        if (!same) listeners.forEach(Runnable::run);
        return !same;
    }

    private static Map<String, String> read(String text) {
        Map<String, String> models = new LinkedHashMap<>();
        Json data = Json.parse(text) instanceof Json.Obj all ? all.at("data") : null;
        if (!(data instanceof Json.Arr list)) {
            throw new IllegalStateException("it answers with no list");
        }
        for (Json each : list.items()) {
            String id = each instanceof Json.Obj model ? model.text("id") : null;
            if (id == null || models.size() == MAX_MODELS) continue;
            Json status = ((Json.Obj) each).at("status", "value");
            models.put(id, status instanceof Json.Str value ? value.text() : "");
        }
        return models;
    }

    // ---- how much is asked of them

    /** A request for a peer's model begins, until {@link #ended}. */
    void begun(Target.Remote target) {
        requests.merge(target.served(), 1, Integer::sum);
    }

    void ended(Target.Remote target) {
        requests.computeIfPresent(target.served(), (name, n) -> n == 1 ? null : n - 1);
    }

    /** How many requests for it there are now. */
    int requests(Target.Remote target) {
        return requests.getOrDefault(target.served(), 0);
    }

    // ---- for those who look

    /** The models of a peer, under its own names. */
    public Set<String> of(Peer peer) {
        if (!isAsked(peer)) return peer.models();
        Said last = said.get(peer.id());
        return last == null ? Set.of() : last.models.keySet();
    }

    /** What a peer says of a model: loaded, unloaded ...; "" when it says nothing. */
    public String status(Peer peer, String model) {
        Said last = said.get(peer.id());
        if (last == null) return "";
        return last.reachable ? last.models.getOrDefault(model, "") : UNREACHABLE;
    }

    /** The peers that have a model of that name. */
    public List<Peer> having(String model) {
        List<Peer> having = new ArrayList<>();
        for (Peer each : pool.config().peers().byId().values()) {
            if (of(each).contains(model)) having.add(each);
        }
        return having;
    }
}
