package llmsnap.process;

import static java.lang.Math.max;

import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import llmsnap.record.Log;
import llmsnap.record.LogBuffer;

/** What one run has printed, and what can be read off it. @param from where it begins in the log */
record RunOutput(LogBuffer log, long from) {
    private static final int TAIL_LINES = 15;
    private static final int MAX_LINE = 300;
    private static final int MAX_LINES = 500;
    private static final int MAX_BYTES = 50_000;
    private static final Pattern COLOUR = Pattern.compile("\u001b\\[[0-9;:]*m");
    private static final Pattern LISTENS =
        Pattern.compile("(?i)listening[^\n]{0,60}?:([0-9]{2,5})\\b");
    /** What the servers and drivers of all makers say when there is not enough. */
    private static final Pattern NO_MEMORY = Pattern.compile("(?i)out of (device )?memory|"
        + "outof(device|host)?memory|failed to allocate|cudamalloc failed|insufficient memory|"
        + "cannot allocate memory|not enough (gpu |free )?memory");

    /** The last lines, without colours. */
    String last(int lines) {
        return COLOUR.matcher(log.lastLines(lines, MAX_BYTES, from)).replaceAll("");
    }

    /** The last lines for error messages, and those before them that tell what went wrong. */
    String tail() {
        List<String> lines = last(MAX_LINES).lines().filter(line -> !line.isBlank()).toList();
        // What went wrong may stand before pages of help.
        List<String> telling = lines.stream().limit(max(0, lines.size() - TAIL_LINES))
            .filter(Log::isTelling).limit(TAIL_LINES / 2).toList();
        int rest = TAIL_LINES - telling.size();
        String all = Stream.concat(telling.stream(), lines.stream()
            .skip(max(0, lines.size() - rest))).map(line -> Log.cut(line, MAX_LINE))
            .collect(Collectors.joining("\n"));
        return all.isEmpty() ? "it logged nothing" : "its last lines:\n" + all;
    }

    boolean saysOutOfMemory() {
        return NO_MEMORY.matcher(last(MAX_LINES)).find();
    }

    /** What it says of another port than the one that is asked, for people; or "". */
    String otherPort(int asked) {
        Matcher port = LISTENS.matcher(last(MAX_LINES));
        String last = "";
        while (port.find()) last = port.group(1);
        boolean other = !last.isEmpty() && !last.equals(String.valueOf(asked));
        return other ? "; its log says it listens on " + last : "";
    }
}
