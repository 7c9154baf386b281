package llmsnap.text;

import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CoderResult;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * The part of YAML that people write in configuration files, read into a tree that knows its places. What it does not
 * know (tags, complex keys, several documents) and what is wrong is refused with line and column: a file is never
 * silently misread. Scalars stay text until somebody asks for their type, which follows Go's yaml.v3.
 *
 * <p>{@code at} is the next character; {@code readX} methods start at the first character of an X and end behind it.
 */
public final class Yaml {
    private static final int MAX_DEPTH = 1000;
    private static final int MAX_ALIASED_NODES = 100_000;

    /** Line and column, both from 1; columns count characters. */
    public record Place(int line, int column) {}

    /** A node of the tree. Aliases share the node of their anchor. */
    public sealed interface Node {
        Place place();
    }

    /** {@code plain} is false for quoted and block scalars, which are always text. */
    public record Scalar(String text, boolean plain, Place place) implements Node {
        /** The value by the core schema: null, bool, number (Num with JSON spelling, or Str for .inf and .nan) or text. */
        public Json value() {
            return plain ? YamlTypes.resolve(text) : new Json.Str(text);
        }
    }

    public record Seq(List<Node> items, Place place) implements Node {
        public Seq {
            items = List.copyOf(items);
        }
    }

    public record Entry(Scalar key, Node value) {}

    /** Entries by the text of their keys, in file order, merge keys resolved. */
    public record Mapping(Map<String, Entry> entries, Place place) implements Node {
        public Mapping {
            entries = Collections.unmodifiableMap(new LinkedHashMap<>(entries));
        }
    }

    /** Why a text was refused, and where. */
    public static final class Malformed extends Exception {
        private static final long serialVersionUID = 1;
        public final transient Place place;

        Malformed(String what, Place place) {
            super(what, null, false, false);
            this.place = place;
        }
    }

    private final String text;
    private int at;
    private int depth;
    private int aliased;
    private int[] lineStarts = new int[64];
    private int lines;
    private final Map<String, Node> anchors = new HashMap<>();
    private final Map<Node, Integer> sizes = new java.util.IdentityHashMap<>();
    private final Set<String> openAnchors = new HashSet<>();

    private Yaml(String text) {
        this.text = text;
        lineStarts[lines++] = 0;
        for (int i = 0; i < text.length(); i++) {
            if (text.charAt(i) != '\n') continue;
            if (lines == lineStarts.length) lineStarts = java.util.Arrays.copyOf(lineStarts, lines * 2);
            lineStarts[lines++] = i + 1;
        }
    }

