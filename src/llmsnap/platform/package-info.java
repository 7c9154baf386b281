/**
 * What is true of the JDK or of Linux and of nothing else, each with the reason why. Knows nobody.
 *
 * <p>Only this room reads /proc: the JDK's server does not tell that a waiting client has left, and
 * parenthood does not find what a double fork has detached. Virtual threads serve from Java 24 on;
 * before, they are pinned to their carrier inside the JDK's own {@code synchronized} blocks.
 *
 * <p>Nothing that knows what a model is may come in.
 */
package llmsnap.platform;
