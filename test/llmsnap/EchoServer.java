package llmsnap;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import java.io.BufferedInputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Base64;
import java.util.concurrent.atomic.AtomicInteger;

/** A WebSocket server (RFC 6455) that says everything again; "bye" makes it hang up. */
final class EchoServer implements AutoCloseable {
    private static final String GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    private static final int CLOSE = 8;
    private static final int PING = 9;
    private static final int PONG = 10;

    final AtomicInteger open = new AtomicInteger();
    volatile String lastHead = "";
    private final ServerSocket listener =
        new ServerSocket(0, 200, InetAddress.getLoopbackAddress());

    EchoServer() throws IOException {
        Thread.ofVirtual().start(this::run);
    }

    /** A configuration with it as the model "ws", which somebody else starts. */
    String yaml() {
        return "models: {ws: {proxy: 'http://127.0.0.1:" + listener.getLocalPort()
            + "', checkEndpoint: none}}\n";
    }

    private void run() {
        try {
            while (true) {
                Socket socket = listener.accept();
                Thread.ofVirtual().start(() -> serve(socket));
            }
        } catch (IOException e) {
            // closed
        }
    }

    private void serve(Socket socket) {
        try (socket) {
            var in = new DataInputStream(new BufferedInputStream(socket.getInputStream(), 1 << 16));
            var out = new DataOutputStream(socket.getOutputStream());
            var head = new StringBuilder();
            while (head.indexOf("\r\n\r\n") < 0) {
                int c = in.read();
                if (c < 0) return;
                head.append((char) c);
            }
            lastHead = head.toString();
            String key =
                lastHead.replaceFirst("(?is).*\r\nSec-WebSocket-Key: *([^\r]*)\r\n.*", "$1");
            if (key.equals(lastHead)) {
                out.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".getBytes(ISO_8859_1));
                return;
            }
            out.write(("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
                + "Upgrade: websocket\r\nSec-WebSocket-Accept: " + accepted(key) + "\r\n\r\n")
                .getBytes(ISO_8859_1));
            open.incrementAndGet();
            try {
                while (echo(in, out)) { }
            } finally {
                open.decrementAndGet();
            }
        } catch (IOException e) {
            // the other side is gone
        }
    }

    private static String accepted(String key) {
        try {
            return Base64.getEncoder().encodeToString(MessageDigest.getInstance("SHA-1")
                .digest((key + GUID).getBytes(ISO_8859_1)));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }

    /** Sends a frame back without its mask. @return whether more may come */
    private static boolean echo(DataInputStream in, DataOutputStream out) throws IOException {
        int first = in.readUnsignedByte();
        long length = in.readUnsignedByte() & 0x7f;
        if (length == 126) length = in.readUnsignedShort();
        else if (length == 127) length = in.readLong();
        byte[] mask = in.readNBytes(4);
        byte[] said = in.readNBytes((int) length);
        for (int i = 0; i < said.length; i++) said[i] ^= mask[i % 4];
        if (new String(said, ISO_8859_1).equals("bye")) return false;
        boolean ping = (first & 15) == PING;
        out.writeByte(ping ? first - PING + PONG : first);
        if (length < 126) {
            out.writeByte((int) length);
        } else {
            out.writeByte(127);
            out.writeLong(length);
        }
        out.write(said);
        out.flush();
        return (first & 15) != CLOSE;
    }

    @Override public void close() throws IOException {
        listener.close();
    }
}
