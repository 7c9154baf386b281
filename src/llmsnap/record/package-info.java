/**
 * What is kept of what happened: logs, rows, captures, counts.
 *
 * <p>Nobody who writes waits for one who reads: readers that are too slow lose lines, and are told
 * how many. All of it is bounded, logs and captures by bytes, rows by number. Tokens are read off
 * an answer while its bytes pass, and nothing of the answer is kept for that.
 *
 * <p>Nothing that asks or changes a model may come in.
 */
package llmsnap.record;
