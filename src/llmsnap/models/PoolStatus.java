package llmsnap.models;

import java.util.Map;
import llmsnap.config.Config.Pool;

/**
 * One pool of memory at one moment, for all who look.
 *
 * @param others bytes of it that are held by others than models
 * @param models bytes that each model holds, by id
 */
public record PoolStatus(Pool pool, long others, Map<String, Long> models) {}
