package llmsnap.platform;

import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;

/** Folders of GGUF files, and what their headers say, which is remembered until they change. */
public final class ModelFiles {
    private static final int MAX_DEPTH = 3;
    private static final String ENDING = ".gguf";

    /** What a file was when it was read; {@code wrong} instead of a header. */
    private record Read(String stamp, Map<String, String> header, String wrong) {}

    private final Map<Path, Read> headers = new ConcurrentHashMap<>();

    /**
     * The GGUF files in a folder and up to three below it, by their path. Links are followed; no
     * file and no folder is there twice.
     *
     * @throws IOException with a sentence, when there is no such folder or it cannot be read
     */
    public List<Path> in(Path folder) throws IOException {
        Set<Path> files = new TreeSet<>();
        Set<Path> seen = new HashSet<>();
        List<Path> level = List.of(folder);
        // Level by level: one that a link leads to again is not cut off by being deeper there.
        for (int depth = 0; depth <= MAX_DEPTH; depth++) {
            List<Path> below = new ArrayList<>();
            for (Path each : level) {
                try {
                    if (seen.add(each.toRealPath())) list(each, files, below);
                } catch (NoSuchFileException | NotDirectoryException e) {
                    if (depth == 0) throw new IOException("there is no folder " + folder);
                } catch (IOException | DirectoryIteratorException e) {
                    if (depth == 0) throw new IOException(folder + " cannot be read: " + e);
                }
            }
            level = below;
        }
        Set<Path> real = new HashSet<>();
        List<Path> once = new ArrayList<>();
        for (Path each : files) if (real.add(each.toRealPath())) once.add(each);
        return once;
    }

    private static void list(Path folder, Set<Path> files, List<Path> below) throws IOException {
        try (DirectoryStream<Path> all = Files.newDirectoryStream(folder)) {
            for (Path each : all) {
                boolean model = each.toString().endsWith(ENDING) && Files.isRegularFile(each);
                if (model) files.add(each);
                else if (Files.isDirectory(each)) below.add(each);
            }
        }
    }

    /** Whether a program can be told of a file by its name, which need not be text. */
    public static boolean hasPlainName(Path file) {
        String name = file.toString();
        if (name.chars().anyMatch(Character::isISOControl)) return false;
        try {
            return Path.of(name).equals(file) && name.indexOf('\uFFFD') < 0;
        } catch (InvalidPathException e) {
            return false;
        }
    }

    /** As {@link Gguf#header}, remembered by path, size and date. */
    public Map<String, String> header(Path file) throws IOException {
        String stamp = stampOf(file);
        Read before = headers.get(file);
        if (before == null || !before.stamp.equals(stamp)) {
            before = read(file, stamp);
            headers.put(file, before);
        }
        if (before.wrong != null) throw new IOException(before.wrong);
        return before.header;
    }

    private static Read read(Path file, String stamp) {
        try {
            return new Read(stamp, Gguf.header(file), null);
        } catch (AccessDeniedException e) {
            return new Read(stamp, null, "it may not be read");
        } catch (IOException e) {
            return new Read(stamp, null, e.getMessage());
        }
    }

    private static String stampOf(Path file) throws IOException {
        BasicFileAttributes now = Files.readAttributes(file, BasicFileAttributes.class);
        return now.size() + " " + now.lastModifiedTime();
    }

    /** Tells one state of a folder from another; "" when it cannot be read. */
    public String stamp(Path folder) {
        var stamp = new StringBuilder("folder");
        try {
            for (Path each : in(folder)) stamp.append(each).append(' ').append(stampOf(each));
        } catch (IOException e) {
            return "";
        }
        return stamp.toString();
    }
}
