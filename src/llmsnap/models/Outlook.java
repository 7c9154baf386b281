package llmsnap.models;

import java.util.List;

/**
 * What a request for a model would meet now.
 *
 * @param leaving why it goes as soon as its requests in flight have ended, before any new one; ""
 *     when it does not
 * @param backOffMs how long it will not be started, since its starts failed; else 0
 */
public record Outlook(ModelStatus status, InTheWay inTheWay, String leaving,
        long backOffMs, String lastFailure) {
    /**
     * Ids of models.
     *
     * @param mustGo what would have to go for it; {@code busy} of them once they have ended their
     *     work
     * @param ahead what waits before it and holds it back
     */
    public record InTheWay(List<String> mustGo, List<String> busy, List<String> ahead) {}
}
