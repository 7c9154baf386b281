package llmsnap.config;

import java.io.File;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;

/** Finds what would mean something to a shell in a command that no shell will see. */
final class CommandCheck {
    private static final Pattern OPERATOR =
        Pattern.compile("&&?|\\|\\|?|[^;]*;|[0-9&]?>>?[^>=]*|<[^<=>]*");
    private static final Pattern ASSIGNMENT = Pattern.compile("[A-Za-z_][A-Za-z0-9_]*=.*");
    private static final Pattern VARIABLE = Pattern.compile("(~|\\$[A-Za-z_][A-Za-z0-9_]*)(/.*)?");
    private static final Pattern ODD = Pattern.compile("[\u2018\u2019\u201c\u201d\u00a0]");
    private static final Pattern WINDOWS_PATH =
        Pattern.compile("(?s)(.*[\\s\"'=])?[A-Za-z]:\\\\.*");
    private static final String SHELL = "; no shell runs: write bash -c '...' around it";

    private CommandCheck() {}

    /**
     * What looks wrong, each a sentence.
     *
     * @param text before it was split into words
     * @param bare the same words where what was quoted cannot be read
     */
    static List<String> warnings(String text, List<String> words, List<String> bare) {
        Set<String> found = new LinkedHashSet<>();
        boolean lost = WINDOWS_PATH.matcher(text).matches() && File.separatorChar == '/';
        if (lost) {
            found.add("a backslash takes the next character as it is, C:\\x is C:x; write C:/x, or"
                + " put it in single quotes");
        }
        if (ODD.matcher(text).find()) {
            found.add("there is a curly quote or a no-break space in it, as word processors make"
                + " them; only ' and \" and blanks mean something");
        }
        String first = words.isEmpty() ? "" : words.getFirst();
        if (ASSIGNMENT.matcher(first).matches()) {
            found.add("\"" + first + "\" is taken for the program; put it under env");
        }
        if (first.equals("cd")) found.add("\"cd\" is no program" + SHELL);
        for (String word : bare) {
            boolean operator = OPERATOR.matcher(word).matches();
            if (operator) found.add("\"" + word + "\" is passed on as an argument" + SHELL);
            if (word.equals("#")) {
                found.add("what is behind # is passed on, too; a comment has a line of its own"
                    + " in a text that begins with |");
            }
            if (VARIABLE.matcher(word).matches()) {
                found.add("\"" + word + "\" stays as it is; write ${env.HOME} and the like"
                    + SHELL.replace(": write", ", or write"));
            }
        }
        return List.copyOf(found);
    }
}
