/**
 * Which path leads where. The rooms below: {@code server} has the connections, {@code proxy} the
 * way to a model and back, {@code api} all other answers.
 *
 * <p>The JDK's own server and client are used, with what they need set by the platform room. This
 * file is the only one that knows all three rooms; each path stands here once, and a test looks for
 * it in README.
 */
package llmsnap.http;
