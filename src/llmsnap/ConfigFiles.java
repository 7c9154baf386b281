package llmsnap;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.List;
import llmsnap.config.ConfigReader.Text;
import llmsnap.text.Json;

/**
 * What the configuration is made of.
 *
 * @param file null when none is named
 * @param dirs of which each YAML file is part of it
 * @param given what the command line or the demo says, as YAML; "" for nothing
 * @param givenBy the name for that
 */
record ConfigFiles(Path file, List<Path> dirs, String given, String givenBy) {
    private static final String DEFAULT = "config.yaml";
    private static final String SERVER = "llama-server";

    /** What the arguments name. */
    static ConfigFiles of(Arguments arguments) throws Exit {
        if (arguments.has("demo")) {
            return new ConfigFiles(null, List.of(), Demo.yaml(), "the demo");
        }
        String file = arguments.value("config");
        List<String> models = arguments.values("models");
        List<Path> dirs = new ArrayList<>();
        for (String each : arguments.values("config-dir")) dirs.add(path(each));
        boolean usual = file == null && models.isEmpty() && dirs.isEmpty();
        Path named = file == null ? null : path(file);
        if (usual) named = Path.of(DEFAULT);
        String server = arguments.value(SERVER);
        if (server != null && models.isEmpty()) {
            throw new Exit(2, "--llama-server is for the models of --models DIR");
        }
        return new ConfigFiles(named, dirs, discover(models, server), "--models");
    }

    /** A YAML text that finds models in those folders. */
    private static String discover(List<String> folders, String server) throws Exit {
        if (folders.isEmpty()) return "";
        boolean there = ThisMachine.hasProgram(server == null ? SERVER : path(server).toString());
        if (!there) {
            String what = server == null ? "there is no llama-server on the PATH: install"
                + " llama.cpp, or say where it is" : server + " is no program: say which one is";
            throw new Exit(1, what + " with --llama-server FILE");
        }
        List<Json.Obj> all = new ArrayList<>();
        for (String each : folders) {
            if (!Files.isDirectory(path(each))) {
                throw new Exit(1, "there is no folder " + each + ", which --models names");
            }
            List<String> cmd = List.of(server == null ? SERVER : path(server).toString(),
                "--port", "${PORT}", "-m", "${FILE}", "${MMPROJ}");
            all.add(Json.obj("dir", path(each).toString(), "cmd", cmd));
        }
        return Json.obj("discover", all).toString();     // which is YAML, too
    }

    private static Path path(String name) throws Exit {
        try {
            return Path.of(name);
        } catch (InvalidPathException e) {
            throw new Exit(1, "the name of the file has characters that this locale cannot pass on:"
                + " set LANG=C.UTF-8 in the environment of llmsnap");
        }
    }

    /** What it is called in messages that mean no one place of it. */
    String name() {
        if (file != null) return file.toString();
        return dirs.isEmpty() ? givenBy : dirs.getFirst().toString();
    }

    /** Tells one set of files from another's. */
    String identity() {
        if (file != null) return file.toAbsolutePath().normalize().toString();
        return dirs.isEmpty() ? givenBy + given : dirs.getFirst().toAbsolutePath().toString();
    }

    /** Whether reading it again could tell something new. */
    boolean mayChange() {
        return file != null || !dirs.isEmpty() || !given.isEmpty();
    }

    private List<Path> files() throws IOException {
        List<Path> files = new ArrayList<>();
        if (file != null) files.add(file);
        for (Path dir : dirs) {
            List<Path> its = new ArrayList<>();
            try (DirectoryStream<Path> all = Files.newDirectoryStream(dir, "*.{yaml,yml}")) {
                // Editors leave files with a dot in front.
                for (Path each : all) {
                    boolean hidden = each.getFileName().toString().startsWith(".");
                    if (!hidden && Files.isRegularFile(each)) its.add(each);
                }
            } catch (NoSuchFileException | NotDirectoryException e) {
                throw new IOException("there is no folder " + dir);
            }
            if (its.isEmpty()) throw new IOException("there is no *.yaml file in " + dir);
            its.sort(null);
            files.addAll(its);
        }
        return files;
    }

    /** All of it, in order. @throws IOException with a sentence */
    List<Text> read() throws IOException {
        List<Text> texts = new ArrayList<>();
        List<Path> files = files();
        boolean one = files.size() + (given.isEmpty() ? 0 : 1) == 1;
        for (Path each : files) {
            try {
                texts.add(new Text(one ? "" : each.toString(), Files.readAllBytes(each)));
            } catch (NoSuchFileException e) {
                throw new NoSuchFileException(each.toString(), null,
                    "there is no file " + each);
            } catch (FileSystemException e) {
                throw new IOException("cannot read " + each + ": " + e);
            } catch (IOException e) {
                throw new IOException("cannot read " + each + ": " + e.getMessage());
            }
        }
        if (!given.isEmpty()) texts.add(new Text(one ? "" : givenBy, given.getBytes(UTF_8)));
        return texts;
    }

    /** Tells one state of the files from another, the first one's first. */
    List<String> stamps() {
        List<String> stamps = new ArrayList<>();
        if (file != null) stamps.add(stamp(file));
        for (Path dir : dirs) {
            try {
                for (Path each : new ConfigFiles(null, List.of(dir), "", "").files()) {
                    stamps.add(stamp(each));
                }
            } catch (IOException e) {
                stamps.add("");
            }
        }
        return stamps;
    }

    /**
     * Tells one state of a file from another, also behind a switched symlink; "" when it is not
     * there.
     */
    static String stamp(Path file) {
        try {
            BasicFileAttributes attributes = Files.readAttributes(file, BasicFileAttributes.class);
            return file.toRealPath() + " " + attributes.lastModifiedTime() + " " + attributes.size()
                + " " + attributes.fileKey();
        } catch (IOException e) {
            return "";
        }
    }
}
