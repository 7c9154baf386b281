package llmsnap.models;

import java.util.List;

/**
 * What a request for a model would meet now.
 *
 * @param mustGo the models that would have to go for it; {@code busy} of them once they have ended
 *     their work
 * @param ahead models that wait before it and hold it back
 * @param backOffMs how long it will not be started, since its starts failed; else 0
 */
public record Outlook(ModelStatus status, List<String> mustGo, List<String> busy,
        List<String> ahead, Hindrance hindrance, long backOffMs) {
    /**
     * What is in its way.
     *
     * @param leaving why it goes as soon as its requests in flight have ended, before any new one;
     *     "" when it does not
     * @param lack why there is no memory for it, whoever goes; or null
     */
    public record Hindrance(String leaving, String lack) {}
}
