package llmsnap;

import static llmsnap.Running.JAVA;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

class CommandLineTest {
    private static Path config(String yaml) throws IOException {
        return Files.writeString(Files.createTempFile("llmsnap-test", ".yaml"), yaml);
    }

    @Test void flags() throws Exception {
        assertThat(Running.run(JAVA, "--version")).matches("0 llmsnap \\d+\\.\\d+\\.\\d+ .*\n");
        assertThat(Running.run(JAVA, "-help")).startsWith("0 usage:");
        assertThat(Running.run(JAVA, "--listn", ":1"))
            .startsWith("2 llmsnap: there is no flag --listn; did you mean --listen?");
        assertThat(Running.run(JAVA, "config.yaml"))
            .startsWith("2 llmsnap: \"config.yaml\" is no flag");
        assertThat(Running.run(JAVA, "--listen=nowhere"))
            .startsWith("2 llmsnap: --listen nowhere has no port");
        assertThat(Running.run(JAVA, "--config")).startsWith("2 llmsnap: --config needs a value");
        assertThat(Running.run(JAVA, "-config=/no/such/file"))
            .startsWith("1 llmsnap: there is no file /no/such/file");
    }

    @Test void arguments() throws Exception {
        Arguments arguments =
            Arguments.parse(new String[] {"-config=a=b", "-listen", ":80", "--demo=false"});
        assertThat(arguments.value("config")).isEqualTo("a=b");
        assertThat(arguments.has("demo")).isFalse();
        assertThat(arguments.host()).isEmpty();
        assertThat(arguments.port()).isEqualTo(80);
        assertThat(Arguments.parse(new String[] {"--listen", "[::1]:90"}).host()).isEqualTo("::1");
        assertThat(Arguments.parse(new String[] {}).listen()).isEqualTo("127.0.0.1:8080");
        assertThat(Arguments.parse(new String[] {"--listen", "9090"}).host())
            .isEqualTo("127.0.0.1");
        assertThat(Running.run(JAVA, "--max-body", "9000000T"))
            .startsWith("2 llmsnap: --max-body 9000000T is more than any machine has");
    }

    private static String runInC(String... flags) throws Exception {
        List<String> command = new ArrayList<>(List.of(JAVA, "-jar", Running.JAR.toString()));
        command.addAll(List.of(flags));
        var start = new ProcessBuilder(command).redirectErrorStream(true);
        start.environment().keySet().removeAll(List.of("LANG", "LC_ALL", "LC_CTYPE"));
        Process process = start.start();
        var said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        return process.waitFor() + " " + said;
    }

    @Test void whatALocaleCannotPassOnIsSaid() throws Exception {
        Path file = config("models: {a: {cmd: 'run /srv/Gr\u00f6\u00dfe.gguf ${PORT}'}}\n");
        assertThat(runInC("--config", file.toString(), "--check-config")).startsWith("1 ")
            .contains("set LANG=C.UTF-8");
        Path plain = config("models: {a: {cmd: 'run ${PORT}'}}\n");
        assertThat(runInC("--config", plain.toString(), "--check-config")).startsWith("0 ");
        assertThat(runInC("--config", "Gr\u00f6\u00dfe.yaml")).startsWith("1 ")
            .doesNotContain("Exception");
    }

    @Test void closedStandardStreamsAreSurvived() throws Exception {
        int port = Running.freePorts(1);
        Process process = new ProcessBuilder("sh", "-c", "exec \"$0\" \"$@\" <&- >&- 2>&-", JAVA,
            "-jar", Running.JAR.toString(), "--demo", "--listen", "127.0.0.1:" + port).start();
        try {
            Running.await("health", () -> healthy(port));
            for (int i = 0; i < 20; i++) assertThat(healthy(port)).isTrue();
            assertThat(process.isAlive()).isTrue();
        } finally {
            process.destroy();
            process.waitFor();
        }
        assertThat(process.exitValue()).isZero();
    }

    private static boolean healthy(int port) {
        try (var socket = new Socket("127.0.0.1", port)) {
            socket.setSoTimeout(10_000);
            socket.getOutputStream().write(
                "GET /running HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".getBytes());
            return new String(socket.getInputStream().readAllBytes()).startsWith("HTTP/1.1 200");
        } catch (IOException e) {
            return false;
        }
    }

    @Test void checkConfigPrintsWhatWasUnderstood() throws Exception {
        Path good = config("""
            models:
              a: {cmd: "run --port ${PORT} 'x y'", aliases: [z], ttl: 5}
              b: {cmd: x, proxy: http://h:1}
              c: {cmd: '/no/llama-server --port ${PORT} -m /no/c.gguf -m none.gguf'}
              d: {cmd: 'sh -m /no/d.gguf', proxy: http://h:1}
            cmdstop: x
            """);
        String text = Running.run(JAVA, "--config", good.toString(), "--check-config");
        assertThat(text)
            .startsWith("0 " + good + ":6:1: unknown key \"cmdstop\", ignored (warning)")
            .contains("model a\n  command: run --port 5800 'x y'\n")
            .contains("aliases: z")
            .contains("is unloaded after 5 s")
            .contains("unloads: all others")
            .contains("model a: there is no program \"run\" on this machine\n")
            .contains("model c: there is no program \"/no/llama-server\" on")
            .contains("model c: there is no file /no/c.gguf on this machine")
            .doesNotContain("none.gguf on").doesNotContain("d.gguf on")
            .contains("the configuration is valid");
        Path bad = config("models:\n  a: {}\nstartPort: x\n");
        assertThat(Running.run(JAVA, "--config", bad.toString(), "--check-config"))
            .startsWith("1 " + bad + ":2:3: the model \"a\" has no cmd")
            .contains(bad + ":3:12: startPort has to be")
            .contains("has 3 errors; nothing was started");
    }

    @Test void anAddressInUseIsSaid() throws Exception {
        try (Running first = Running.start("models: {}\n")) {
            assertThat(
                            Running.run(
                                JAVA,
                                "--config",
                                first.config.toString(),
                                "--listen",
                                "127.0.0.1:" + first.port))
                .contains("cannot listen on 127.0.0.1:" + first.port);
        }
    }

    @Test void everyInterfaceWithoutKeysIsSaidLoudly() throws Exception {
        try (Running llmsnap = Running.start("models: {}\n", "--listen", ":0")) {
            Running.await(
                "the warning",
                () -> llmsnap.output().contains("WARNING: anybody who can reach port"));
        }
    }

    @Test void anOlderJavaIsToldWhatItNeeds() throws Exception {
        Path old = null;
        try (Stream<Path> homes =
            Files.isDirectory(Path.of("/usr/lib/jvm"))
                ? Files.list(Path.of("/usr/lib/jvm"))
                : Stream.empty()) {
            old =
                homes.filter(
                                home ->
                                    home.getFileName()
                                        .toString()
                                        .matches(".*[-.](8|11|17)([-.].*)?"))
                    .map(home -> home.resolve("bin/java"))
                    .filter(Files::isExecutable)
                    .findFirst()
                    .orElse(null);
        }
        assumeTrue(old != null, "no Java older than 21 here");
        assertThat(Running.run(old.toString()))
            .startsWith("1 llmsnap needs Java 21 or newer; this is Java ")
            .hasLineCount(1);
    }
}
