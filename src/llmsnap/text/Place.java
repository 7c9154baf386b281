package llmsnap.text;

/**
 * Line and column in a text, both from 1; columns count characters.
 *
 * @param file the name of the text, where there are several; else ""
 */
public record Place(String file, int line, int column) {}
