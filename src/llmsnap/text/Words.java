package llmsnap.text;

import java.util.ArrayList;
import java.util.List;

/** Command lines as a POSIX shell splits them into words, with no shell: no variables, no globbing, no pipes. */
public final class Words {
    private Words() {}

    /**
     * Splits {@code command}: blanks and newlines separate; '...' is literal; "..." knows the escapes of \ " $ and `;
     * a backslash takes the next character as it is, and at the end of a line it joins lines, as white space.
     *
     * @throws IllegalArgumentException for an unclosed quote, with a sentence
     */
    public static List<String> split(String command) {
        List<String> words = new ArrayList<>();
        StringBuilder word = null;     // null: between words; an empty quoted word is a word
        String text = command.replace("\r\n", "\n");
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            boolean lineJoin = c == '\\' && i + 1 < text.length() && text.charAt(i + 1) == '\n';
            if (lineJoin || " \t\n\r".indexOf(c) >= 0) {
                if (lineJoin) i++;
                if (word != null) words.add(word.toString());
                word = null;
                continue;
            }
            if (word == null) word = new StringBuilder();
            if (c == '\'' || c == '"') {
                i = quoted(text, i, word);
            } else if (c == '\\' && i + 1 < text.length()) {
                word.append(text.charAt(++i));
            } else {
                word.append(c);
            }
        }
        if (word != null) words.add(word.toString());
        return words;
    }

    /** Appends what the quote that opens at {@code open} holds, and returns the place of the closing one. */
    private static int quoted(String text, int open, StringBuilder word) {
        char quote = text.charAt(open);
        for (int i = open + 1; i < text.length(); i++) {
            char c = text.charAt(i);
            if (c == quote) return i;
            if (quote == '"' && c == '\\' && i + 1 < text.length() && "\\\"$`\n".indexOf(text.charAt(i + 1)) >= 0) {
                i++;
                if (text.charAt(i) != '\n') word.append(text.charAt(i));
            } else {
                word.append(c);
            }
        }
        int from = Math.max(0, open - 10);
        throw new IllegalArgumentException("unclosed " + quote + " that opens at: "
            + text.substring(from, Math.min(text.length(), open + 20)).replace('\n', ' ').strip());
    }

    /** Drops the lines whose first character after white space is {@code #}; they are comments in a {@code cmd: |}. */
    public static String withoutComments(String command) {
        if (command.indexOf('#') < 0) return command;
        StringBuilder kept = new StringBuilder();
        for (String line : command.split("\n", -1)) {
            if (line.stripLeading().startsWith("#")) continue;
            if (!kept.isEmpty()) kept.append('\n');
            kept.append(line);
        }
        return kept.toString();
    }

    /** The one of {@code known} that {@code word} is most likely a misspelling of, or null when none is near. */
    public static String nearest(String word, Iterable<String> known) {
        String best = null;
        int bestDistance = Integer.MAX_VALUE;
        String wanted = plain(word);
        for (String candidate : known) {
            int distance = distance(wanted, plain(candidate));
            if (distance < bestDistance) {
                bestDistance = distance;
                best = candidate;
            }
        }
        return bestDistance <= Math.max(1, Math.min(word.length() / 3, 4)) ? best : null;
    }

    private static String plain(String word) {
        return word.toLowerCase(java.util.Locale.ROOT).replace("_", "").replace("-", "");
    }

    /** Edit distance (insert, remove, replace) of two short words. */
    private static int distance(String a, String b) {
        if (a.length() > 200 || b.length() > 200) return Integer.MAX_VALUE;
        int[] row = new int[b.length() + 1];
        for (int j = 0; j <= b.length(); j++) row[j] = j;
        for (int i = 1; i <= a.length(); i++) {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= b.length(); j++) {
                int replace = diagonal + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.min(replace, Math.min(row[j], row[j - 1]) + 1);
            }
        }
        return row[b.length()];
    }
}
