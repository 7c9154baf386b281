package llmsnap.text;

import static java.lang.Math.max;
import static java.lang.Math.min;

import java.util.Locale;

/** Finds what a misspelt word was meant to be. */
public final class Nearest {
    private static final int MAX_CHARS = 200;

    private Nearest() {}

    /** {@code ; did you mean "x"?} for the nearest of {@code known}, or "" when none is near. */
    public static String hint(String word, Iterable<String> known) {
        String nearest = of(word, known);
        return nearest == null ? "" : "; did you mean \"" + nearest + "\"?";
    }

    /** The one of {@code known} that {@code word} most likely misspells; null when none is near. */
    public static String of(String word, Iterable<String> known) {
        String best = null;
        int least = Integer.MAX_VALUE;
        String wanted = plain(word);
        for (String candidate : known) {
            int distance = distance(wanted, plain(candidate));
            if (distance < least) {
                least = distance;
                best = candidate;
            }
        }
        return least <= max(1, min(word.length() / 3, 4)) ? best : null;
    }

    private static String plain(String word) {
        return word.toLowerCase(Locale.ROOT).replace("_", "").replace("-", "");
    }

    /** Edit distance (insert, remove, replace) of two short words. */
    private static int distance(String a, String b) {
        if (a.length() > MAX_CHARS || b.length() > MAX_CHARS) return Integer.MAX_VALUE;
        int[] row = new int[b.length() + 1];
        for (int j = 0; j <= b.length(); j++) row[j] = j;
        for (int i = 1; i <= a.length(); i++) {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= b.length(); j++) {
                int replace = diagonal + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1);
                diagonal = row[j];
                row[j] = min(replace, min(row[j], row[j - 1]) + 1);
            }
        }
        return row[b.length()];
    }
}
