package llmsnap.config;

import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/** The time formats that Go's names stand for, in lower case. */
public final class TimeFormat {
    private static final Map<String, DateTimeFormatter> BY_NAME = new TreeMap<>();

    static {
        add("ansic", "EEE MMM ppd HH:mm:ss yyyy");
        add("unixdate", "EEE MMM ppd HH:mm:ss zzz yyyy");
        add("rubydate", "EEE MMM dd HH:mm:ss xx yyyy");
        add("rfc822", "dd MMM yy HH:mm zzz");
        add("rfc822z", "dd MMM yy HH:mm xx");
        add("rfc850", "EEEE, dd-MMM-yy HH:mm:ss zzz");
        add("rfc1123", "EEE, dd MMM yyyy HH:mm:ss zzz");
        add("rfc1123z", "EEE, dd MMM yyyy HH:mm:ss xx");
        add("rfc3339", "yyyy-MM-dd'T'HH:mm:ssXXX");
        add("timeonly", "HH:mm:ss");
        add("kitchen", "h:mma");
        add("stamp", "MMM ppd HH:mm:ss");
        add("stampmilli", "MMM ppd HH:mm:ss.SSS");
        add("stampmicro", "MMM ppd HH:mm:ss.SSSSSS");
        add("stampnano", "MMM ppd HH:mm:ss.SSSSSSSSS");
        BY_NAME.put("rfc3339nano", DateTimeFormatter.ISO_OFFSET_DATE_TIME);
    }

    private TimeFormat() {}

    private static void add(String name, String pattern) {
        BY_NAME.put(name, DateTimeFormatter.ofPattern(pattern, Locale.ENGLISH));
    }

    static Set<String> names() {
        return BY_NAME.keySet();
    }

    /** The time now and a blank; "" for the name "". */
    public static String stamp(String name) {
        return name.isEmpty() ? "" : BY_NAME.get(name).format(ZonedDateTime.now()) + " ";
    }
}
