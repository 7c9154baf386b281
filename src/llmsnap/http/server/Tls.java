package llmsnap.http.server;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.KeyStore.PasswordProtection;
import java.security.KeyStore.ProtectionParameter;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.Signature;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Arrays;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.KeyStoreBuilderParameters;
import javax.net.ssl.SSLContext;

/**
 * A TLS context of PEM files: a certificate with its chain, and a key as PKCS#8, PKCS#1 (RSA) or
 * SEC1 (EC). The files can be read again; new connections use what they hold then.
 */
public final class Tls {
    private static final Pattern BLOCK =
        Pattern.compile("-----BEGIN ([A-Z0-9 ]+)-----([^-]*)-----END \\1-----");
    /** The algorithm identifier of RSA in DER, and the object identifier of elliptic curves. */
    private static final byte[] RSA = HexFormat.of().parseHex("300d06092a864886f70d0101010500");
    private static final byte[] EC = HexFormat.of().parseHex("06072a8648ce3d0201");
    private static final char[] NO_PASSWORD = {};
    private static final int SEQUENCE = 0x30;
    private static final int OCTETS = 0x04;

    private final Path certificates;
    private final Path key;
    private final SSLContext context;
    private volatile KeyStore keys;

    /** Reads both files. @throws IOException with a sentence that names the one that is no good */
    public Tls(Path certificates, Path key) throws IOException {
        this.certificates = certificates;
        this.key = key;
        reload();
        try {
            // The one that asks its key store each time.
            KeyManagerFactory factory = KeyManagerFactory.getInstance("NewSunX509");
            factory.init(new KeyStoreBuilderParameters(new KeyStore.Builder() {
                @Override public KeyStore getKeyStore() {
                    return keys;
                }

                @Override public ProtectionParameter getProtectionParameter(String alias) {
                    return new PasswordProtection(NO_PASSWORD);
                }
            }));
            this.context = SSLContext.getInstance("TLS");
            context.init(factory.getKeyManagers(), null, null);
        } catch (GeneralSecurityException e) {
            throw new IOException("this Java has no TLS: " + e.getMessage());
        }
    }

    SSLContext context() {
        return context;
    }

    /** The two files. */
    public List<Path> files() {
        return List.of(certificates, key);
    }

    /** Reads both files again; when that fails what was read before holds. */
    public void reload() throws IOException {
        try {
            Certificate[] chain = chain(certificates);
            PublicKey known = chain[0].getPublicKey();
            PrivateKey secret = privateKey(key, known.getAlgorithm());
            checkPair(secret, known);
            KeyStore store = KeyStore.getInstance("PKCS12");
            store.load(null, null);
            store.setKeyEntry("server", secret, NO_PASSWORD, chain);
            keys = store;
        } catch (GeneralSecurityException e) {
            throw new IOException(key + " does not go with " + certificates + ": "
                + e.getMessage());
        }
    }

    /** A key that belongs to another certificate is noticed here, not by every client. */
    private static void checkPair(PrivateKey secret, PublicKey known)
            throws GeneralSecurityException {
        Signature signature = Signature.getInstance(switch (secret.getAlgorithm()) {
            case "RSA" -> "SHA256withRSA";
            case "EC" -> "SHA256withECDSA";
            default -> secret.getAlgorithm();
        });
        signature.initSign(secret);
        signature.update(RSA);
        byte[] signed = signature.sign();
        signature.initVerify(known);
        signature.update(RSA);
        if (!signature.verify(signed)) {
            throw new GeneralSecurityException("it is another certificate's key");
        }
    }

    private static byte[] read(Path file) throws IOException {
        try {
            return Files.readAllBytes(file);
        } catch (NoSuchFileException e) {
            throw new IOException("there is no file " + file);
        }
    }

    private static Certificate[] chain(Path file) throws IOException {
        try {
            var in = new ByteArrayInputStream(read(file));
            Certificate[] chain = CertificateFactory.getInstance("X.509").generateCertificates(in)
                .toArray(Certificate[]::new);
            if (chain.length == 0) throw new IOException(file + " holds no certificate");
            return chain;
        } catch (GeneralSecurityException e) {
            throw new IOException(file + " is no PEM file of certificates: " + e.getMessage());
        }
    }

    private static PrivateKey privateKey(Path file, String algorithm) throws IOException {
        Matcher block = BLOCK.matcher(new String(read(file), ISO_8859_1));
        while (block.find()) {
            String kind = block.group(1);
            if (!kind.endsWith("PRIVATE KEY")) continue;        // "EC PARAMETERS" may come first
            if (kind.startsWith("ENCRYPTED") || block.group(2).contains("ENCRYPTED")) {
                throw new IOException(file
                    + " is encrypted; llmsnap has nobody to ask for its password:"
                    + " write it out without one (openssl pkey -in " + file.getFileName()
                    + " -out plain.pem)");
            }
            try {
                byte[] der = pkcs8(kind, Base64.getMimeDecoder().decode(block.group(2)));
                return KeyFactory.getInstance(algorithm)
                    .generatePrivate(new PKCS8EncodedKeySpec(der));
            } catch (GeneralSecurityException | IllegalArgumentException e) {
                throw new IOException(
                    file + " holds no key that can be used (" + algorithm + "): " + e.getMessage());
            }
        }
        throw new IOException(file + " holds no PEM private key");
    }

    // ---- as much DER as it takes to put an older key's bytes into PKCS#8

    private static byte[] pkcs8(String kind, byte[] der) {
        byte[] version = {0x02, 0x01, 0x00};
        return switch (kind) {
            case "RSA PRIVATE KEY" -> element(SEQUENCE, version, RSA, element(OCTETS, der));
            case "EC PRIVATE KEY" -> element(SEQUENCE, version, element(SEQUENCE, EC, curve(der)),
                element(OCTETS, der));
            default -> der;
        };
    }

    /** The curve's name out of a SEC1 key: the object identifier inside its element [0]. */
    private static byte[] curve(byte[] sec1) {
        for (int i = 0; i + 3 < sec1.length; i++) {
            boolean here = sec1[i] == (byte) 0xa0 && sec1[i + 2] == 0x06;
            int length = sec1[i + 1];
            if (!here || length != sec1[i + 3] + 2) continue;
            return Arrays.copyOfRange(sec1, i + 2, i + 2 + length);
        }
        throw new IllegalArgumentException("the EC key does not name its curve");
    }

    private static byte[] element(int tag, byte[]... parts) {
        var content = new ByteArrayOutputStream();
        for (byte[] part : parts) content.writeBytes(part);
        var out = new ByteArrayOutputStream();
        out.write(tag);
        int length = content.size();
        if (length >= 0x80) {
            int bytes = (39 - Integer.numberOfLeadingZeros(length)) / 8;
            out.write(0x80 | bytes);
            for (int i = bytes - 1; i > 0; i--) out.write(length >> 8 * i);
        }
        out.write(length);
        out.writeBytes(content.toByteArray());
        return out.toByteArray();
    }
}
