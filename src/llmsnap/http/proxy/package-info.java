/**
 * The way of a request to a model, and of the answer back.
 *
 * <p>A body is read within bounds, edited in its bytes and published in slices; forms above 32 MB
 * go through a file, since the field that names their model may come last. The answer is written by
 * the thread that received it, a piece at a time: a slow client slows its own model's server and
 * nobody else. Models are asked for answers without an encoding, so that they can be read on the
 * side.
 *
 * <p>Nothing that answers by itself may come in.
 */
package llmsnap.http.proxy;
