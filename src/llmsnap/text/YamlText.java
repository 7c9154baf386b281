package llmsnap.text;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CoderResult;
import java.util.Arrays;
import java.util.stream.IntStream;

/** The characters of a YAML text, one after another, and where they stand. */
class YamlText {
    final String text;
    private final String file;
    int at;                                 // the next character
    private final int[] lineStarts;

    /** @param file its name, for places; or "" */
    YamlText(String text, String file) {
        this.text = text;
        this.file = file;
        lineStarts = IntStream.rangeClosed(0, text.length())
            .filter(i -> i == 0 || text.charAt(i - 1) == '\n').toArray();
    }

    /** The text of a file, without byte order mark, line ends as \n. */
    static String decode(byte[] utf8, String file) {
        CharBuffer out = CharBuffer.allocate(utf8.length + 1);
        CoderResult result = UTF_8.newDecoder().decode(ByteBuffer.wrap(utf8), out, true);
        String text = out.flip().toString();
        if (result.isError()) {
            throw new YamlText(text, file).wrong("this is not UTF-8", text.length());
        }
        if (text.startsWith("\uFEFF")) text = text.substring(1);
        return text.replace("\r\n", "\n").replace('\r', '\n');
    }

    void checkCharacters() {
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            boolean control = c < 0x20 ? c != '\n' && c != '\t' : c >= 0x7f && c < 0xa0
                && c != 0x85;
            if (control || c == '\uFEFF' || c >= '\uFFFE') {
                throw wrong(String.format("a control character (U+%04X)", (int) c), i);
            }
        }
    }

    Place place(int index) {
        int line = Arrays.binarySearch(lineStarts, index);
        if (line < 0) line = -line - 2;
        return new Place(file, line + 1, index - lineStarts[line] + 1);
    }

    Malformed wrong(String what) {
        return wrong(what, at);
    }

    Malformed wrong(String what, int index) {
        return new Malformed(what, place(Math.min(index, text.length())));
    }

    int column(int index) {
        return place(index).column() - 1;
    }

    /** The next character, -1 at the end. */
    int peek() {
        return peek(0);
    }

    int peek(int ahead) {
        return charAt(at + ahead);
    }

    int charAt(int index) {
        return index < text.length() ? text.charAt(index) : -1;
    }

    /** Whether {@code mark} stands here with a blank or the line's end behind it. */
    boolean atMark(char mark) {
        return peek() == mark && blankOrEnd(peek(1));
    }

    boolean atLineEnd() {
        return peek() == '\n' || peek() == -1;
    }

    static boolean blank(int c) {
        return c == ' ' || c == '\t';
    }

    static boolean blankOrEnd(int c) {
        return blank(c) || c == '\n' || c == -1;
    }

    static boolean flowMark(int c) {
        return ",[]{}".indexOf(c) >= 0;
    }

    void skipBlanks() {
        while (blank(peek())) at++;
    }

    void skipSpaces() {
        while (peek() == ' ') at++;
    }

    void skipLine() {
        while (!atLineEnd()) at++;
    }

    /** Whether a comment begins here. */
    boolean atComment() {
        return peek() == '#' && (column(at) == 0 || blank(peek(-1)));
    }

    /**
     * Whether a document marker, {@code ---} or {@code ...}, stands here at the start of a line.
     */
    boolean atMarker(String mark) {
        return column(at) == 0 && text.startsWith(mark, at) && blankOrEnd(peek(3));
    }

    boolean atDocumentEnd() {
        return at >= text.length() || atMarker("---") || atMarker("...");
    }

    Malformed tab(int index) {
        return wrong("a tab in the indentation; YAML wants spaces", index);
    }

    Malformed unclosed(int open) {
        return wrong("this " + text.charAt(open) + " is never closed", open);
    }

    /** Skips blanks and a comment up to the end of the line; anything else there is refused. */
    void endLine() {
        skipBlanks();
        if (atComment()) skipLine();
        if (peek() == ':') throw wrong("a \":\" where none can be; quote the text if it is one");
        if (!atLineEnd()) throw wrong("unexpected text after the value");
        if (peek() == '\n') at++;
    }

    /** From a line's start to the first character that is neither blank nor comment. */
    void skipToContent() {
        while (at < text.length()) {
            skipSpaces();
            int spaces = at;
            skipBlanks();
            if (peek() == '#') skipLine();
            if (peek() == -1) return;
            if (peek() != '\n') {
                if (at > spaces) throw tab(spaces);
                return;
            }
            at++;
        }
    }
}
