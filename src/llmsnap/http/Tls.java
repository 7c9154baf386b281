package llmsnap.http;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.Principal;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.Signature;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Base64;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.net.ssl.KeyManager;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.X509ExtendedKeyManager;

/**
 * A TLS context of PEM files: a certificate with its chain, and a key as PKCS#8, PKCS#1 (RSA) or SEC1 (EC). The files can
 * be read again; new connections use what they hold then.
 */
public final class Tls {
    private static final Pattern BLOCK = Pattern.compile("-----BEGIN ([A-Z0-9 ]+)-----([^-]*)-----END \\1-----");
    private static final byte[] RSA = {0x30, 0x0d, 0x06, 0x09, 0x2a, (byte) 0x86, 0x48, (byte) 0x86, (byte) 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00};
    private static final byte[] EC = {0x06, 0x07, 0x2a, (byte) 0x86, 0x48, (byte) 0xce, 0x3d, 0x02, 0x01};

    private final Path certificates;
    private final Path key;
    private final SSLContext context;
    private volatile X509ExtendedKeyManager keys;

    /** Reads both files. @throws IOException with a sentence that names the file, when one cannot be read or used */
    public Tls(Path certificates, Path key) throws IOException {
        this.certificates = certificates;
        this.key = key;
        this.keys = read(certificates, key);
        try {
            this.context = SSLContext.getInstance("TLS");
            context.init(new KeyManager[] {new Current()}, null, null);
        } catch (GeneralSecurityException e) {
            throw new IOException("this Java has no TLS: " + e.getMessage());
        }
    }

    /** Reads both files again; when that fails what was read before holds. @throws IOException as the constructor does */
    public void reload() throws IOException {
        keys = read(certificates, key);
    }

    SSLContext context() {
        return context;
    }

    private static X509ExtendedKeyManager read(Path certificates, Path key) throws IOException {
        try {
            Certificate[] chain = chain(certificates);
            KeyStore store = KeyStore.getInstance("PKCS12");
            store.load(null, null);
            PrivateKey secret = privateKey(key, chain[0].getPublicKey().getAlgorithm());
            checkPair(secret, chain[0].getPublicKey());
            store.setKeyEntry("server", secret, new char[0], chain);
            KeyManagerFactory keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
            keys.init(store, new char[0]);
            return (X509ExtendedKeyManager) keys.getKeyManagers()[0];
        } catch (GeneralSecurityException e) {
            throw new IOException(key + " does not go with " + certificates + ": " + e.getMessage());
        }
    }

    /** A key that belongs to another certificate is noticed here, not by every client. */
    private static void checkPair(PrivateKey secret, PublicKey open) throws GeneralSecurityException {
        String algorithm = switch (secret.getAlgorithm()) {
            case "RSA" -> "SHA256withRSA";
            case "EC" -> "SHA256withECDSA";
            default -> secret.getAlgorithm();
        };
        byte[] text = {1, 2, 3};
        Signature signature = Signature.getInstance(algorithm);
        signature.initSign(secret);
        signature.update(text);
        byte[] signed = signature.sign();
        signature.initVerify(open);
        signature.update(text);
        if (!signature.verify(signed)) throw new GeneralSecurityException("it is another certificate's key");
    }

    /** The two files. */
    public Path[] files() {
        return new Path[] {certificates, key};
    }

    /** Asks whatever {@link #keys} is at the moment. */
    private final class Current extends X509ExtendedKeyManager {
        @Override public String[] getClientAliases(String type, Principal[] issuers) {
            return keys.getClientAliases(type, issuers);
        }

        @Override public String chooseClientAlias(String[] types, Principal[] issuers, Socket socket) {
            return keys.chooseClientAlias(types, issuers, socket);
        }

        @Override public String[] getServerAliases(String type, Principal[] issuers) {
            return keys.getServerAliases(type, issuers);
        }

        @Override public String chooseServerAlias(String type, Principal[] issuers, Socket socket) {
            return keys.chooseServerAlias(type, issuers, socket);
        }

