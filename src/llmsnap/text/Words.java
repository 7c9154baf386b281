package llmsnap.text;

import static java.lang.Math.max;
import static java.lang.Math.min;

import java.io.File;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;

/** Command lines as words. No shell runs: there are no variables, no globbing, no pipes. */
public final class Words {
    /** There a backslash belongs to a path. */
    private static final boolean WINDOWS = File.separatorChar == '\\';
    private static final int CONTEXT_BEFORE = 10;
    private static final int CONTEXT_BEHIND = 20;

    private Words() {}

    /**
     * Splits {@code command} as a POSIX shell does: blanks and newlines separate; '...' is literal;
     * "..." knows the escapes of \ " $ and `; a backslash takes the next character as it is, and at
     * the end of a line it joins lines, as white space.
     *
     * @throws IllegalArgumentException for an unclosed quote, with a sentence
     */
    public static List<String> split(String command) {
        List<String> words = new ArrayList<>();
        StringBuilder word = null;     // null: between words; an empty quoted word is a word
        // Blanks behind a backslash at a line's end cannot be seen: nobody means them.
        String text = command.replace("\r\n", "\n").replaceAll("\\\\[ \t]+\n", "\\\\\n");
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            boolean lineJoin = text.startsWith("\\\n", i);
            if (lineJoin || " \t\n\r".indexOf(c) >= 0) {
                if (lineJoin) i++;
                if (word != null) words.add(word.toString());
                word = null;
                continue;
            }
            if (word == null) word = new StringBuilder();
            if (c == '\'' || c == '"') {
                i = quoted(text, i, word);
            } else {
                boolean escape = c == '\\' && !WINDOWS;
                if (escape && i + 1 < text.length()) i++;
                word.append(text.charAt(i));
            }
        }
        if (word != null) words.add(word.toString());
        return words;
    }

    /** Appends what the quote at {@code open} holds. @return where the closing one is */
    private static int quoted(String text, int open, StringBuilder word) {
        char quote = text.charAt(open);
        for (int i = open + 1; i < text.length(); i++) {
            char c = text.charAt(i);
            if (c == quote) return i;
            char next = i + 1 < text.length() ? text.charAt(i + 1) : 0;
            if (quote == '"' && c == '\\' && !WINDOWS && "\\\"$`\n".indexOf(next) >= 0) {
                i++;
                if (next != '\n') word.append(next);
            } else {
                word.append(c);
            }
        }
        int from = max(0, open - CONTEXT_BEFORE);
        int to = min(text.length(), open + CONTEXT_BEHIND);
        String context = text.substring(from, to).replace('\n', ' ').strip();
        throw new IllegalArgumentException("unclosed " + quote + " that opens at: " + context);
    }

    /** The same words, an x for each that is quoted or has a backslash before it. */
    public static String bare(String command) {
        var bare = new StringBuilder();
        var hidden = new StringBuilder();
        for (int i = 0; i < command.length(); i++) {
            char c = command.charAt(i);
            boolean quote = c == '\'' || c == '"';
            boolean escape = c == '\\' && !WINDOWS && !command.startsWith("\n", i + 1);
            bare.append(quote || escape ? 'x' : c);
            if (quote) i = quoted(command, i, hidden);
            else if (escape) i++;
        }
        return bare.toString();
    }

    /** Drops the comment lines of a {@code cmd: |}: those that begin with {@code #}. */
    public static String withoutComments(String command) {
        if (command.indexOf('#') < 0) return command;
        return Arrays.stream(command.split("\n", -1))
            .filter(line -> !line.stripLeading().startsWith("#"))
            .dropWhile(String::isEmpty)
            .collect(Collectors.joining("\n"));
    }

    /** The words as a shell would need them written. */
    public static String quote(List<String> words) {
        return words.stream().map(Words::quote).collect(Collectors.joining(" "));
    }

    private static String quote(String word) {
        if (word.matches("[A-Za-z0-9_@%+=:,./${}-]+")) return word;
        return "'" + word.replace("'", "'\\''") + "'";
    }
}
