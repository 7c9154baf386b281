package llmsnap.text;

import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Sizes in bytes as people write them; GB and GiB both mean 2^30, as tools for GPUs show them. */
public final class Size {
    public static final String FORMS = "24GB, 24GiB, 512MB, 1.5G or a number of bytes";
    private static final Pattern FORM =
        Pattern.compile("([0-9]{1,15}(?:\\.[0-9]{1,6})?) ?([KMGT]?)(?:I?B)?");
    private static final String UNITS = " KMGT";
    private static final double SHOWN_WHOLE = 100;

    private Size() {}

    /** How many bytes a text means, at most {@link Long#MAX_VALUE}; -1 when it is no size. */
    public static long parse(String text) {
        Matcher parts = FORM.matcher(text.strip().toUpperCase(Locale.ROOT));
        if (!parts.matches()) return -1;
        int power = UNITS.indexOf((parts.group(2) + " ").charAt(0));
        BigDecimal bytes = new BigDecimal(parts.group(1))
            .multiply(BigDecimal.valueOf(1L << 10 * power));
        boolean fits = bytes.compareTo(BigDecimal.valueOf(Long.MAX_VALUE)) <= 0;
        return fits ? bytes.longValue() : Long.MAX_VALUE;
    }

    /** For people: "9.1 GB". */
    public static String shown(long bytes) {
        int power = 0;
        double number = bytes;
        for (; number >= 1 << 10 && power < UNITS.length() - 1; power++) number /= 1 << 10;
        String unit = power == 0 ? " bytes" : " " + UNITS.charAt(power) + "B";
        int digits = number < SHOWN_WHOLE ? 1 : 0;
        return BigDecimal.valueOf(number).setScale(digits, RoundingMode.HALF_UP)
            .stripTrailingZeros().toPlainString() + unit;
    }
}
