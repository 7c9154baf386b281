package llmsnap.http.server;

import java.lang.reflect.Method;
import java.nio.channels.SocketChannel;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;

/**
 * Tells at once that a client has hung up: an epoll of our own waits for the far end of connections
 * to be closed, which the JDK's server does not look at while it answers. By the JDK's own calls,
 * {@code sun.nio.ch.EPoll} as it is in 21 to 25, opened in the jar's manifest; on Linux only.
 */
final class HangUps {
    private static final int ADD = 1;
    private static final int DELETE = 2;
    private static final int FAR_END_CLOSED = 0x2000;       // EPOLLRDHUP
    private static final int AT_ONCE = 64;

    private final Map<Integer, Exchange> watched = new ConcurrentHashMap<>();
    private final Consumer<Exchange> gone;
    private final Method control;
    private final Method wait;
    private final Method descriptor;
    private final Method event;
    private final Method number;
    private final int epoll;
    private final long array;

    private HangUps(Consumer<Exchange> gone) throws ReflectiveOperationException {
        this.gone = gone;
        Class<?> type = Class.forName("sun.nio.ch.EPoll");
        control = method(type, "ctl", int.class, int.class, int.class, int.class);
        wait = method(type, "wait", int.class, long.class, int.class, int.class);
        descriptor = method(type, "getDescriptor", long.class);
        event = method(type, "getEvent", long.class, int.class);
        number = method(Class.forName("sun.nio.ch.SelChImpl"), "getFDVal");
        epoll = (int) method(type, "create").invoke(null);
        array = (long) method(type, "allocatePollArray", int.class).invoke(null, AT_ONCE);
    }

    private static Method method(Class<?> type, String name, Class<?>... parameters)
            throws ReflectiveOperationException {
        Method method = type.getDeclaredMethod(name, parameters);
        method.setAccessible(true);
        return method;
    }

    /** @param gone told of each exchange whose client is gone @return null where none can be */
    static HangUps open(Consumer<Exchange> gone) {
        try {
            var hangUps = new HangUps(gone);
            Thread.ofPlatform().daemon().name("hang-ups").start(hangUps::run);
            return hangUps;
        } catch (ReflectiveOperationException | RuntimeException | LinkageError e) {
            return null;
        }
    }

    /** @return its descriptor, -1 when it cannot be watched */
    int add(Exchange exchange, SocketChannel channel) {
        try {
            int its = (int) number.invoke(channel);
            watched.put(its, exchange);
            if ((int) control.invoke(null, epoll, ADD, its, FAR_END_CLOSED) == 0) return its;
            watched.remove(its, exchange);
        } catch (ReflectiveOperationException e) {
            // then the tables of /proc tell
        }
        return -1;
    }

    void remove(Exchange exchange, int its) {
        if (!watched.remove(its, exchange)) return;
        try {
            control.invoke(null, epoll, DELETE, its, 0);
        } catch (ReflectiveOperationException e) {
            // a closed one is not in it any more
        }
    }

    private void run() {
        try {
            while (true) {
                Map<Integer, Exchange> first = new ConcurrentHashMap<>();
                for (int its : look(-1)) {
                    Exchange exchange = watched.get(its);
                    if (exchange != null) first.put(its, exchange);
                    else control.invoke(null, epoll, DELETE, its, 0);
                }
                // The descriptor may be another connection's by now: it is asked again.
                if (!first.isEmpty()) first.keySet().retainAll(look(0));
                first.forEach((its, exchange) -> {
                    if (watched.get(its) != exchange) return;
                    remove(exchange, its);
                    gone.accept(exchange);
                });
            }
        } catch (ReflectiveOperationException e) {
            // then the next failed write tells
        }
    }

    private Set<Integer> look(int timeoutMs) throws ReflectiveOperationException {
        int count = (int) wait.invoke(null, epoll, array, AT_ONCE, timeoutMs);
        Set<Integer> found = new HashSet<>();
        for (int i = 0; i < count; i++) {
            found.add((int) descriptor.invoke(null, event.invoke(null, array, i)));
        }
        return found;
    }
}