        @Override public String chooseEngineServerAlias(String type, Principal[] issuers, SSLEngine engine) {
            return keys.chooseEngineServerAlias(type, issuers, engine);
        }

        @Override public X509Certificate[] getCertificateChain(String alias) {
            return keys.getCertificateChain(alias);
        }

        @Override public PrivateKey getPrivateKey(String alias) {
            return keys.getPrivateKey(alias);
        }
    }

    private static Certificate[] chain(Path file) throws IOException {
        try {
            Certificate[] chain = CertificateFactory.getInstance("X.509").generateCertificates(new ByteArrayInputStream(Files.readAllBytes(file))).toArray(Certificate[]::new);
            if (chain.length == 0) throw new IOException(file + " holds no certificate");
            return chain;
        } catch (java.nio.file.NoSuchFileException e) {
            throw new IOException("there is no file " + file);
        } catch (GeneralSecurityException e) {
            throw new IOException(file + " is no PEM file of certificates: " + e.getMessage());
        }
    }

    private static PrivateKey privateKey(Path file, String algorithm) throws IOException {
        String text;
        try {
            text = Files.readString(file, StandardCharsets.ISO_8859_1);
        } catch (java.nio.file.NoSuchFileException e) {
            throw new IOException("there is no file " + file);
        }
        Matcher block = BLOCK.matcher(text);
        while (block.find()) {
            String kind = block.group(1);
            if (!kind.endsWith("PRIVATE KEY")) continue;        // "EC PARAMETERS" may come first
            if (kind.startsWith("ENCRYPTED") || block.group(2).contains("ENCRYPTED")) {
                throw new IOException(file + " is encrypted; llmsnap has nobody to ask for its password: write it out without one"
                    + " (openssl pkey -in " + file.getFileName() + " -out plain.pem)");
            }
            try {
                byte[] der = Base64.getMimeDecoder().decode(block.group(2));
                byte[] pkcs8 = switch (kind) {
                    case "RSA PRIVATE KEY" -> pkcs8(RSA, der);
                    case "EC PRIVATE KEY" -> pkcs8(sequence(0x30, concat(EC, curve(der))), der);
                    default -> der;
                };
                return KeyFactory.getInstance(algorithm).generatePrivate(new PKCS8EncodedKeySpec(pkcs8));
            } catch (GeneralSecurityException | IllegalArgumentException e) {
                throw new IOException(file + " holds no key that can be used (" + algorithm + "): " + e.getMessage());
            }
        }
        throw new IOException(file + " holds no PEM private key");
    }

    // ---- as much DER as it takes to put an older key's bytes into PKCS#8

    private static byte[] pkcs8(byte[] algorithm, byte[] key) {
        byte[] version = {0x02, 0x01, 0x00};
        return sequence(0x30, concat(version, algorithm, sequence(0x04, key)));
    }

    /** The curve's name out of a SEC1 key: the object identifier inside its element [0]. */
    private static byte[] curve(byte[] sec1) {
        for (int i = 0; i + 3 < sec1.length; i++) {
            if ((sec1[i] & 0xff) == 0xa0 && sec1[i + 2] == 0x06 && sec1[i + 1] == sec1[i + 3] + 2) {
                return java.util.Arrays.copyOfRange(sec1, i + 2, i + 2 + sec1[i + 1]);
            }
        }
        throw new IllegalArgumentException("the EC key does not name its curve");
    }

    private static byte[] sequence(int tag, byte[] content) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        out.write(tag);
        int length = content.length;
        if (length < 0x80) {
            out.write(length);
        } else {
            int bytes = length < 0x100 ? 1 : length < 0x10000 ? 2 : 3;
            out.write(0x80 | bytes);
            for (int i = bytes - 1; i >= 0; i--) out.write(length >> 8 * i);
        }
        out.writeBytes(content);
        return out.toByteArray();
    }

    private static byte[] concat(byte[]... parts) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        for (byte[] part : parts) out.writeBytes(part);
        return out.toByteArray();
    }
}
