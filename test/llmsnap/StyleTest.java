package llmsnap;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/** How the code is written. Nothing is excepted; if something ever is, the list may only shrink. */
class StyleTest {
    private static final int COLUMNS = 100;
    private static final int FILE_LINES = 550;
    private static final int METHOD_LINES = 40;
    private static final int ARGUMENTS = 6;
    private static final int CODE_CHARS = 532_000;

    private static final List<Path> JAVA = Sources.files(".java", "src", "test", "scripts");
    private static final List<Path> PRODUCT = Sources.files(".java", "src");

    private static final Pattern QUALIFIED = Pattern.compile(
        "(?<![\\w.\"])(?:java|javax|com\\.sun|llmsnap)(?:\\.[a-z]\\w*)+\\.[A-Z]");
    private static final Pattern METHOD = Pattern.compile(
        " {4,}(?:@\\w+ )*(?:[\\w<>\\[\\].?]+,? )+\\w+\\([^;]*\\{|.* -> \\{$");

    @Test void linesAreAtMostAHundredColumns() {
        List<Path> all = new ArrayList<>(JAVA);
        all.addAll(Sources.files(".js", "src/ui"));
        all.addAll(Sources.files(".sh", "scripts", ".ci"));
        all.add(Path.of("build.sh"));
        List<String> wide = new ArrayList<>();
        for (Path file : all) {
            List<String> lines = Sources.read(file).lines().toList();
            for (int i = 0; i < lines.size(); i++) {
                boolean usage = file.endsWith("Arguments.java")
                    && lines.get(i).startsWith("          --");
                // .editorconfig: a tab is two columns
                int columns = lines.get(i).replace("\t", "  ").length();
                if (columns > COLUMNS && !usage) wide.add(file + ":" + (i + 1));
            }
        }
        assertThat(wide).isEmpty();
    }

    @Test void filesAreShort() {
        List<Path> files = new ArrayList<>(PRODUCT);
        files.addAll(Sources.files(".java", "test"));
        assertThat(files).allSatisfy(file ->
            assertThat(Sources.read(file).lines().count()).as(file.toString())
                .isLessThanOrEqualTo(FILE_LINES));
    }

    /** From the line of a method's brace to the one that closes it, at the same indentation. */
    @Test void methodsAreShort() {
        List<String> far = new ArrayList<>();
        for (Path file : PRODUCT) {
            List<String> lines = Sources.code(Sources.read(file)).lines().toList();
            for (int i = 0; i < lines.size(); i++) {
                String line = lines.get(i);
                boolean method = METHOD.matcher(line).matches()
                    && !line.matches(".*\\b(class|record|enum|interface|new)\\b.*");
                if (!method) continue;
                String indent = line.substring(0, line.length() - line.stripLeading().length());
                int end = i;
                while (end < lines.size() && !lines.get(end).startsWith(indent + "}")) end++;
                if (end - i - 1 > METHOD_LINES) far.add(file + ":" + (i + 1) + ", "
                    + (end - i - 1));
            }
        }
        assertThat(far).isEmpty();
    }

    @Test void oneStatementALine() {
        Pattern two = Pattern.compile(";\\s+\\S");
        assertThat(Sources.lines(JAVA, line -> two.matcher(line).find()
            && !line.stripLeading().startsWith("for (") && !line.contains(" for (")
            && !line.stripLeading().matches("(try \\(|Socket |ServerSocket ).*"))).isEmpty();
    }

    /** A statement without braces stands on the line of its condition, and has none inside. */
    @Test void bracesButForGuards() {
        Pattern open = Pattern.compile("\\s*(?:\\} )?(?:else )?(?:if|for|while) \\(.*\\)\\s*");
        Pattern nested = Pattern.compile("\\s*(?:if|for|while) \\(.*\\) (?:for|while|do|try)\\b.*");
        assertThat(Sources.lines(PRODUCT, line -> open.matcher(line).matches())).isEmpty();
        assertThat(Sources.lines(PRODUCT, line -> nested.matcher(line).matches())).isEmpty();
    }

    @Test void oneTernaryALine() {
        Pattern two = Pattern.compile(" \\? .* \\? ");
        assertThat(Sources.lines(JAVA, line -> two.matcher(line).find())).isEmpty();
    }

    @Test void namesAreImported() {
        assertThat(Sources.lines(JAVA, line -> QUALIFIED.matcher(line).find()
            && !line.strip().matches("(import|package|module|provides) .*"))).isEmpty();
    }

    @Test void nothingIsCalledWithManyArguments() {
        List<String> many = new ArrayList<>();
        for (Path file : PRODUCT) {
            String code = Sources.code(Sources.read(file));
            Matcher call = Pattern.compile("\\bnew \\w+\\(|\\brecord \\w+\\(").matcher(code);
            while (call.find()) {
                int arguments = arguments(code, call.end());
                if (arguments > ARGUMENTS) many.add(file + ": " + call.group() + " " + arguments);
            }
        }
        assertThat(many).isEmpty();
    }

    /** How many arguments stand from {@code from} to the bracket that closes them. */
    private static int arguments(String code, int from) {
        int depth = 0;
        int commas = 0;
        for (int at = from; depth >= 0; at++) {
            char c = code.charAt(at);
            if ("([{<".indexOf(c) >= 0 && !code.startsWith("->", at - 1)) depth++;
            boolean closes = ")]}".indexOf(c) >= 0 || c == '>' && code.charAt(at - 1) != '-';
            if (closes) depth--;
            if (c == ',' && depth == 0) commas++;
        }
        return commas + 1;
    }

    @Test void noEnglishSentenceDecides() {
        Pattern sentence = Pattern.compile("\\.(contains|equals|startsWith)\\(\"[a-z]+( [a-z]+)+");
        for (Path file : PRODUCT) {
            assertThat(sentence.matcher(Sources.read(file)).results()
                .map(match -> match.group()).filter(text -> !text.contains("in use")))
                .as(file.toString()).isEmpty();
        }
    }

    /** Comments, blank lines, indentation, imports and package lines aside. */
    @Test void theCodeStaysSmall() {
        long chars = 0;
        for (Path file : Sources.files(".java", "src/llmsnap")) {
            chars += withoutComments(Sources.read(file)).lines().map(String::strip)
                .filter(line -> !line.matches("(import|package) .*")).mapToLong(String::length)
                .sum();
        }
        assertThat(chars).isLessThan(CODE_CHARS);
    }

    private static String withoutComments(String java) {
        Pattern part =
            Pattern.compile(
            "(\"\"\".*?\"\"\"|\"(?:\\\\.|[^\"\\\\\n])*\"|'(?:\\\\.|[^'\\\\])+')|//[^\n]*|"
            + "/\\*.*?\\*/",
            Pattern.DOTALL);
        return part.matcher(java).replaceAll(match ->
            match.group(1) == null ? "" : Matcher.quoteReplacement(match.group(1)));
    }
}
