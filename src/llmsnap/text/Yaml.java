package llmsnap.text;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import llmsnap.text.YamlNode.Entry;
import llmsnap.text.YamlNode.Mapping;
import llmsnap.text.YamlNode.Scalar;
import llmsnap.text.YamlNode.Seq;

/**
 * The part of YAML that people write in configuration files, read into a tree that knows its
 * places. What it does not know (tags, complex keys, several documents) and what is wrong is
 * refused with line and column: a file is never silently misread. Scalars stay text until somebody
 * asks for their type, which follows Go's yaml.v3.
 */
public final class Yaml extends YamlScalars {
    private static final int MAX_DEPTH = 1000;
    private static final int MAX_ALIASED_NODES = 100_000;
    private static final long MAX_ALIASED_CHARS = 16 << 20;

    private int depth;
    private int nodes;              // read so far, those behind aliases included
    private int aliased;            // of those
    private long aliasedChars;
    private final Map<String, Anchor> anchors = new HashMap<>();
    /** Those that we are inside of: how much text had come before. */
    private final Map<String, Long> openAnchors = new HashMap<>();

    /** A node that has a name, how many nodes it has in it, and how much text. */
    private record Anchor(YamlNode node, int size, long chars) {}

    private Yaml(String text, String file) {
        super(text, file);
    }

    /** Reads one document. @return its root, or null when there is nothing but comments */
    public static YamlNode parse(byte[] utf8) {
        return parse(utf8, "");
    }

    /** The same of a file that is one of several. */
    public static YamlNode parse(byte[] utf8, String file) {
        var yaml = new Yaml(decode(utf8, file), file);
        yaml.checkCharacters();
        return DeepStack.call(yaml::readDocument);
    }

    private YamlNode readDocument() {
        skipToContent();
        if (peek() == '%' && column(at) == 0) throw wrong("directives (%) are not supported");
        if (atMarker("---")) at += 3;
        YamlNode root = readNode(-1, false);
        if (at < text.length() && column(at) != 0) endLine();
        skipToContent();
        if (atMarker("...")) {
            at += 3;
            endLine();
            skipToContent();
        }
        if (atMarker("---")) throw wrong("a second document; only one is read");
        if (at < text.length()) throw wrong("unexpected text; is the indentation right?");
        boolean nothing = root instanceof Scalar scalar && scalar.plain()
            && scalar.text().isEmpty();
        return nothing ? null : root;
    }

    private void descend() {
        if (++depth > MAX_DEPTH) throw wrong("nested deeper than " + MAX_DEPTH + " levels");
    }

    /**
     * Reads what follows a key's colon, a list's dash or the document's start: on the same line or
     * on the next ones, indented deeper than {@code parent} (under a key a list may stand at it).
     */
    private YamlNode readNode(int parent, boolean underKey) {
        descend();
        int start = at;
        int before = nodes++;
        String anchor = null;
        boolean sameLine = true;
        while (true) {
            skipBlanks();
            if (atLineEnd() || atComment()) {
                endLine();
                skipToContent();
                sameLine = false;
            }
            boolean listHere = underKey && column(at) == parent && atMark('-');
            boolean inside = sameLine || column(at) > parent || listHere;
            if (!inside || atDocumentEnd()) {
                depth--;
                return remember(anchor, new Scalar("", true, place(start)), before);
            }
            if (peek() != '&' || anchor != null) break;
            anchor = readAnchor();
            if (lineHasKey()) throw wrong("an anchor on a key is not supported");
        }
        if (anchor != null && peek() == '*') throw wrong("an anchor on an alias");
        YamlNode node = readContent(parent, sameLine, column(at));
        depth--;
        return remember(anchor, node, before);
    }

    /** Whether what is left of this line is a key and its colon. */
    private boolean lineHasKey() {
        int back = at;
        skipBlanks();
        boolean key = !atLineEnd() && atKey();
        at = back;
        return key;
    }

    private YamlNode readContent(int parent, boolean sameLine, int column) {
        boolean compact = !sameLine || afterDash();
        if (atMark('-')) {
            if (!compact) throw wrong("a list cannot start on its key's line");
            return readBlockSeq(column);
        }
        if (atMark('?')) throw noComplexKeys();
        if (compact && atKey()) return readBlockMapping(column);
        if (peek() == '|' || peek() == '>') return readBlockScalar(parent);
        YamlNode node = readInline(parent, false);
        endLine();
        return node;
    }

