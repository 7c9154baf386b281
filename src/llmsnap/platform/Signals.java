package llmsnap.platform;

import java.lang.reflect.Proxy;
import java.util.List;
import java.util.function.Consumer;

/**
 * The signals that end a server or have it read its configuration again. The JVM's own handling
 * exits with status 143; another one takes sun.misc.Signal (module jdk.unsupported), of which javac
 * warns in a way that cannot be turned off, so it is called by reflection.
 */
public final class Signals {
    private Signals() {}

    /**
     * Has {@code handler} told of each SIGTERM, SIGINT and SIGHUP by its name. Where the JVM does
     * not give them away it is told once, when the process ends.
     */
    public static void handle(Consumer<String> handler) {
        try {
            Class<?> signal = Class.forName("sun.misc.Signal");
            Class<?> type = Class.forName("sun.misc.SignalHandler");
            Object proxy = Proxy.newProxyInstance(type.getClassLoader(), new Class<?>[] {type},
                (self, method, arguments) -> {
                    if (method.getName().equals("handle")) handler.accept(arguments[0].toString());
                    return null;
                });
            for (String name : List.of("TERM", "INT", "HUP")) {
                Object each = signal.getConstructor(String.class).newInstance(name);
                signal.getMethod("handle", signal, type).invoke(null, each, proxy);
            }
        } catch (ReflectiveOperationException | IllegalArgumentException e) {
            var end = new Thread(() -> handler.accept("end of the process"));
            Runtime.getRuntime().addShutdownHook(end);
        }
    }
}
