package llmsnap.platform;

import java.util.ResourceBundle;

/**
 * Keeps the JDK's own loggers silent: its HTTP server warns on stderr of every client that leaves.
 * Found by the JDK through META-INF/services, since {@code java -jar} ignores module-info. Spares
 * loading java.util.logging, too.
 */
public final class QuietJdk extends System.LoggerFinder {
    private record Silence(String name) implements System.Logger {
        @Override public String getName() {
            return name;
        }

        @Override public boolean isLoggable(Level level) {
            return false;
        }

        @Override public void log(Level level, ResourceBundle bundle, String message,
            Throwable thrown) {}

        @Override public void log(Level level, ResourceBundle bundle, String format,
            Object... parameters) {}
    }

    /** For the service loader. */
    public QuietJdk() {}

    @Override public System.Logger getLogger(String name, Module module) {
        return new Silence(name);
    }
}