    private YamlNode readInline(int parent, boolean flow) {
        return switch (peek()) {
            case '[', '{' -> readFlow();
            case '*' -> readAlias();
            case '"', '\'' -> readQuoted();
            case '!' -> throw wrong("tags (!) are not supported");
            default -> readPlain(parent, flow);
        };
    }

    private Malformed noComplexKeys() {
        return wrong("complex keys (?) are not supported");
    }

    /**
     * Whether only spaces, dashes and an anchor stand before this on its line: a mapping may begin.
     */
    private boolean afterDash() {
        String before = text.substring(at - column(at), at);
        return before.isBlank() || before.matches("(\\s*-)+\\s+(&\\S+\\s+)?");
    }

    // ---- anchors

    private String readAnchor() {
        String anchor = readName("anchor");
        if (openAnchors.putIfAbsent(anchor, at + aliasedChars) == null) return anchor;
        throw wrong("the anchor &" + anchor + " contains itself");
    }

    private YamlNode remember(String anchor, YamlNode node, int before) {
        if (anchor != null) {
            long chars = at + aliasedChars - openAnchors.remove(anchor);
            anchors.put(anchor, new Anchor(node, nodes - before, chars));
        }
        return node;
    }

    private String readName(String what) {
        int start = ++at;
        while (!blankOrEnd(peek()) && !flowMark(peek())) at++;
        if (at == start) throw wrong("the name of the " + what + " is missing");
        return text.substring(start, at);
    }

    private YamlNode readAlias() {
        int start = at;
        String name = readName("alias");
        if (openAnchors.containsKey(name)) {
            throw wrong("*" + name + " is inside its own anchor", start);
        }
        Anchor anchor = anchors.get(name);
        if (anchor == null) throw wrong("no anchor &" + name + " before this", start);
        nodes += anchor.size;
        aliased += anchor.size;
        aliasedChars += anchor.chars;
        if (aliasedChars > MAX_ALIASED_CHARS) {
            throw wrong("aliases expand to more than " + MAX_ALIASED_CHARS + " characters", start);
        }
        if (aliased > MAX_ALIASED_NODES) {
            throw wrong("aliases expand to more than " + MAX_ALIASED_NODES + " nodes", start);
        }
        return anchor.node;
    }

    // ---- block collections

    private Seq readBlockSeq(int column) {
        Place place = place(at);
        List<YamlNode> items = new ArrayList<>();
        do {
            at++;
            items.add(readNode(column, false));
        } while (goesOn(column, "the list's other items") && atMark('-'));
        return new Seq(items, place);
    }

    /** Whether a list or mapping at {@code column} may have another entry here. */
    private boolean goesOn(int column, String before) {
        skipToContent();
        if (atDocumentEnd() || column(at) < column) return false;
        if (column(at) > column) throw wrong("this does not line up with " + before);
        return true;
    }

    private Mapping readBlockMapping(int column) {
        var mapping = new MappingBuilder(place(at));
        do {
            mapping.add(readKey(), readNode(column, true));
            if (!goesOn(column, "the keys before it")) return mapping.build();
            if (atMark('-')) throw wrong("a list item among keys");
        } while (atKey());
        if (atMark('?')) throw noComplexKeys();
        if (peek() == '"' || peek() == '\'') readQuoted();
        throw wrong("expected a key followed by \": \"");
    }

    /** Whether a key, with the colon that makes it one, stands here on one line. */
    private boolean atKey() {
        char first = text.charAt(at);
        if ("[]{},&*!|>%@`#".indexOf(first) >= 0 || atMark('?')) return false;
        if (first == '"' || first == '\'') return atQuotedKey();
        for (int i = at; i < text.length() && text.charAt(i) != '\n'; i++) {
            char c = text.charAt(i);
            if (c == '#' && i > at && blank(text.charAt(i - 1))) return false;
            if (c == ':' && blankOrEnd(charAt(i + 1))) return i > at;
        }
        return false;
    }

