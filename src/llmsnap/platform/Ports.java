package llmsnap.platform;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;

/** Whether somebody listens on a port: asked by listening for a moment, which nobody notices. */
public final class Ports {
    private Ports() {}

    /** On this machine itself, by its first name for that. */
    public static boolean isHeld(int port) {
        return isHeld(InetAddress.getLoopbackAddress(), port);
    }

    /** On that address; false when it is none of this machine's. */
    public static boolean isHeld(InetAddress address, int port) {
        try (var socket = new ServerSocket()) {
            socket.setReuseAddress(true);
            socket.bind(new InetSocketAddress(address, port));
            return false;
        } catch (IOException e) {
            return String.valueOf(e.getMessage()).contains("in use");
        }
    }
}
