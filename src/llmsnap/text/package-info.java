/**
 * What is true of texts alone: JSON, YAML, command lines, misspelt words. Knows nobody.
 *
 * <p>JSON is read by one scanner over bytes, in pieces that may end anywhere; trees, edits and
 * token counts are its handlers. Request bodies never become a tree: they are edited in the bytes
 * that came, so that number spelling, key order and white space arrive as they were sent, and a
 * body of 100 MB costs no more than its bytes. YAML is a subset of our own, since no library comes
 * in: what it does not know it refuses with line and column. A parser's errors are unchecked inside
 * it.
 *
 * <p>Nothing that opens a file, a socket or a thread may come in, but for the deep stack.
 */
package llmsnap.text;
