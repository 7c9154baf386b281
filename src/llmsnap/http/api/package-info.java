/**
 * Everything that is asked of llmsnap itself: models, activity, logs, events, the web UI's files.
 *
 * <p>Each shape of JSON is written in one place, a key a line. Those who cause events leave a mark
 * and go on; each reader's own thread writes, so a slow one holds nobody up.
 *
 * <p>Nothing that passes a request on may come in.
 */
package llmsnap.http.api;
