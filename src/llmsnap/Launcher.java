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
        try {
            Class.forName("com.sun.net.httpserver.HttpServer");
            Class.forName("java.net.http.HttpClient");
        } catch (ClassNotFoundException e) {
            missing = "a Java with the modules jdk.httpserver and java.net.http; this trimmed one";
        }
        if (major(found) < NEEDED) missing = "Java " + NEEDED + " or newer; this";
        if (missing != null) {
            System.err.println("llmsnap needs " + missing + " is Java " + found + " ("
                + System.getProperty("java.home")
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
