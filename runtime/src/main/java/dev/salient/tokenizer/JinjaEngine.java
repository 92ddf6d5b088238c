package dev.salient.tokenizer;

import com.hubspot.jinjava.Jinjava;
import com.hubspot.jinjava.JinjavaConfig;
import com.hubspot.jinjava.LegacyOverrides;
import com.hubspot.jinjava.interpret.Context;
import com.hubspot.jinjava.interpret.JinjavaInterpreter;
import com.hubspot.jinjava.interpret.RenderResult;
import com.hubspot.jinjava.interpret.TemplateError;
import com.hubspot.jinjava.lib.exptest.ExpTest;
import com.hubspot.jinjava.lib.fn.ELFunctionDefinition;
import java.time.LocalDateTime;
import java.time.ZoneId;
import java.time.format.DateTimeFormatterBuilder;
import java.util.Collection;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** Renders Jinja as Transformers renders chat templates: blocks trimmed, no nested interpretation, no files. */
final class JinjaEngine {
    private static final int MOST_CHARACTERS = 64 << 20;

    private final Jinjava jinjava;

    JinjaEngine() {
        JinjavaConfig config = JinjavaConfig.newBuilder()
                .withKeepTrailingNewline(true)
                .withNestedInterpretationEnabled(false)
                .withMaxOutputSize(MOST_CHARACTERS)
                .withElResolver(new PythonMethods())
                .withLegacyOverrides(LegacyOverrides.newBuilder()
                        .withEvaluateMapKeys(true)
                        .withIterateOverMapKeys(true)
                        .withUsePyishObjectMapper(true)
                        .withUseNaturalOperatorPrecedence(true)
                        .withParseWhitespaceControlStrictly(true)
                        .withAllowAdjacentTextNodes(true)
                        .withKeepNullableLoopValues(true)
                        .withHandleBackslashInQuotesOnly(true)
                        .build())
                .withDisabled(Map.of(Context.Library.TAG, Set.of("include", "import", "from", "extends")))
                .build();
        jinjava = new Jinjava(config);
        jinjava.getGlobalContext().registerExpTest(new RunThrough("iterable"));
        jinjava.getGlobalContext().registerExpTest(new RunThrough("sequence"));
        jinjava.getGlobalContext()
                .registerFunction(
                        new ELFunctionDefinition("", "raise_exception", JinjaEngine.class, "refuse", String.class));
        jinjava.getGlobalContext()
                .registerFunction(new ELFunctionDefinition("", "strftime_now", JinjaEngine.class, "now", String.class));
    }

    /**
     * Renders.
     *
     * @throws IllegalArgumentException where the template refuses what it is given, or jinjava the template
     */
    String render(String template, Map<String, Object> values) {
        RenderResult result = jinjava.renderForResult(JinjaSource.rewrite(template), values);
        if (!result.getErrors().isEmpty()) {
            throw new IllegalArgumentException(describe(result.getErrors().getFirst()));
        }
        return result.getOutput();
    }

    private static String describe(TemplateError error) {
        for (Throwable cause = error.getException(); cause != null; cause = cause.getCause()) {
            if (cause instanceof Refusal) {
                return "chat template: it says: " + cause.getMessage();
            }
        }
        String reason = String.valueOf(error.getMessage()).lines().findFirst().orElse("no reason given");
        return "chat template: line %d: got %s, want what jinjava can run".formatted(error.getLineno(), reason);
    }

    /** In Python a text or a dictionary can be run through too. */
    private record RunThrough(String name) implements ExpTest {
        @Override
        public String getName() {
            return name;
        }

        @Override
        public boolean evaluate(@Nullable Object value, JinjavaInterpreter interpreter, Object... arguments) {
            return value instanceof CharSequence || value instanceof Collection || value instanceof Map;
        }
    }

    /** What a template says of input that it doesn't take. */
    private static final class Refusal extends RuntimeException {
        private static final long serialVersionUID = 1;

        Refusal(String message) {
            super(message);
        }
    }

    /** The templates' {@code raise_exception}; public because jinjava calls it by reflection. */
    @SuppressWarnings("DoNotCallSuggester")
    public static String refuse(String message) {
        throw new Refusal(message);
    }

    /** The templates' {@code strftime_now}: the local time in Python's notation. */
    public static String now(String format) {
        return format(format, LocalDateTime.now(ZoneId.systemDefault()));
    }

    /** A time in Python's notation. */
    static String format(String format, LocalDateTime time) {
        DateTimeFormatterBuilder builder = new DateTimeFormatterBuilder();
        Matcher mark = Pattern.compile("%.|[^%]+|%").matcher(format);
        while (mark.find()) {
            String piece = mark.group();
            switch (piece) {
                case "%d" -> builder.appendPattern("dd");
                case "%m" -> builder.appendPattern("MM");
                case "%b" -> builder.appendPattern("MMM");
                case "%B" -> builder.appendPattern("MMMM");
                case "%Y" -> builder.appendPattern("yyyy");
                case "%y" -> builder.appendPattern("yy");
                case "%H" -> builder.appendPattern("HH");
                case "%M" -> builder.appendPattern("mm");
                case "%S" -> builder.appendPattern("ss");
                case "%A" -> builder.appendPattern("EEEE");
                case "%%" -> builder.appendLiteral('%');
                case "%a" -> builder.appendPattern("EEE");
                default -> {
                    if (piece.startsWith("%")) {
                        throw new Refusal("strftime_now: got %s, want %%d %%m %%b %%B %%Y %%y %%H %%M %%S %%A or %%a"
                                .formatted(piece));
                    }
                    builder.appendLiteral(piece);
                }
            }
        }
        return time.format(builder.toFormatter(Locale.ENGLISH));
    }
}
