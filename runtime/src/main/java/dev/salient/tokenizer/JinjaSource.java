package dev.salient.tokenizer;

import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A template rewritten so that jinjava reads it as Jinja does.
 *
 * <p>White space around tags is settled here (trim_blocks and lstrip_blocks on, as Transformers has them), comments go,
 * and {@code not x is y} gets the parentheses that jinjava needs.
 */
final class JinjaSource {
    private static final Pattern TAG_START = Pattern.compile("\\{[{%#]");
    private static final Pattern TOKEN =
            Pattern.compile("'(?:\\\\.|[^'\\\\])*'|\"(?:\\\\.|[^\"\\\\])*\"|[A-Za-z_]\\w*|[^\\sA-Za-z_]|\\s+");

    private final String source;
    private final StringBuilder rewritten = new StringBuilder();
    private final List<String> blocks = new ArrayList<>();
    private int at;
    private boolean lineStarts = true;

    private JinjaSource(String source) {
        this.source = source;
    }

    /**
     * Rewrites.
     *
     * @throws IllegalArgumentException where a tag has no end
     */
    static String rewrite(String template) {
        // Jinja drops one newline at the template's end.
        String source = template.endsWith("\n") ? template.substring(0, template.length() - 1) : template;
        JinjaSource rewriting = new JinjaSource(source);
        Matcher start = TAG_START.matcher(source);
        while (start.find(rewriting.at)) {
            rewriting.tag(start.start());
        }
        return rewriting.rewritten + source.substring(rewriting.at);
    }

    private void tag(int start) {
        char kind = source.charAt(start + 1);
        int end = end(start + 2, kind);
        boolean cutsLeft = source.charAt(start + 2) == '-';
        boolean keepsLeft = source.charAt(start + 2) == '+';
        boolean cutsRight = end - 1 > start + 2 && source.charAt(end - 1) == '-';
        boolean keepsRight = end - 1 > start + 2 && source.charAt(end - 1) == '+';
        rewritten.append(before(source.substring(at, start), kind, cutsLeft ? '-' : keepsLeft ? '+' : ' '));
        String inner =
                source.substring(start + 2 + (cutsLeft || keepsLeft ? 1 : 0), end - (cutsRight || keepsRight ? 1 : 0));
        if (kind == '{') {
            rewritten.append("{{ ").append(expression(inner)).append(" }}");
            refuseAnd(inner);
        } else if (kind == '%') {
            follow(inner);
            rewritten.append("{% ").append(expression(inner)).append(" %}");
        }
        at = end + 2;
        lineStarts = false;
        if (cutsRight) {
            while (at < source.length() && Character.isWhitespace(source.charAt(at))) {
                lineStarts = source.charAt(at++) == '\n';
            }
        } else if (kind != '{' && !keepsRight && source.startsWith("\n", at)) {
            at++;
            lineStarts = true;
        }
    }

    /** Keeps track of the open blocks, and refuses loops that jinjava runs differently without a word. */
    private void follow(String inner) {
        String[] words = inner.strip().split("\\s+", -1);
        switch (words[0]) {
            case "for" -> {
                refuse(hasWord(inner, "if"), "a for loop with a condition");
                blocks.add("for");
            }
            case "if" -> blocks.add("if");
            case "else" -> refuse(!blocks.isEmpty() && blocks.getLast().equals("for"), "a for loop with an else");
            case "endfor", "endif" -> {
                if (!blocks.isEmpty()) {
                    blocks.removeLast();
                }
            }
            default -> {}
        }
    }

    /** Jinja's {@code and} gives its second value, jinjava's only true or false: the same in a condition alone. */
    private static void refuseAnd(String inner) {
        boolean condition = false;
        Matcher token = TOKEN.matcher(inner);
        while (token.find()) {
            String word = token.group();
            refuse(word.equals("and") && !condition, "an 'and' whose value is written out");
            condition = word.equals("if") || (condition && !word.equals("else"));
        }
    }

    private static boolean hasWord(String inner, String word) {
        Matcher token = TOKEN.matcher(inner);
        while (token.find()) {
            if (token.group().equals(word)) {
                return true;
            }
        }
        return false;
    }

    private static void refuse(boolean condition, String what) {
        if (condition) {
            throw new IllegalArgumentException("chat template: got " + what + ", want what jinjava runs as Jinja does");
        }
    }

    /** The text before a tag, without what the tag takes of it. */
    private String before(String text, char kind, char sign) {
        if (sign == '-') {
            return text.stripTrailing();
        }
        int line = text.lastIndexOf('\n') + 1;
        boolean indents = (line > 0 || lineStarts) && text.substring(line).isBlank();
        return kind != '{' && sign != '+' && indents ? text.substring(0, line) : text;
    }

    /** Where the tag's closing mark stands; marks inside texts don't count, but in comments all do. */
    private int end(int from, char kind) {
        String mark = (kind == '{' ? "}" : String.valueOf(kind)) + "}";
        char quote = 0;
        int depth = 0;
        for (int i = from; i < source.length(); i++) {
            char c = source.charAt(i);
            if (quote == 0 && depth == 0 && source.startsWith(mark, i)) {
                return i;
            }
            if (kind == '#') {
                continue;
            }
            if (quote != 0 && c == '\\') {
                i = i + 1;
            } else if (quote != 0) {
                quote = c == quote ? 0 : quote;
            } else if (c == '\'' || c == '"') {
                quote = c;
            } else {
                depth += c == '{' ? 1 : c == '}' ? -1 : 0;
            }
        }
        throw new IllegalArgumentException("chat template: got a tag without an end, want " + mark);
    }

    /** The same expression with parentheses around what each {@code not} denies: tests and comparisons bind tighter. */
    private static String expression(String inner) {
        StringBuilder out = new StringBuilder();
        StringBuilder open = new StringBuilder();
        String word = "";
        Matcher token = TOKEN.matcher(inner);
        while (token.find()) {
            String text = token.group();
            boolean closes = text.matches("and|or|if|else|[)\\]},:]");
            if (closes) {
                while (!open.isEmpty() && open.charAt(open.length() - 1) == 'n') {
                    trimmedParenthesis(out);
                    open.setLength(open.length() - 1);
                }
            }
            if (text.matches("[)\\]}]") && !open.isEmpty()) {
                open.setLength(open.length() - 1);
            } else if (text.matches("[(\\[{]")) {
                open.append('b');
            }
            out.append(text);
            boolean denies = text.equals("not") && !word.equals("is") && !inner.startsWith("in ", next(inner, token));
            if (denies) {
                out.append(" (");
                open.append('n');
            }
            word = text.isBlank() ? word : text;
        }
        while (!open.isEmpty() && open.charAt(open.length() - 1) == 'n') {
            trimmedParenthesis(out);
            open.setLength(open.length() - 1);
        }
        return out.toString();
    }

    private static int next(String inner, Matcher token) {
        int at = token.end();
        while (at < inner.length() && Character.isWhitespace(inner.charAt(at))) {
            at++;
        }
        return at;
    }

    private static void trimmedParenthesis(StringBuilder out) {
        int end = out.length();
        while (end > 0 && Character.isWhitespace(out.charAt(end - 1))) {
            end--;
        }
        out.insert(end, ')');
    }
}
