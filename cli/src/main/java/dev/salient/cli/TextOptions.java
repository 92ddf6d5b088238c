package dev.salient.cli;

import static dev.salient.tensor.Preconditions.require;

import dev.salient.measure.Scoring;
import dev.salient.tokenizer.Tokenizer;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Which text is read, in which windows; a picocli mixin. */
final class TextOptions {
    static final int WINDOW = 512;
    static final int QUICK = 64;

    @Option(
            names = "--text",
            required = true,
            paramLabel = "FILE",
            description = "UTF-8 text to measure on; given more than once, the files are one text.")
    private List<Path> files = List.of();

    @Option(
            names = "--set",
            paramLabel = "NAME",
            description = "quick: the first 64 windows; full: all that fit. Default: quick.")
    private String set = "quick";

    @Option(names = "--windows", paramLabel = "N", description = "The first N windows, instead of a set.")
    private @Nullable Integer windows;

    @Option(
            names = "--window",
            paramLabel = "N",
            description = "Tokens of a window. Default: 512, or the model's context where that is less.")
    private @Nullable Integer window;

    @Option(
            names = "--stride",
            paramLabel = "N",
            description = "Tokens from one window's start to the next; of a window that overlaps the one before only"
                    + " its new tokens count. Default: the window.")
    private @Nullable Integer stride;

    @Option(
            names = "--scoring",
            paramLabel = "NAME",
            description = "hf: all tokens but a window's first; llama.cpp: a window's second half. Default: hf.")
    private String scoring = "hf";

    @Option(
            names = "--leading-tokens",
            paramLabel = "TOKENS",
            description =
                    "What each window begins with, control tokens among it, such as \"<|im_start|>\". Default: the token"
                            + " that the tokenizer puts before a text, if any.")
    private @Nullable String leading;

    List<Path> files() {
        return files;
    }

    Scoring scoring() {
        try {
            return Scoring.of(scoring);
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException("--scoring: " + e.getMessage(), e);
        }
    }

    /** Tokens of a window. */
    int window(int context) {
        int tokens = window == null ? Math.min(WINDOW, context) : window;
        require(tokens <= context, "--window: got %d, want at most %d, the models' context", tokens, context);
        return tokens;
    }

    int stride(int window) {
        int tokens = stride == null ? window : stride;
        require(tokens > 0 && tokens <= window, "--stride: got %d, want 1 to %d, the window", tokens, window);
        require(
                tokens == window || scoring() == Scoring.WHOLE_WINDOW,
                "--stride: got %d with --scoring llama.cpp, whose windows don't overlap",
                tokens);
        return tokens;
    }

    /** Tokens that each window begins with. */
    int[] leading(Tokenizer tokenizer) {
        return tokenizer.leadingTokens(leading);
    }

    /** Refuses windows that do not fit into the context together with the tokens before them. */
    static void requireFits(int window, int leading, int largest) {
        require(
                window <= largest,
                "--window: got %d%s, want at most %d, the model's context",
                window,
                leading == 0 ? "" : " after %d leading tokens".formatted(leading),
                largest);
    }

    /** Windows at most. */
    int most() {
        if (windows != null) {
            return windows;
        }
        return set.equals("full") ? Integer.MAX_VALUE : QUICK;
    }

    /** The name of the set, if what was read is all of it; else the number of windows. */
    String setName(int count, int window, int stride) {
        boolean plain = windows == null && stride == window;
        boolean whole = set.equals("full") || (count == QUICK && window == WINDOW);
        String name = plain && whole ? set : count + (count == 1 ? " window" : " windows");
        return leading == null ? name : name + " after " + leading;
    }

    /** Checks what needs no model. */
    void check() {
        require(set.equals("quick") || set.equals("full"), "--set: got %s, want quick or full", set);
        requireLeast("--windows", windows, 1);
        requireLeast("--window", window, scoring() == Scoring.WHOLE_WINDOW ? 2 : 4);
    }

    private static void requireLeast(String option, @Nullable Integer value, int least) {
        require(value == null || value >= least, "%s: got %s, want %d or more", option, String.valueOf(value), least);
    }
}
