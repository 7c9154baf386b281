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
            boolean begins = wanted.length() > 3 && plain(candidate).startsWith(wanted);
            int distance = begins ? 1 : distance(wanted, plain(candidate));
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

    /** Edit distance (insert, remove, replace, swap two that are neighbours) of short words. */
    private static int distance(String a, String b) {
        if (a.length() > MAX_CHARS || b.length() > MAX_CHARS) return Integer.MAX_VALUE;
        int[][] cost = new int[a.length() + 1][b.length() + 1];
        for (int i = 0; i <= a.length(); i++) {
            for (int j = 0; j <= b.length(); j++) {
                if (i == 0 || j == 0) {
                    cost[i][j] = i + j;
                    continue;
                }
                int other = a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1;
                int least = min(cost[i - 1][j], cost[i][j - 1]) + 1;
                least = min(least, cost[i - 1][j - 1] + other);
                boolean swapped = i > 1 && j > 1 && a.charAt(i - 1) == b.charAt(j - 2)
                    && a.charAt(i - 2) == b.charAt(j - 1);
                cost[i][j] = swapped ? min(least, cost[i - 2][j - 2] + 1) : least;
            }
        }
        return cost[a.length()][b.length()];
    }
}
