/**
 * What the configuration says: immutable records, complete and checked when they are made.
 *
 * <p>Readers by topic collect every problem, each with its place, and go on: people want all of
 * them at once. Macros are replaced before values are typed; the environment is data, put in after
 * the structure is known. Who has to go for whom is a function of the configuration, so it lives
 * here.
 *
 * <p>Nothing that runs may come in: no threads, no clocks, no files.
 */
package llmsnap.config;
