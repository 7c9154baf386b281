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
        """
        ansic EEE MMM ppd HH:mm:ss yyyy
        unixdate EEE MMM ppd HH:mm:ss zzz yyyy
        rubydate EEE MMM dd HH:mm:ss xx yyyy
        rfc822 dd MMM yy HH:mm zzz
        rfc822z dd MMM yy HH:mm xx
        rfc850 EEEE, dd-MMM-yy HH:mm:ss zzz
        rfc1123 EEE, dd MMM yyyy HH:mm:ss zzz
        rfc1123z EEE, dd MMM yyyy HH:mm:ss xx
        rfc3339 yyyy-MM-dd'T'HH:mm:ssXXX
        timeonly HH:mm:ss
        kitchen h:mma
        stamp MMM ppd HH:mm:ss
        stampmilli MMM ppd HH:mm:ss.SSS
        stampmicro MMM ppd HH:mm:ss.SSSSSS
        stampnano MMM ppd HH:mm:ss.SSSSSSSSS
        """.lines().map(line -> line.split(" ", 2)).forEach(each ->
            BY_NAME.put(each[0], DateTimeFormatter.ofPattern(each[1], Locale.ENGLISH)));
        BY_NAME.put("rfc3339nano", DateTimeFormatter.ISO_OFFSET_DATE_TIME);
    }

    private TimeFormat() {}

    static Set<String> names() {
        return BY_NAME.keySet();
    }

    /** The time now and a blank; "" for the name "". */
    public static String stamp(String name) {
        return name.isEmpty() ? "" : BY_NAME.get(name).format(ZonedDateTime.now()) + " ";
    }
}