    /** Reads one document. @return its root, or null when there is nothing but comments @throws Malformed with the place */
    public static Node parse(byte[] utf8) throws Malformed {
        Yaml yaml = new Yaml(decode(utf8));
        yaml.checkCharacters();
        try {
            return DeepStack.call(yaml::readDocument);
        } catch (Malformed | RuntimeException e) {
            throw e;
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    private static String decode(byte[] utf8) throws Malformed {
        var decoder = StandardCharsets.UTF_8.newDecoder();
        CharBuffer out = CharBuffer.allocate(utf8.length + 1);
        CoderResult result = decoder.decode(ByteBuffer.wrap(utf8), out, true);
        String text = out.flip().toString();
        if (result.isError()) throw new Malformed("this is not UTF-8", new Yaml(text).place(text.length()));
        if (text.startsWith("\uFEFF")) text = text.substring(1);
        return text.replace("\r\n", "\n").replace('\r', '\n');
    }

    private void checkCharacters() throws Malformed {
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            boolean control = c < 0x20 ? c != '\n' && c != '\t' : c >= 0x7f && c < 0xa0 && c != 0x85;
            if (control || c == '\uFEFF' || c >= '\uFFFE') {
                throw new Malformed(String.format("a control character (U+%04X)", (int) c), place(i));
            }
        }
    }

    // ---- places and errors

    private Place place(int index) {
        int line = java.util.Arrays.binarySearch(lineStarts, 0, lines, index);
        if (line < 0) line = -line - 2;
        return new Place(line + 1, index - lineStarts[line] + 1);
    }

    private Malformed wrong(String what) {
        return wrong(what, at);
    }

    private Malformed wrong(String what, int index) {
        return new Malformed(what, place(Math.min(index, text.length())));
    }

    private int lineStart(int index) {
        return lineStarts[place(index).line() - 1];
    }

    private int column(int index) {
        return index - lineStart(index);
    }

    // ---- characters

    private int peek() {
        return peek(0);
    }

    private int peek(int ahead) {
        int i = at + ahead;
        return i < text.length() ? text.charAt(i) : -1;
    }

    private static boolean blank(int c) {
        return c == ' ' || c == '\t';
    }

    private static boolean blankOrEnd(int c) {
        return blank(c) || c == '\n' || c == -1;
    }

    private static boolean flowMark(int c) {
        return c == ',' || c == '[' || c == ']' || c == '{' || c == '}';
    }

    private void skipBlanks() {
        while (blank(peek())) at++;
    }

    /** Whether the line that starts at {@code index} is a document marker, {@code ---} or {@code ...}. */
    private boolean marker(int index, String mark) {
        return text.startsWith(mark, index) && (index + 3 >= text.length() || blankOrEnd(text.charAt(index + 3)));
    }

    private boolean atDocumentEnd() {
        return at >= text.length() || (column(at) == 0 && (marker(at, "---") || marker(at, "...")));
    }

    /** Skips blanks and a comment up to the end of the line; anything else there is refused. */
    private void endLine() throws Malformed {
        skipBlanks();
        if (peek() == '#' && (column(at) == 0 || blank(peek(-1)))) {
            while (peek() != '\n' && peek() != -1) at++;
        }
        if (peek() == '\n') at++;
        else if (peek() != -1) {
            throw wrong(peek() == ':' ? "a \":\" where none can be; quote the text if it is one" : "unexpected text after the value");
        }
    }

    /** From the start of a line to the first character that is neither blank nor comment, over as many lines as needed. */
    private void skipToContent() throws Malformed {
        while (at < text.length()) {
            int start = at;
            while (peek() == ' ') at++;
            int spaces = at;
            skipBlanks();
            if (peek() == '#') while (peek() != '\n' && peek() != -1) at++;
            if (peek() == '\n') {
                at++;
                continue;
            }
            if (peek() == -1) return;
            if (at > spaces) {
                at = spaces;
                throw wrong("a tab in the indentation; YAML wants spaces");
            }
            if (start < text.length()) return;
        }
    }

    // ---- the document

    private Node readDocument() throws Malformed {
        skipToContent();
        if (peek() == '%' && column(at) == 0) throw wrong("directives (%) are not supported");
        if (at < text.length() && column(at) == 0 && marker(at, "---")) {
            at += 3;
        }
        Node root = readNode(-1, false);
        if (at < text.length() && column(at) != 0) endLine();
        skipToContent();
        if (at < text.length() && column(at) == 0 && marker(at, "...")) {
            at += 3;
            endLine();
            skipToContent();
        }
        if (at < text.length()) {
            throw wrong(marker(at, "---") && column(at) == 0 ? "a second document; only one is read"
                : "unexpected text; is the indentation right?");
        }
        return root instanceof Scalar scalar && scalar.plain && scalar.text.isEmpty() ? null : root;
    }

    /**
     * Reads what follows a key's colon, a list's dash or the document's start: on the same line or on the next ones,
     * indented deeper than {@code parent} (a list may stand at {@code parent} itself under a key).
     */
    private Node readNode(int parent, boolean underKey) throws Malformed {
        if (++depth > MAX_DEPTH) throw wrong("nested deeper than " + MAX_DEPTH + " levels");
        try {
            int start = at;
            String anchor = null;
            boolean sameLine = true;
            while (true) {
                skipBlanks();
                if (peek() == '\n' || peek() == -1 || (peek() == '#' && (column(at) == 0 || blank(peek(-1))))) {
                    endLine();
                    skipToContent();
                    sameLine = false;
                }
                boolean inside = !atDocumentEnd() && (sameLine || column(at) > parent || (underKey && column(at) == parent && atDash()));
                if (!inside) return remember(anchor, new Scalar("", true, place(start)));
                if (peek() == '&' && anchor == null) {
                    anchor = readName("anchor");
                    if (!openAnchors.add(anchor)) throw wrong("the anchor &" + anchor + " contains itself");
                    if (lineHasKey()) throw wrong("an anchor on a key is not supported");
                    continue;
                }
                break;
            }
            if (anchor != null && peek() == '*') throw wrong("an anchor on an alias");
            return remember(anchor, readContent(parent, sameLine, column(at)));
        } finally {
            depth--;
        }
    }

    /** Whether what is left of this line is a key and its colon. */
    private boolean lineHasKey() throws Malformed {
        int back = at;
        skipBlanks();
        boolean key = peek() != '\n' && peek() != -1 && atKey();
        at = back;
        return key;
    }

    private Node readContent(int parent, boolean sameLine, int column) throws Malformed {
        int c = peek();
        boolean compact = !sameLine || afterDash();
        if (c == '!') throw wrong("tags (!) are not supported");
        if (atDash()) {
            if (!compact) throw wrong("a list cannot start on its key's line");
            return readBlockSeq(column);
        }
        if (c == '?' && blankOrEnd(peek(1))) throw wrong("complex keys (?) are not supported");
        if (compact && atKey()) return readBlockMapping(column);
        Node node = switch (c) {
            case '|', '>' -> readBlockScalar(parent);
            case '[', '{' -> readFlow();
            case '*' -> readAlias();
            case '"', '\'' -> readQuoted();
            default -> readPlain(parent, false);
        };
        if (c == '|' || c == '>') return node;
        endLine();
        return node;
    }

    /** Whether only spaces and list dashes stand before {@code at} on its line, so that a mapping may begin here. */
    private boolean afterDash() {
        String before = text.substring(lineStart(at), at);
        return before.strip().isEmpty() || before.matches("(\\s*-)+\\s+(&\\S+\\s+)?");
    }

    private boolean atDash() {
        return peek() == '-' && blankOrEnd(peek(1)) && !(column(at) == 0 && marker(at, "---"));
    }

    private Node remember(String anchor, Node node) {
        if (anchor != null) {
            openAnchors.remove(anchor);
            anchors.put(anchor, node);
        }
        return node;
    }

    private String readName(String what) throws Malformed {
        int start = ++at;
        while (!blankOrEnd(peek()) && !flowMark(peek())) at++;
        if (at == start) throw wrong("the name of the " + what + " is missing");
        return text.substring(start, at);
    }

    private Node readAlias() throws Malformed {
        int start = at;
        String name = readName("alias");
        if (openAnchors.contains(name)) throw wrong("*" + name + " is inside its own anchor", start);
        Node node = anchors.get(name);
        if (node == null) throw wrong("no anchor &" + name + " before this", start);
        aliased += size(node);
        if (aliased > MAX_ALIASED_NODES) throw wrong("aliases expand to more than " + MAX_ALIASED_NODES + " nodes", start);
        return node;
    }

    private int size(Node node) {
        Integer known = sizes.get(node);
        if (known != null) return known;
        long size = switch (node) {
            case Scalar scalar -> 1;
            case Seq seq -> 1 + seq.items.stream().mapToLong(this::size).sum();
            case Mapping mapping -> 1 + mapping.entries.values().stream().mapToLong(entry -> 1 + size(entry.value)).sum();
        };
        int bounded = (int) Math.min(size, MAX_ALIASED_NODES + 1);
        sizes.put(node, bounded);
        return bounded;
    }

    // ---- block collections

    private Seq readBlockSeq(int column) throws Malformed {
        Place place = place(at);
        List<Node> items = new ArrayList<>();
        while (true) {
            at++;
            items.add(readNode(column, false));
            skipToContent();
            if (atDocumentEnd() || column(at) < column) break;
            if (column(at) > column) throw wrong("this does not line up with the list's other items");
            if (!atDash()) break;
        }
        return new Seq(items, place);
    }

    private Mapping readBlockMapping(int column) throws Malformed {
        MappingBuilder mapping = new MappingBuilder(place(at));
        while (true) {
            Scalar key = readKey();
            Node value = readNode(column, true);
            mapping.add(key, value);
            skipToContent();
            if (atDocumentEnd() || column(at) < column) break;
            if (column(at) > column) throw wrong("this does not line up with the keys before it");
            if (atDash()) throw wrong("a list item among keys");
            if (!atKey()) {
                if (peek() == '?' && blankOrEnd(peek(1))) throw wrong("complex keys (?) are not supported");
                if (peek() == '"' || peek() == '\'') readQuoted();
                throw wrong("expected a key followed by \": \"");
            }
        }
        return mapping.build();
    }

    /** Whether a key, with the colon that makes it one, stands here on one line. */
    private boolean atKey() {
        int i = at;
        char quote = text.charAt(i);
        if ("[]{},&*!|>%@`#".indexOf(quote) >= 0 || quote == '?' && blankOrEnd(peek(1))) return false;
        if (quote == '"' || quote == '\'') {
            i++;
            while (i < text.length() && text.charAt(i) != '\n') {
                char c = text.charAt(i);
                if (c == '\\' && quote == '"') i++;
                else if (c == quote && quote == '\'' && i + 1 < text.length() && text.charAt(i + 1) == '\'') i++;
                else if (c == quote) break;
                i++;
            }
            i++;
            while (i < text.length() && blank(text.charAt(i))) i++;
            return i < text.length() && text.charAt(i) == ':' && blankOrEnd(i + 1 < text.length() ? text.charAt(i + 1) : -1);
        }
        for (; i < text.length() && text.charAt(i) != '\n'; i++) {
            char c = text.charAt(i);
            if (c == '#' && i > at && blank(text.charAt(i - 1))) return false;
            if (c == ':' && blankOrEnd(i + 1 < text.length() ? text.charAt(i + 1) : -1)) return i > at;
        }
        return false;
    }

    /** A key and its colon; {@link #atKey} has seen both. */
    private Scalar readKey() throws Malformed {
        Scalar key;
        if (peek() == '"' || peek() == '\'') {
            key = readQuoted();
            skipBlanks();
        } else {
            int start = at;
            while (!(peek() == ':' && blankOrEnd(peek(1)))) at++;
            key = new Scalar(text.substring(start, at).stripTrailing(), true, place(start));
        }
        at++;
        return key;
    }

    /** Collects entries, refuses duplicates, resolves merge keys. */
    private final class MappingBuilder {
        private final Place place;
        private final Map<String, Entry> entries = new LinkedHashMap<>();
        private final Map<String, Entry> merged = new LinkedHashMap<>();
        private boolean merges;

        MappingBuilder(Place place) {
            this.place = place;
        }

        void add(Scalar key, Node value) throws Malformed {
            if (key.plain && key.text.equals("<<")) {
                if (merges) throw new Malformed("a second merge key <<", key.place);
                merges = true;
                if (value instanceof Seq seq) for (Node item : seq.items) merge(item, key);
                else merge(value, key);
                return;
            }
            Entry before = entries.putIfAbsent(key.text, new Entry(key, value));
            if (before != null) {
                throw new Malformed("the key \"" + key.text + "\" is there twice, first at line " + before.key.place.line, key.place);
            }
        }

        private void merge(Node node, Scalar key) throws Malformed {
            if (!(node instanceof Mapping mapping)) throw new Malformed("a merge key << needs a mapping or a list of them", key.place);
            mapping.entries.forEach(merged::putIfAbsent);
        }

        Mapping build() {
            Map<String, Entry> all = new LinkedHashMap<>(entries);
            merged.forEach(all::putIfAbsent);
            return new Mapping(all, place);
        }
    }

    // ---- flow collections

    private Node readFlow() throws Malformed {
        if (++depth > MAX_DEPTH) throw wrong("nested deeper than " + MAX_DEPTH + " levels");
        int open = at;
        Node node = peek() == '[' ? readFlowSeq(open) : readFlowMapping(open);
        depth--;
        return node;
    }

    private void skipFlowSpace(int open) throws Malformed {
        while (true) {
            skipBlanks();
            if (peek() == '#' && (column(at) == 0 || blank(peek(-1)))) while (peek() != '\n' && peek() != -1) at++;
            if (peek() != '\n') break;
            at++;
            if (atDocumentEnd()) break;
        }
        if (at >= text.length() || (column(at) == 0 && atDocumentEnd())) {
            throw wrong("this " + text.charAt(open) + " is never closed", open);
        }
    }

    private Seq readFlowSeq(int open) throws Malformed {
        List<Node> items = new ArrayList<>();
        at++;
        while (true) {
            skipFlowSpace(open);
            if (peek() == ']') break;
            Node item = readFlowNode(open);
            skipFlowSpace(open);
            if (peek() == ':' && item instanceof Scalar key) {
                at++;
                MappingBuilder pair = new MappingBuilder(key.place);
                pair.add(key, readFlowValue(open));
                item = pair.build();
                skipFlowSpace(open);
            }
            items.add(item);
            endFlowItem(']');
        }
        at++;
        return new Seq(items, place(open));
    }

    private Mapping readFlowMapping(int open) throws Malformed {
        MappingBuilder mapping = new MappingBuilder(place(open));
        at++;
        while (true) {
            skipFlowSpace(open);
            if (peek() == '}') break;
            int start = at;
            if (!(readFlowNode(open) instanceof Scalar key)) throw wrong("a key has to be text", start);
            skipFlowSpace(open);
            Node value = new Scalar("", true, key.place);
            if (peek() == ':') {
                at++;
                value = readFlowValue(open);
                skipFlowSpace(open);
            }
            mapping.add(key, value);
            endFlowItem('}');
        }
        at++;
        return mapping.build();
    }

    private void endFlowItem(char close) throws Malformed {
        if (peek() == ',') at++;
        else if (peek() != close) throw wrong("expected ',' or '" + close + "'");
    }

    private Node readFlowValue(int open) throws Malformed {
        skipFlowSpace(open);
        return peek() == ',' || peek() == ']' || peek() == '}' ? new Scalar("", true, place(at)) : readFlowNode(open);
    }

    private Node readFlowNode(int open) throws Malformed {
        String anchor = null;
        if (peek() == '&') {
            anchor = readName("anchor");
            if (!openAnchors.add(anchor)) throw wrong("the anchor &" + anchor + " contains itself");
            skipFlowSpace(open);
        }
        int c = peek();
        if (c == '!') throw wrong("tags (!) are not supported");
        if (c == ',' || (c == '?' && blankOrEnd(peek(1)))) throw wrong("expected a value");
        Node node = switch (c) {
            case '[', '{' -> readFlow();
            case '*' -> readAlias();
            case '"', '\'' -> readQuoted();
            default -> readPlain(-1, true);
        };
        return remember(anchor, node);
    }

    // ---- scalars

    /**
     * A plain scalar, over the lines that are indented deeper than {@code parent}. It ends at ": ", at " #" and, in flow
     * collections, at one of their marks.
     */
    private Scalar readPlain(int parent, boolean flow) throws Malformed {
        int start = at;
        int c = peek();
        boolean startsLikeMark = (c == '-' || c == '?' || c == ':') && (blankOrEnd(peek(1)) || (flow && flowMark(peek(1))));
        if (startsLikeMark || ",[]{}#&*!|>'\"%@`".indexOf(c) >= 0) {
            throw wrong("text cannot start with " + (char) c + " here; put it in quotes");
        }
        StringBuilder out = new StringBuilder();
        readPlainLine(out, flow);
        while (peek() == '\n') {
            int back = at;
            int breaks = 0;
            while (peek() == '\n') {
                at++;
                breaks++;
                int lineStart = at;
                while (peek() == ' ') at++;
                int spaces = at;
                skipBlanks();
                if (!flow && peek() != '\n' && peek() != -1 && spaces < at && spaces - lineStart <= parent) {
                    at = spaces;
                    throw wrong("a tab in the indentation; YAML wants spaces");
                }
            }
            boolean goesOn = at < text.length() && peek() != '#' && (flow || column(at) > parent) && !atDocumentEnd()
                && !(flow && (flowMark(peek()) || (peek() == ':' && blankOrEnd(peek(1)))));
            if (!goesOn) {
                at = back;
                break;
            }
            out.append(breaks == 1 ? " " : "\n".repeat(breaks - 1));
            int lineStart = at;
            readPlainLine(out, flow);
            if (!flow && peek() == ':') {
                throw wrong("a key inside a text that began on line " + place(start).line() + "; is the indentation right?", lineStart);
            }
        }
        return new Scalar(out.toString(), true, place(start));
    }

    /** Appends the rest of this line that belongs to a plain scalar, and goes to its end: behind it only blanks follow. */
    private void readPlainLine(StringBuilder out, boolean flow) {
        int start = at;
        int end = at;
        while (true) {
            int c = peek();
            if (c == '\n' || c == -1) break;
            if (c == ':' && (blankOrEnd(peek(1)) || (flow && flowMark(peek(1))))) break;
            if (c == '#' && at > start && blank(peek(-1))) break;
            if (flow && text.startsWith("${env.", at) && text.indexOf('}', at) > 0) {
                at = text.indexOf('}', at);     // what stands for a text, and is replaced by it before others look
            } else if (flow && flowMark(c)) {
                break;
            }
            at++;
            if (!blank(c)) end = at;
        }
        if (peek() != '\n' && peek() != ':') at = end;
        out.append(text, start, end);
    }

    private Scalar readQuoted() throws Malformed {
        int open = at;
        char quote = text.charAt(at++);
        StringBuilder out = new StringBuilder();
        int solid = 0;      // blanks up to here came from escapes and stay at a line's end
        while (true) {
            int c = peek();
            if (c == -1) throw wrong("this " + quote + " is never closed", open);
            at++;
            if (c == quote) {
                if (quote != '\'' || peek() != '\'') break;
                at++;
                out.append('\'');
            } else if (c == '\n') {
                foldLine(out, open, solid);
            } else if (c == '\\' && quote == '"') {
                readEscape(out, open);
                solid = out.length();
            } else {
                out.append((char) c);
            }
        }
        return new Scalar(out.toString(), false, place(open));
    }

    /** Behind a line break inside quotes: one break is a space, more are one break less; blanks around them go. */
    private void foldLine(StringBuilder out, int open, int solid) throws Malformed {
        while (out.length() > solid && blank(out.charAt(out.length() - 1))) out.setLength(out.length() - 1);
        int breaks = 1;
        while (true) {
            if (at < text.length() && atDocumentEnd()) throw wrong("this " + text.charAt(open) + " is never closed", open);
            skipBlanks();
            if (peek() != '\n') break;
            at++;
            breaks++;
        }
        out.append(breaks == 1 ? " " : "\n".repeat(breaks - 1));
    }

    private void readEscape(StringBuilder out, int open) throws Malformed {
        int c = peek();
        at++;
        int digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
        if (digits > 0) {
            long code = 0;
            for (int i = 0; i < digits; i++, at++) {
                int digit = peek() >= 0 && peek() < 128 ? Character.digit(peek(), 16) : -1;
                if (digit < 0) throw wrong("expected " + digits + " hex digits");
                code = code << 4 | digit;
            }
            if (code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) throw wrong("no such character");
            out.appendCodePoint((int) code);
            return;
        }
        if (c == '\n') {        // a break that does not count; blanks before it do
            int breaks = 0;
            skipBlanks();
            while (peek() == '\n') {
                at++;
                breaks++;
                skipBlanks();
            }
            out.append("\n".repeat(breaks));
            return;
        }
        String from = "0abtnvfre \"/\\N_LP\t";
        String to = "\0\u0007\b\t\n\u000b\f\r\u001b \"/\\\u0085\u00a0\u2028\u2029\t";
        int known = c < 0 ? -1 : from.indexOf(c);
        if (c < 0) throw wrong("this \" is never closed", open);
        if (known < 0) {
            at -= 2;
            throw wrong("unknown escape \\" + (char) c + " in double quotes; single quotes take backslashes as they are");
        }
        out.append(to.charAt(known));
    }

    private Scalar readBlockScalar(int parent) throws Malformed {
        Place place = place(at);
        boolean folded = peek() == '>';
        at++;
        char chomp = ' ';
        int explicit = 0;
        for (int i = 0; i < 2; i++) {
            int c = peek();
            if ((c == '-' || c == '+') && chomp == ' ') {
                chomp = (char) c;
                at++;
            } else if (c >= '1' && c <= '9' && explicit == 0) {
                explicit = c - '0';
                at++;
            }
        }
        if (!blankOrEnd(peek())) throw wrong("after | or > only an indentation digit, - or + and a comment may stand");
        endLine();
        int indent = explicit > 0 ? Math.max(parent, 0) + explicit : blockIndent(parent);
        List<String> content = readBlockLines(indent);
        int end = content.size();
        while (end > 0 && content.get(end - 1).isEmpty()) end--;
        StringBuilder out = new StringBuilder();
        for (int i = 0; i < end; i++) {
            out.append(content.get(i));
            boolean foldable = folded && i + 1 < end && !content.get(i).isEmpty() && !blank(content.get(i).charAt(0));
            if (!foldable) {
                out.append('\n');
                continue;
            }
            int next = i + 1;
            while (content.get(next).isEmpty()) next++;
            boolean deeper = blank(content.get(next).charAt(0));
            if (deeper) out.append("\n".repeat(next - i));
            else out.append(next == i + 1 ? " " : "\n".repeat(next - i - 1));
            i = next - 1;
        }
        boolean unterminated = at == text.length() && !text.endsWith("\n") && content.size() == end;
        if (end > 0 && (chomp == '-' || unterminated)) out.setLength(out.length() - 1);
        if (chomp == '+') out.append("\n".repeat(content.size() - end));
        return new Scalar(out.toString(), false, place);
    }

    /** The indentation of the first line with content; one past {@code parent} when there is none. */
    private int blockIndent(int parent) throws Malformed {
        int longest = 0;
        int i = at;
        while (i < text.length()) {
            int spaces = 0;
            while (i < text.length() && text.charAt(i) == ' ') {
                i++;
                spaces++;
            }
            if (i < text.length() && text.charAt(i) == '\n') {
                longest = Math.max(longest, spaces);
                i++;
                continue;
            }
            if (i >= text.length()) break;
            if (text.charAt(i) == '\t' && spaces <= parent) throw wrong("a tab in the indentation; YAML wants spaces", i);
            if (spaces > parent && longest > spaces) throw wrong("an empty line before it is indented deeper than this first line", i);
            return Math.max(spaces, parent + 1);
        }
        return Math.max(longest, parent + 1);
    }

    /** The lines at {@code indent} or deeper, without that indentation; empty ones are "". */
    private List<String> readBlockLines(int indent) {
        List<String> content = new ArrayList<>();
        while (at < text.length()) {
            int lineStart = at;
            int i = at;
            while (i < text.length() && text.charAt(i) == ' ' && i - lineStart < indent) i++;
            int eol = text.indexOf('\n', i);
            if (eol < 0) eol = text.length();
            boolean deepEnough = i - lineStart == indent && !(indent == 0 && atDocumentEnd());
            if (deepEnough) content.add(text.substring(i, eol));
            else if (i == eol && eol < text.length()) content.add("");
            else if (i == eol) { at = eol; break; }
            else break;
            at = Math.min(eol + 1, text.length());
        }
        return content;
    }
}
