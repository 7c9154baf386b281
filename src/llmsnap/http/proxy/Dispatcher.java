package llmsnap.http.proxy;

import static llmsnap.record.Cause.ANSWERED;
import static llmsnap.record.Cause.CANCELLED;
import static llmsnap.record.Cause.NO_ANSWER;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.net.URLEncoder;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.function.Function;
import java.util.function.Supplier;
import llmsnap.config.Config.Model;
import llmsnap.http.server.Exchange;
import llmsnap.http.server.Failure;
import llmsnap.models.ModelPool.Ticket;
import llmsnap.models.ModelPool;
import llmsnap.models.ModelPool.Lease;
import llmsnap.models.ModelStatus;
import llmsnap.models.Outlook;
import llmsnap.models.Refusal;
import llmsnap.models.Refused;
import llmsnap.record.Activity;
import llmsnap.record.Cause;
import llmsnap.record.InFlight;
import llmsnap.record.Log;
import llmsnap.record.Row;

/** Waits for a request's model, passes the request on and the answer back, and notes it. */
public record Dispatcher(ModelPool pool, ReverseProxy proxy, Activity activity, Log log) {
    private static final long EXIT_PATIENCE_MS = 150;
    private static final Set<Refusal> UNSERVED =
        Set.of(Refusal.LIMIT, Refusal.START_FAILED, Refusal.NO_MEMORY, Refusal.REMOVED);
    private static final Set<Cause> UNANSWERED = Set.of(NO_ANSWER, Cause.SILENT);

    /**
     * Serves a request. When the server breaks off before the first byte of its answer, tries once
     * more: on a fresh start if its process is gone, else on a new connection.
     */
    void pass(Exchange exchange, String asked, List<Target> targets,
            Function<Target, Outgoing> making) throws Failure, Refused, InterruptedException {
        Outgoing request = making.apply(targets.getFirst());
        InFlight noted = note(exchange, request);
        if (!asked.equals(noted.model)) noted.asked(asked);
        serves(exchange, request.to());
        try (WaitingStream waiting = waiting(exchange, request)) {
            List<String> tried = new ArrayList<>();
            for (Target target : targets.subList(0, targets.size() - 1)) {
                try {
                    attempt(exchange, making.apply(target), noted, waiting, false);
                    return;
                } catch (Failure | Refused e) {
                    if (!leavesOthers(exchange, e)) throw e;
                    tried.add(target.served() + ": " + e.getMessage());
                }
                Target next = targets.get(tried.size());
                noted.moved(next.id());
                serves(exchange, next);
                exchange.progress.limitSilence(0);
            }
            last(exchange, tried.isEmpty() ? request : making.apply(targets.getLast()), noted,
                waiting, tried);
        }
    }

    private void last(Exchange exchange, Outgoing request, InFlight noted, WaitingStream waiting,
            List<String> tried) throws Failure, Refused, InterruptedException {
        try {
            twice(exchange, request, noted, waiting);
        } catch (Failure e) {
            if (tried.isEmpty()) throw e;
            throw e.plus(before(tried));
        } catch (Refused e) {
            if (tried.isEmpty()) throw e;
            throw new Refused(e.refusal, e.getMessage() + before(tried));
        }
    }

    private static String before(List<String> tried) {
        return "; tried before: " + String.join("; ", tried);
    }

    /** Says who serves it, for its client. */
    private static void serves(Exchange exchange, Target target) {
        if (exchange.isCommitted()) return;
        String name = target.served();
        if (!name.matches("[!-~]*")) name = URLEncoder.encode(name, UTF_8).replace("+", "%20");
        exchange.responseHeaders().set("X-llmsnap-model", name);
    }

    /** Whether the next target of a fallback may do what this one has not begun to do. */
    private static boolean leavesOthers(Exchange exchange, Exception e) {
        if (exchange.interruption.failure() != null) return false;
        return e instanceof Refused refused ? UNSERVED.contains(refused.refusal)
            : e instanceof Failure failure && UNANSWERED.contains(failure.cause);
    }

    private void twice(Exchange exchange, Outgoing request, InFlight noted, WaitingStream waiting)
            throws Failure, Refused, InterruptedException {
        try {
            attempt(exchange, request, noted, waiting, true);
        } catch (Failure e) {
            if (e.cause != NO_ANSWER || request.kind() == Outgoing.Kind.ONCE) throw e;
            noted.retried();
            exchange.progress.limitSilence(0);      // nobody is silent while it loads again
            attempt(exchange, request, noted, waiting, true);
        }
    }

