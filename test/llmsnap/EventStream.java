package llmsnap;

import java.io.BufferedInputStream;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import llmsnap.text.Json;
import llmsnap.text.Malformed;

/** A reader of /api/events: collects what comes. */
final class EventStream implements AutoCloseable {
    /** One event; {@code data} is what its text holds. */
    record Event(String type, Json data) {}

    final List<Event> events = new CopyOnWriteArrayList<>();
    private final Socket socket;
    private volatile boolean ended;

    EventStream(Running llmsnap) throws IOException {
        this(llmsnap, "");
    }

    EventStream(Running llmsnap, String query) throws IOException {
        socket = llmsnap.connect();
        socket.setSoTimeout(0);
        socket.getOutputStream()
            .write(
                ("GET /api/events" + query + " HTTP/1.1\r\nHost: x\r\n\r\n")
                    .getBytes(StandardCharsets.US_ASCII));
        Thread.ofVirtual().start(this::read);
    }

    /** The body of an answer that comes in chunks, without their sizes. */
    static BufferedReader body(Socket socket) throws IOException {
        InputStream raw = new BufferedInputStream(socket.getInputStream());
        for (String line = line(raw); !line.isEmpty(); ) line = line(raw);
        return new BufferedReader(
            new InputStreamReader(
                new InputStream() {
                    private int left;

                    @Override public int read() throws IOException {
                        byte[] one = new byte[1];
                        return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
                    }

                    @Override public int read(byte[] bytes, int offset, int length)
                        throws IOException {
                        if (left == 0) left = Integer.parseInt(line(raw), 16);
                        if (left == 0) return -1;
                        int n = raw.read(bytes, offset, Math.min(length, left));
                        if (n > 0) left -= n;
                        if (left == 0) line(raw);
                        return n;
                    }
                },
                StandardCharsets.UTF_8));
    }

    private static String line(InputStream in) throws IOException {
        StringBuilder line = new StringBuilder();
        for (int c; (c = in.read()) != '\n'; ) {
            if (c < 0) throw new IOException("cut");
            if (c != '\r') line.append((char) c);
        }
        return line.toString();
    }

    private void read() {
        try (BufferedReader in = body(socket)) {
            for (String line; (line = in.readLine()) != null; ) {
                if (!line.startsWith("data:")) continue;
                Json.Obj event = (Json.Obj) Json.parse(line.substring(5));
                events.add(new Event(event.text("type"), Json.parse(event.text("data"))));
            }
        } catch (IOException e) {
            // closed
        } catch (Malformed e) {
            events.add(new Event("malformed: " + e.getMessage(), Json.NULL));
        } finally {
            ended = true;
        }
    }

    boolean hasEnded() {
        return ended;
    }

    List<String> types() {
        return events.stream().map(Event::type).toList();
    }

    /** The items of all lists of that type, in the order in which they came. */
    List<Json.Obj> items(String type) {
        List<Json.Obj> items = new ArrayList<>();
        for (Event event : events) {
            if (event.type.equals(type) && event.data instanceof Json.Arr list) {
                list.items().forEach(item -> items.add((Json.Obj) item));
            }
        }
        return items;
    }

    /** The states that a model went through. */
    List<String> states(String model) {
        List<String> states = new ArrayList<>();
        for (Json.Obj item : items("modelStatus")) {
            if (item.text("id").equals(model)
                && (states.isEmpty() || !states.getLast().equals(item.text("state")))) {
                states.add(item.text("state"));
            }
        }
        return states;
    }

    /** All of a log so far. */
    String log(String source) {
        StringBuilder text = new StringBuilder();
        for (Event event : events) {
            if (event.type.equals("logData")
                && event.data instanceof Json.Obj data
                && data.text("source").equals(source)) text.append(data.text("data"));
        }
        return text.toString();
    }

    @Override public void close() throws IOException {
        socket.close();
    }
}
