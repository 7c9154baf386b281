package llmsnap;

import java.lang.reflect.InvocationTargetException;

/**
 * The jar's entry. Compiled for Java 8, so that a Java which is too old says so in one sentence
 * instead of an UnsupportedClassVersionError.
 */
public final class Launcher {
    private static final int NEEDED = 21;

    private Launcher() {}

    /** Starts {@code llmsnap.Main}, or exits 1 with a sentence when this Java cannot run it. */
    public static void main(String[] args) throws Throwable {
        String found = System.getProperty("java.specification.version", "?");
        String missing = null;
        if (major(found) < NEEDED) {
            missing = "llmsnap needs Java " + NEEDED + " or newer; this is Java " + found;
        } else {
            String[][] needed = {{"com.sun.net.httpserver.HttpServer", "jdk.httpserver"},
                {"java.net.http.HttpClient", "java.net.http"}};
            for (String[] module : needed) {
                try {
                    Class.forName(module[0]);
                } catch (ClassNotFoundException e) {
                    missing = "llmsnap needs a Java with the module " + module[1]
                        + "; this trimmed Java " + found
                        + " has none";
                }
            }
        }
        if (missing != null) {
            System.err.println(missing + " (" + System.getProperty("java.home")
                + "). Install a newer one, or start"
                + " llmsnap with the full path of its bin/java.");
            System.exit(1);
        }
        try {
            Class.forName("llmsnap.Main").getMethod("main", String[].class)
                .invoke(null, (Object) args);
        } catch (InvocationTargetException e) {
            throw e.getCause();
        }
    }

    private static int major(String version) {
        try {
            return Integer.parseInt(version.startsWith("1.") ? version.substring(2) : version);
        } catch (NumberFormatException e) {
            return 0;
        }
    }
}
