/**
 * A simulated model server, for the demo, for tests and for the benchmark.
 *
 * <p>Plain sockets, so that it starts quickly; what tests need of it beyond that extends it in
 * {@code test}. Knows only the text room.
 */
package llmsnap.demo;
