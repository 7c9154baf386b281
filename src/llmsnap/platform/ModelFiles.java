package llmsnap.platform;

import java.io.IOException;
import java.nio.file.AccessDeniedException;
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
        try {
            collect(folder, 0, files, new HashSet<>());
        } catch (NoSuchFileException | NotDirectoryException e) {
            throw new IOException("there is no folder " + folder);
        }
        Set<Object> seen = new HashSet<>();
        List<Path> once = new ArrayList<>();
        for (Path each : files) if (seen.add(each.toRealPath())) once.add(each);
        return once;
    }

    private static void collect(Path folder, int depth, Set<Path> files, Set<Path> seen)
            throws IOException {
        if (!seen.add(folder.toRealPath())) return;
        try (DirectoryStream<Path> all = Files.newDirectoryStream(folder)) {
            for (Path each : all) {
                boolean model = each.toString().endsWith(ENDING);
                if (model && Files.isRegularFile(each)) files.add(each);
                else if (!model && depth < MAX_DEPTH && Files.isDirectory(each)) {
                    enter(each, depth + 1, files, seen);
                }
            }
        }
    }

    /** A folder below that cannot be read hides no other. */
    private static void enter(Path folder, int depth, Set<Path> files, Set<Path> seen) {
        try {
            collect(folder, depth, files, seen);
        } catch (IOException e) {
            // lost+found and the like
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
