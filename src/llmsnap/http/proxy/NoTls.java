package llmsnap.http.proxy;

import java.security.Provider;
import java.security.SecureRandom;
import javax.net.ssl.KeyManager;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLContextSpi;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLServerSocketFactory;
import javax.net.ssl.SSLSessionContext;
import javax.net.ssl.SSLSocketFactory;
import javax.net.ssl.TrustManager;

/**
 * The TLS of a client that makes no use of any. The JDK's client takes a context at once, and the
 * usual one reads all certificates that Java trusts: 440 classes before the first answer.
 */
final class NoTls extends SSLContextSpi {
    private static final Provider PROVIDER = new Provider("none", "1", "no TLS") { };

    static SSLContext context() {
        return new SSLContext(new NoTls(), PROVIDER, "none") { };
    }

    private static UnsupportedOperationException none() {
        return new UnsupportedOperationException("this client speaks HTTP only");
    }

    @Override protected void engineInit(KeyManager[] keys, TrustManager[] trusted,
            SecureRandom random) {
        throw none();
    }

    @Override protected SSLSocketFactory engineGetSocketFactory() {
        throw none();
    }

    @Override protected SSLServerSocketFactory engineGetServerSocketFactory() {
        throw none();
    }

    @Override protected SSLEngine engineCreateSSLEngine() {
        throw none();
    }

    @Override protected SSLEngine engineCreateSSLEngine(String host, int port) {
        throw none();
    }

    @Override protected SSLSessionContext engineGetServerSessionContext() {
        throw none();
    }

    @Override protected SSLSessionContext engineGetClientSessionContext() {
        throw none();
    }

    @Override protected SSLParameters engineGetDefaultSSLParameters() {
        return new SSLParameters();
    }

    @Override protected SSLParameters engineGetSupportedSSLParameters() {
        return new SSLParameters();
    }
}