    /** POSTs are requests for a model's work; other methods only look. */
    private InFlight note(Exchange exchange, Outgoing request) {
        boolean looks = !exchange.is("POST") && request.kind() != Outgoing.Kind.UPGRADE;
        if (looks) return InFlight.unnoted(request.to().id());
        InFlight noted = note(exchange, request.to().id());
        Body asked = request.asked();
        if (asked != null) {
            noted.keepRequest(exchange.requestHeaders(), asked.bytes(), (int) asked.size());
        }
        return noted;
    }

    /** Notes a request, also one for a model that there is not. */
    InFlight note(Exchange exchange, String model) {
        var asked = new Row.Asked(model, exchange.plainPath() + exchange.queryPart(), "",
            exchange.key().name());
        InFlight noted = activity.begin(asked,
            () -> exchange.interruption.breakOff(Failure.of(CANCELLED)));
        exchange.onEnd((status, failure, said) -> end(noted, status, failure, said));
        exchange.describe(noted::summary);
        return noted;
    }

    private static void end(InFlight noted, int status, Failure failure, byte[] said) {
        if (failure == null) noted.end(status, ANSWERED, "", null);
        else noted.end(status, failure.cause, failure.getMessage(), said);
    }

    private WaitingStream waiting(Exchange exchange, Outgoing request) {
        String id = request.to().id();
        boolean told = request.to() instanceof Target.Local local
            && local.model().sendLoadingState()
            && exchange.plainPath().endsWith("/chat/completions");
        var stream = new WaitingStream(exchange, id, told ? waitsFor(id) : null);
        return request.kind() == Outgoing.Kind.STREAM ? stream.start() : stream;
    }

    /** What a request for a model is waiting for, in a few words. */
    private Supplier<String> waitsFor(String id) {
        return () -> {
            List<String> leaving = new ArrayList<>();
            int position = 0;
            for (ModelStatus each : pool.statuses()) {
                boolean itself = each.id().equals(id);
                if (itself && each.state().isLoading()) return "loading";
                if (itself) position = each.requests().position();
                else if (each.state().isLeaving()) leaving.add(each.id());
            }
            if (!leaving.isEmpty()) return "unloading " + String.join(", ", leaving);
            return position > 0 ? "number " + position + " in the queue" : "about to start";
        };
    }

    /** @param last no other target may do it instead: all that a peer answers is its answer */
    private void attempt(Exchange exchange, Outgoing request, InFlight noted,
            WaitingStream waiting, boolean last)
            throws Failure, Refused, InterruptedException {
        switch (request.to()) {
            case Target.Local local -> local(exchange, local, request, noted, waiting);
            case Target.Remote remote -> {
                Upstream upstream = Upstream.of(remote.peer(), trusted(), last);
                ReverseProxy.checkLoop(exchange, upstream.name());
                noted.granted();
                proxy.send(exchange, upstream, request, noted, waiting);
            }
            case Target.Any any -> throw new IllegalStateException(any.id());    // was chosen from
        }
    }

    private void local(Exchange exchange, Target.Local target, Outgoing request, InFlight noted,
            WaitingStream waiting) throws Failure, Refused, InterruptedException {
        Model model = target.model();
        boolean placed = target.ticket() != null && !target.ticket().hasEnded();
        Ticket ticket = placed ? target.ticket()
            : pool.request(model.id(), exchange.interruption, exchange.key().priority());
        if (log.isDebug()) debug(noted, pool.outlook(model.id()));
        try (Lease lease = ticket.await()) {
            noted.granted();
            if (log.isDebug()) {
                log.debug("request " + noted.id + ": granted after " + noted.queueMs() + " ms");
            }
            exchange.progress.limitSilence(model.limits().requestSeconds());
            // What the request holds is free before its client can send the next one.
            Runnable free = lease::close;
            exchange.onEnd((status, failure, said) -> {
                end(noted, status, failure, said);
                free.run();
            });
            String host = model.proxy().isHttps() ? null : lease.run().authority();
            String name = "the server of the model \"" + model.id() + "\"";
            try {
                var upstream = new Upstream(lease.run().base(), host, name,
                    model.launch().life().apiKey(), trusted(), true);
                proxy.send(exchange, upstream, request, noted, waiting);
            } catch (Failure e) {
                if (e.cause != NO_ANSWER) throw e;
                boolean dead = lease.run().hasEnded(EXIT_PATIENCE_MS);
                throw e.plus((dead ? "; its process has ended; " : "; ") + lease.run().lastLines());
            }
        }
    }

    private boolean trusted() {
        return pool.config().settings().entry().trustsPages();
    }

    /** Says what a request that has just been queued meets. */
    private void debug(InFlight noted, Outlook outlook) {
        if (outlook == null) return;
        log.debug("request " + noted.id + ": for " + noted.model + ", which is "
            + outlook.status().state().label + ", position "
            + outlook.status().requests().position() + " in the queue, behind " + outlook.ahead()
            + ", has to go: " + outlook.mustGo() + ", busy: " + outlook.busy());
    }
}
