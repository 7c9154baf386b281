/**
 * One model's server: its process, from start to end, and all that it started.
 *
 * <p>Children are found by parenthood and, on Linux, by a variable in their environment that every
 * process of the tree inherits; that also finds what an llmsnap left behind that was killed.
 * Readiness is probed often at first and more seldom as time passes.
 *
 * <p>Only this room uses ProcessBuilder, but for the tool that tells of NVIDIA's GPUs. What blocks
 * runs on threads of its own, which a stop interrupts.
 */
package llmsnap.process;
