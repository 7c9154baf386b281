package llmsnap.observe;

/** Everything that is noted of what the server does: its log, what was asked of the models, and counts for monitoring. */
public record Insight(Log log, Activity activity, Prometheus prometheus) {}
