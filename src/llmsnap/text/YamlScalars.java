package llmsnap.text;

import static java.lang.Math.max;
import static java.lang.Math.min;

import java.util.ArrayList;
import java.util.List;
import llmsnap.text.YamlNode.Scalar;

/**
 * Reads the scalars of YAML: plain, quoted and block ones. Each {@code readX} starts at the first
 * character of an X and ends behind it.
 */
class YamlScalars extends YamlText {
    YamlScalars(String text, String file) {
        super(text, file);
    }

    /**
     * A plain scalar, over the lines that are indented deeper than {@code parent}. It ends at ": ",
     * at " #" and, in flow collections, at one of their marks.
     */
    Scalar readPlain(int parent, boolean flow) {
        int start = at;
        int c = peek();
        boolean separates = blankOrEnd(peek(1)) || flow && flowMark(peek(1));
        if ("-?:".indexOf(c) >= 0 && separates || ",[]{}#&*!|>'\"%@`".indexOf(c) >= 0) {
            throw wrong("text cannot start with " + (char) c + " here; put it in quotes");
        }
        var out = new StringBuilder();
        readPlainLine(out, flow);
        while (peek() == '\n') {
            int back = at;
            int breaks = skipPlainBreaks(parent, flow);
            boolean ends = flow ? flowMark(peek()) || atMark(':') : column(at) <= parent;
            if (ends || peek() == '#' || atDocumentEnd()) {
                at = back;
                break;
            }
            fold(out, breaks);
            int lineStart = at;
            readPlainLine(out, flow);
            if (!flow && peek() == ':') {
                throw wrong("a key inside a text that began on line " + place(start).line()
                    + "; is the indentation right?", lineStart);
            }
        }
        return new Scalar(out.toString(), true, place(start));
    }

    private int skipPlainBreaks(int parent, boolean flow) {
        int breaks = 0;
        while (peek() == '\n') {
            at++;
            breaks++;
            skipSpaces();
            int spaces = at;
            boolean shallow = !flow && column(spaces) <= parent;
            skipBlanks();
            if (shallow && spaces < at && !atLineEnd()) throw tab(spaces);
        }
        return breaks;
    }

    /** One line break is a space, more are one break less. */
    private static void fold(StringBuilder out, int breaks) {
        out.append(breaks == 1 ? " " : "\n".repeat(breaks - 1));
    }

    /** Appends what of this line belongs to a plain scalar; behind it only blanks follow. */
    private void readPlainLine(StringBuilder out, boolean flow) {
        int start = at;
        int end = at;
        while (!atLineEnd()) {
            int c = peek();
            if (c == ':' && (blankOrEnd(peek(1)) || flow && flowMark(peek(1)))) break;
            if (c == '#' && at > start && blank(peek(-1))) break;
            if (flow && text.startsWith("${env.", at) && text.indexOf('}', at) > 0) {
                at = text.indexOf('}', at);     // it stands for a text: its braces are no marks
            } else if (flow && flowMark(c)) {
                break;
            }
            at++;
            if (!blank(c)) end = at;
        }
        if (peek() != '\n' && peek() != ':') at = end;
        out.append(text, start, end);
    }

    Scalar readQuoted() {
        int open = at;
        char quote = text.charAt(at++);
        var out = new StringBuilder();
        int solid = 0;      // blanks up to here came from escapes and stay at a line's end
        while (true) {
            int c = peek();
            if (c == -1) throw unclosed(open);
            at++;
            if (c == quote) {
                if (quote != '\'' || peek() != '\'') break;
                at++;
                out.append('\'');
            } else if (c == '\n') {
                foldQuoted(out, open, solid);
            } else if (c == '\\' && quote == '"') {
                readEscape(out, open);
                solid = out.length();
            } else {
                out.append((char) c);
            }
        }
        return new Scalar(out.toString(), false, place(open));
    }

    /** Behind a line break inside quotes: it is folded, and the blanks around it go. */
    private void foldQuoted(StringBuilder out, int open, int solid) {
        int end = out.length();
        while (end > solid && blank(out.charAt(end - 1))) end--;
        out.setLength(end);
        int breaks = 1;
        while (true) {
            if (at < text.length() && atDocumentEnd()) throw unclosed(open);
            skipBlanks();
            if (peek() != '\n') break;
            at++;
            breaks++;
        }
        fold(out, breaks);
    }