    private boolean atQuotedKey() {
        int start = at;
        try {
            readQuoted();
            boolean oneLine = text.indexOf('\n', start) < 0 || text.indexOf('\n', start) >= at;
            skipBlanks();
            return oneLine && atMark(':');
        } catch (Malformed e) {
            return false;       // said by whoever reads it as a value
        } finally {
            at = start;
        }
    }

    /** A key and its colon; {@link #atKey} has seen both. */
    private Scalar readKey() {
        Scalar key;
        if (peek() == '"' || peek() == '\'') {
            key = readQuoted();
            skipBlanks();
        } else {
            int start = at;
            while (!atMark(':')) at++;
            key = new Scalar(text.substring(start, at).stripTrailing(), true, place(start));
        }
        at++;
        return key;
    }

    /** Collects entries, refuses duplicates, resolves merge keys. */
    private static final class MappingBuilder {
        private final Place place;
        private final Map<String, Entry> entries = new LinkedHashMap<>();
        private final Map<String, Entry> merged = new LinkedHashMap<>();
        private boolean merges;

        MappingBuilder(Place place) {
            this.place = place;
        }

        void add(Scalar key, YamlNode value) {
            if (key.plain() && key.text().equals("<<")) {
                if (merges) throw new Malformed("a second merge key <<", key.place());
                merges = true;
                List<YamlNode> sources = value instanceof Seq seq ? seq.items() : List.of(value);
                for (YamlNode source : sources) merge(source, key);
                return;
            }
            Entry before = entries.putIfAbsent(key.text(), new Entry(key, value));
            if (before == null) return;
            throw new Malformed("the key \"" + key.text() + "\" is there twice, first at line "
                + before.key().place().line(), key.place());
        }

        private void merge(YamlNode node, Scalar key) {
            if (!(node instanceof Mapping mapping)) {
                throw new Malformed("a merge key << needs a mapping or a list of them",
                    key.place());
            }
            mapping.entries().forEach(merged::putIfAbsent);
        }

        Mapping build() {
            merged.forEach(entries::putIfAbsent);
            return new Mapping(entries, place);
        }
    }

    // ---- flow collections

    /** A list or a mapping; a list's item may be a single pair. */
    private YamlNode readFlow() {
        descend();
        int open = at++;
        boolean list = text.charAt(open) == '[';
        char close = list ? ']' : '}';
        List<YamlNode> items = new ArrayList<>();
        var mapping = new MappingBuilder(place(open));
        while (true) {
            skipFlowSpace(open);
            if (peek() == close) break;
            int start = at;
            YamlNode node = readFlowNode(open);
            skipFlowSpace(open);
            boolean pair = peek() == ':';
            if (node instanceof Scalar key && (pair || !list)) {
                if (list) mapping = new MappingBuilder(key.place());
                mapping.add(key, pair ? readFlowValue(open) : new Scalar("", true, key.place()));
                if (list) node = mapping.build();
            } else if (!list) {
                throw wrong("a key has to be text", start);
            }
            items.add(node);
            if (peek() == ',') at++;
            else if (peek() != close) throw wrong("expected ',' or '" + close + "'");
        }
        at++;
        depth--;
        return list ? new Seq(items, place(open)) : mapping.build();
    }

    private void skipFlowSpace(int open) {
        while (true) {
            skipBlanks();
            if (atComment()) skipLine();
            if (peek() != '\n') break;
            at++;
            if (atDocumentEnd()) break;
        }
        if (atDocumentEnd()) throw unclosed(open);
    }

    /** What follows a colon in a flow collection, and the space behind it. */
    private YamlNode readFlowValue(int open) {
        at++;
        skipFlowSpace(open);
        boolean none = ",]}".indexOf(peek()) >= 0;
        YamlNode value = none ? new Scalar("", true, place(at)) : readFlowNode(open);
        skipFlowSpace(open);
        return value;
    }

    private YamlNode readFlowNode(int open) {
        int before = nodes++;
        String anchor = null;
        if (peek() == '&') {
            anchor = readAnchor();
            skipFlowSpace(open);
        }
        if (peek() == ',' || atMark('?')) throw wrong("expected a value");
        return remember(anchor, readInline(-1, true), before);
    }
}
