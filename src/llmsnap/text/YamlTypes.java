package llmsnap.text;

import java.math.BigInteger;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Which type a plain YAML scalar has: YAML 1.2's core schema as Go's yaml.v3 reads it. */
final class YamlTypes {
    private static final Pattern FLOAT =
        Pattern.compile("[-+]?(\\.[0-9]+|[0-9]+(\\.[0-9]*)?)([eE][-+]?[0-9]+)?");
    private static final Pattern DATE = Pattern.compile("([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})");
    private static final BigInteger MIN = BigInteger.valueOf(Long.MIN_VALUE);
    private static final BigInteger MAX = BigInteger.ONE.shiftLeft(64).subtract(BigInteger.ONE);

    private YamlTypes() {}

    static Json resolve(String text) {
        return switch (text) {
            case "", "~", "null", "Null", "NULL" -> Json.NULL;
            case "true", "True", "TRUE" -> Json.TRUE;
            case "false", "False", "FALSE" -> Json.FALSE;
            default -> "+-.0123456789".indexOf(text.charAt(0)) < 0 ? new Json.Str(text)
                : number(text);
        };
    }

    private static Json number(String text) {
        String digits = text.replace("_", "");
        BigInteger whole = whole(digits);
        if (whole != null && whole.compareTo(MIN) >= 0 && whole.compareTo(MAX) <= 0) {
            return new Json.Num(whole.toString());
        }
        if (FLOAT.matcher(digits).matches()) {
            double value = Double.parseDouble(digits);
            if (value == 0 && 1 / value < 0) return new Json.Num("-0");
            if (!Double.isInfinite(value)) return new Json.Num(Json.number(value));
        }
        Matcher date = DATE.matcher(text);
        if (!date.matches()) return new Json.Str(text);
        // yaml.v3 makes a time of it, which JSON prints so
        return new Json.Str(String.format("%s-%02d-%02dT00:00:00Z", date.group(1),
            Integer.parseInt(date.group(2)), Integer.parseInt(date.group(3))));
    }

    /** A whole number in base 2, 8, 10 or 16 by its prefix (a leading 0 is octal), or null. */
    private static BigInteger whole(String text) {
        int sign = text.startsWith("-") || text.startsWith("+") ? 1 : 0;
        String body = text.substring(sign);
        int base = 10;
        if (body.length() > 1 && body.charAt(0) == '0') {
            char mark = Character.toLowerCase(body.charAt(1));
            base = mark == 'x' ? 16 : 8;
            if (mark == 'b') base = 2;
            body = body.substring(mark == 'x' || mark == 'b' || mark == 'o' ? 2 : 1);
        }
        if (body.isEmpty() || body.startsWith("-") || body.startsWith("+")) return null;
        try {
            var value = new BigInteger(body, base);
            return text.startsWith("-") ? value.negate() : value;
        } catch (NumberFormatException e) {
            return null;
        }
    }
}
