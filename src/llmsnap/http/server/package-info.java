/**
 * Connections: a request and its answer, routes, keys, failures, clients that leave.
 *
 * <p>A failure has one type on its way, and becomes an answer in one place; what cannot be answered
 * any more is cut, without a proper end, so that no client takes half an answer for a whole one. A
 * handler is broken off by an interrupt: the JDK offers nothing else. Clients that hang up are seen
 * in the kernel's table of connections, since the JDK's server does not tell.
 *
 * <p>Nothing that knows what a route does may come in.
 */
package llmsnap.http.server;
