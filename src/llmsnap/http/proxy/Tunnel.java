package llmsnap.http.proxy;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static llmsnap.record.Cause.NO_ANSWER;

import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.Closeable;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.URI;
import java.nio.channels.Channels;
import java.nio.channels.SocketChannel;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.SSLSocketFactory;
import llmsnap.http.server.Exchange;
import llmsnap.http.server.Failure;
import llmsnap.http.server.Internals;
import llmsnap.http.server.RequestCheck;
import llmsnap.record.InFlight;

/**
 * A WebSocket through us (RFC 6455): the handshake as it came, then bytes both ways until either
 * side ends. What is in them, and how long both are silent, is theirs alone.
 */
final class Tunnel {
    private static final int CONNECT_MS = 10_000;
    private static final int HANDSHAKE_SECONDS = 30;
    private static final int MAX_HEAD_BYTES = 64 * 1024;
    private static final int PIECE_BYTES = 16 * 1024;
    private static final int SWITCHING = 101;
    private static final Pattern STATUS = Pattern.compile("HTTP/1\\.[01] ([1-5][0-9]{2})\\b");

    /** Two streams towards the server, which an interrupt or a close ends. */
    private record Far(InputStream in, OutputStream out, Closeable connection)
            implements Closeable {
        @Override public void close() throws IOException {
            connection.close();
        }
    }

    private Tunnel() {}

    /** Returns when either side has ended. @throws Failure for no tunnel, or one that was cut */
    static void pass(Exchange exchange, Upstream to, String request, InFlight noted)
            throws Failure {
        exchange.progress.limitSilence(HANDSHAKE_SECONDS);
        try (Far far = connect(to)) {
            far.out.write(request.getBytes(ISO_8859_1));
            far.out.flush();
            byte[] head = head(far.in);
            Matcher status = STATUS.matcher(new String(head, ISO_8859_1));
            if (!status.lookingAt()) throw new Failure(502, to.name() + " does not speak HTTP");
            int code = Integer.parseInt(status.group(1));
            if (code != SWITCHING) {
                int shown = code < 400 ? 502 : code;
                throw new Failure(shown, to.name() + " answered " + code
                    + " where a WebSocket was asked for");
            }
            exchange.progress.limitSilence(0);
            Internals.Connection near = exchange.takeOver(code, checked(head, to));
            Thread.ofPlatform().daemon().name("websocket").start(() -> forward(near.in(), far));
            byte[] piece = new byte[PIECE_BYTES];
            for (int n; (n = far.in.read(piece)) >= 0; ) {
                noted.pass(piece, 0, n);
                exchange.pass(near.out(), piece, n);
            }
        } catch (IOException e) {
            Failure broken = exchange.interruption.failure();
            if (broken != null) throw broken;
            if (exchange.isCommitted()) return;     // one side has ended
            throw new Failure(502, NO_ANSWER, to.name() + " cannot be reached, or broke off");
        }
    }

    /** Without what would reach beyond the path of one model. */
    private static byte[] checked(byte[] head, Upstream from) throws Failure {
        var checked = new StringBuilder();
        for (String line : new String(head, ISO_8859_1).split("\r\n")) {
            if (RequestCheck.hasControl(line, '\t')) {
                throw new Failure(502, from.name() + " sent a control character in its head");
            }
            String name = line.split(":", 2)[0].toLowerCase(Locale.ROOT);
            boolean off = AnswerStream.TAKEN_OFF.contains(name) || name.equals("set-cookie");
            if (!off) checked.append(line).append("\r\n");
        }
        return checked.append("\r\n").toString().getBytes(ISO_8859_1);
    }

    private static Far connect(Upstream to) throws IOException {
        URI base = to.base();
        boolean tls = base.getScheme().equals("https");
        int usual = tls ? 443 : 80;
        var there = new InetSocketAddress(base.getHost().replaceAll("^\\[|]$", ""),
            base.getPort() > 0 ? base.getPort() : usual);
        if (tls) {
            Socket socket = secured(there);
            return new Far(new BufferedInputStream(socket.getInputStream()),
                socket.getOutputStream(), socket);
        }
        SocketChannel channel = SocketChannel.open();
        try {
            channel.socket().connect(there, CONNECT_MS);
            return new Far(new BufferedInputStream(Channels.newInputStream(channel)),
                Channels.newOutputStream(channel), channel);
        } catch (IOException e) {
            channel.close();
            throw e;
        }
    }

    private static Socket secured(InetSocketAddress there) throws IOException {
        var plain = new Socket();
        try {
            plain.connect(there, CONNECT_MS);
            var secured = (SSLSocket) ((SSLSocketFactory) SSLSocketFactory.getDefault())
                .createSocket(plain, there.getHostString(), there.getPort(), true);
            SSLParameters checks = secured.getSSLParameters();
            checks.setEndpointIdentificationAlgorithm("HTTPS");     // a socket alone heeds no name
            secured.setSSLParameters(checks);
            return secured;
        } catch (IOException e) {
            plain.close();
            throw e;
        }
    }

    /** The answer's head, its blank line included. */
    private static byte[] head(InputStream in) throws IOException {
        var head = new ByteArrayOutputStream();
        for (int last = 0, c; (c = in.read()) >= 0; ) {
            head.write(c);
            last = last << 8 | c;
            if (last == 0x0d0a0d0a) return head.toByteArray();
            if (head.size() > MAX_HEAD_BYTES) break;
        }
        throw new IOException("no end of the head");
    }

    private static void forward(InputStream from, Far to) {
        try (to) {
            byte[] piece = new byte[PIECE_BYTES];
            for (int n; (n = from.read(piece)) >= 0; ) {
                to.out.write(piece, 0, n);
                to.out.flush();
            }
        } catch (IOException e) {
            // one side has ended: the other direction sees it
        }
    }
}
