/**
 * Which model is loaded when, and which request may go.
 *
 * <p>The scheduler is pure: events in, effects out, time is a value. That makes fairness and
 * eviction a table of tests, and a stuck state something that random worlds can look for. The pool
 * is one lock around it; effects are handed over and never waited for. It declares the interface of
 * a run, which the process room implements, so that this room starts nothing.
 *
 * <p>Nothing that blocks may come in, and nobody who looks decides from what he saw.
 */
package llmsnap.models;