    private void readEscape(StringBuilder out, int open) {
        int c = peek();
        if (c < 0) throw unclosed(open);
        at++;
        int size = "xuU".indexOf(c);
        if (size >= 0) {
            out.appendCodePoint(readCodePoint(2 << size));
            return;
        }
        if (c == '\n') {        // a break that does not count; blanks before it do
            skipBlanks();
            for (; peek() == '\n'; skipBlanks()) {
                at++;
                out.append('\n');
            }
            return;
        }
        int known = "0abtnvfre \"/\\N_LP\t".indexOf(c);
        if (known < 0) {
            throw wrong("unknown escape \\" + (char) c + " in double quotes; single quotes take"
                + " backslashes as they are", at - 2);
        }
        String meant = "\0\u0007\b\t\n\u000b\f\r\u001b \"/\\\u0085\u00a0\u2028\u2029\t";
        out.append(meant.charAt(known));
    }

    private int readCodePoint(int digits) {
        long code = 0;
        for (int i = 0; i < digits; i++, at++) {
            int digit = peek() < 128 ? Character.digit(peek(), 16) : -1;
            if (digit < 0) throw wrong("expected " + digits + " hex digits");
            code = code << 4 | digit;
        }
        boolean surrogate = code >= 0xD800 && code <= 0xDFFF;
        if (code > 0x10FFFF || surrogate) throw wrong("no such character");
        return (int) code;
    }

    // ---- | and >

    Scalar readBlockScalar(int parent) {
        Place place = place(at);
        boolean folded = peek() == '>';
        at++;
        char chomp = ' ';
        int explicit = 0;
        for (int i = 0; i < 2; i++) {
            int c = peek();
            if ((c == '-' || c == '+') && chomp == ' ') chomp = (char) c;
            else if (c >= '1' && c <= '9' && explicit == 0) explicit = c - '0';
            else break;
            at++;
        }
        if (!blankOrEnd(peek())) {
            throw wrong("after | or > only an indentation digit, - or + and a comment may stand");
        }
        endLine();
        int indent = explicit > 0 ? max(parent, 0) + explicit : blockIndent(parent);
        List<String> lines = readBlockLines(indent);
        int end = lines.size();
        while (end > 0 && lines.get(end - 1).isEmpty()) end--;
        var out = new StringBuilder();
        if (folded) foldBlock(lines.subList(0, end), out);
        else lines.subList(0, end).forEach(line -> out.append(line).append('\n'));
        boolean cutOff = at == text.length() && !text.endsWith("\n") && lines.size() == end;
        if (end > 0 && (chomp == '-' || cutOff)) out.setLength(out.length() - 1);
        if (chomp == '+') out.append("\n".repeat(lines.size() - end));
        return new Scalar(out.toString(), false, place);
    }

    /** Folds breaks between lines that are not indented deeper; the last line is not empty. */
    private static void foldBlock(List<String> lines, StringBuilder out) {
        for (int i = 0; i < lines.size(); i++) {
            String line = lines.get(i);
            out.append(line);
            if (i + 1 == lines.size() || line.isEmpty() || blank(line.charAt(0))) {
                out.append('\n');
                continue;
            }
            int next = i + 1;
            while (lines.get(next).isEmpty()) next++;
            if (blank(lines.get(next).charAt(0))) out.append("\n".repeat(next - i));
            else fold(out, next - i);
            i = next - 1;
        }
    }

    /** The indentation of the first line with content; one past {@code parent} without any. */
    private int blockIndent(int parent) {
        int longest = 0;
        for (int i = at; i < text.length(); ) {
            int start = i;
            while (charAt(i) == ' ') i++;
            int spaces = i - start;
            if (charAt(i) == '\n') {
                longest = max(longest, spaces);
                i++;
                continue;
            }
            if (i >= text.length()) break;
            if (text.charAt(i) == '\t' && spaces <= parent) throw tab(i);
            if (spaces > parent && longest > spaces) {
                throw wrong("an empty line before it is indented deeper than this first line", i);
            }
            return max(spaces, parent + 1);
        }
        return max(longest, parent + 1);
    }

    /** The lines at {@code indent} or deeper, without that indentation; empty ones are "". */
    private List<String> readBlockLines(int indent) {
        List<String> lines = new ArrayList<>();
        while (at < text.length()) {
            int i = at;
            while (charAt(i) == ' ' && i - at < indent) i++;
            int eol = text.indexOf('\n', i);
            if (eol < 0) eol = text.length();
            if (i - at == indent && !(indent == 0 && atDocumentEnd())) {
                lines.add(text.substring(i, eol));
            } else if (i < eol) {
                break;
            } else if (eol < text.length()) {
                lines.add("");
            }
            at = min(eol + 1, text.length());
        }
        return lines;
    }
}
