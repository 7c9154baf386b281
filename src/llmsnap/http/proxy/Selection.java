package llmsnap.http.proxy;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;
import llmsnap.config.Config.Strategy;
import llmsnap.http.server.Failure;
import llmsnap.models.ModelPool;
import llmsnap.models.ModelState;
import llmsnap.models.ModelStatus;
import llmsnap.models.Outlook;
import llmsnap.record.Cause;

/**
 * Chooses among the targets of a selector. The choice and the place in the queue are one step under
 * the pool's lock: fifty requests at once do not start fifty targets.
 */
record Selection(ModelPool pool, PeerModels peers) {
    /**
     * A target with what a request for it would meet: here, or what its peer says.
     *
     * @param asked how many requests a peer's model has from here
     */
    private record Candidate(Target target, Outlook outlook, String remote, int asked) {
        ModelState state() {
            if (outlook != null) return outlook.status().state();
            return remote.equals("loaded") ? ModelState.READY : ModelState.STOPPED;
        }

        boolean isReady() {
            return state() == ModelState.READY;
        }

        /** Whether nobody has to go for it. */
        boolean isFree() {
            if (outlook == null) return !remote.equals(PeerModels.UNREACHABLE);
            return outlook.mustGo().isEmpty() && outlook.backOffMs() == 0
                && outlook.hindrance().lack() == null;
        }

        int requests() {
            if (outlook == null) return asked;
            ModelStatus.Requests now = outlook.status().requests();
            return now.inFlight() + now.waiting();
        }
    }

    /**
     * The targets to try, in that order; a local one that comes first has its place taken.
     *
     * @throws Failure when no target is known: peers tell what they have
     */
    List<Target> choose(Target.Any any, ModelPool.Client client, int priority) throws Failure {
        if (any.targets().isEmpty()) {
            throw new Failure(502, Cause.NO_ANSWER, "no target of \"" + Failure.shown(any.id())
                + "\" is known: its peers have not listed their models");
        }
        return pool.inOneStep(() -> {
            List<Candidate> all = new ArrayList<>();
            for (Target each : any.targets()) all.add(candidate(each));
            Target first = switch (any.selector().strategy()) {
                case WARM -> warm(all).target;
                case PIN, FALLBACK -> all.getFirst().target;
                case SPILLOVER -> spillover(all, any.selector().spillover()).target;
            };
            if (first instanceof Target.Remote remote) peers.begun(remote);
            List<Target> chosen = new ArrayList<>();
            chosen.add(first instanceof Target.Local(var model, var none)
                ? new Target.Local(model, pool.request(model.id(), client, priority)) : first);
            boolean others = any.selector().strategy() == Strategy.FALLBACK;
            if (others) chosen.addAll(any.targets().subList(1, any.targets().size()));
            return chosen;
        });
    }

    private Candidate candidate(Target target) {
        return switch (target) {
            case Target.Local local -> new Candidate(local, pool.outlook(local.id()), "", 0);
            case Target.Remote remote -> new Candidate(remote, null,
                peers.status(remote.peer(), remote.name()), peers.requests(remote));
            case Target.Any any -> throw new IllegalStateException(any.id());    // none has one
        };
    }

    private static Candidate warm(List<Candidate> all) {
        List<Predicate<Candidate>> wishes = List.of(Candidate::isReady,
            each -> each.state().isLoading(), each -> each.state() == ModelState.ASLEEP,
            Candidate::isFree);
        for (Predicate<Candidate> wish : wishes) {
            for (Candidate each : all) if (wish.test(each)) return each;
        }
        return all.getFirst();
    }

    private static Candidate spillover(List<Candidate> all, int most) {
        Candidate idlest = null;
        for (Candidate each : all) {
            if (!each.state().isServing() && each.requests() == 0) continue;
            if (each.requests() < most) return each;
            if (idlest == null || each.requests() < idlest.requests()) idlest = each;
        }
        for (Candidate each : all) {
            if (!each.state().isServing() && each.requests() == 0 && each.isFree()) return each;
        }
        return idlest == null ? all.getFirst() : idlest;
    }
}
