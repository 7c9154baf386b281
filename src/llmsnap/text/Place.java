package llmsnap.text;

/** Line and column in a text, both from 1; columns count characters. */
public record Place(int line, int column) {}
