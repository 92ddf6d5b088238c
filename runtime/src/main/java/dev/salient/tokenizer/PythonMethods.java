package dev.salient.tokenizer;

import com.hubspot.jinjava.el.JinjavaInterpreterResolver;
import java.beans.FeatureDescriptor;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.regex.Pattern;
import jinjava.javax.el.ELContext;
import jinjava.javax.el.ELResolver;
import org.jspecify.annotations.Nullable;

/** The methods of Python's strings and dictionaries that chat templates call; everything else is jinjava's. */
final class PythonMethods extends ELResolver {
    private static final String WHITE = " \t\n\r\u000b\f\u001c\u001d\u001e\u001f\u0085\u00a0\u2028\u2029\u3000";

    private final ELResolver rest = JinjavaInterpreterResolver.DEFAULT_RESOLVER_READ_ONLY;

    @Override
    public @Nullable Object invoke(
            ELContext context, Object base, Object method, Class<?> @Nullable [] types, Object @Nullable [] arguments) {
        List<@Nullable Object> given = new ArrayList<>();
        if (arguments != null) {
            for (Object argument : arguments) {
                given.add(argument);
            }
        }
        String name = String.valueOf(method);
        if (base instanceof CharSequence text) {
            Object value = onText(text.toString(), name, given);
            if (value != null) {
                context.setPropertyResolved(true);
                return value;
            }
        }
        if (base instanceof Map<?, ?> map && name.equals("get") && !given.isEmpty()) {
            context.setPropertyResolved(true);
            Object value = map.get(Objects.requireNonNull(given.getFirst()));
            return value == null && given.size() > 1 ? given.get(1) : value;
        }
        return rest.invoke(context, base, method, types, arguments);
    }

    private static @Nullable Object onText(String text, String method, List<@Nullable Object> given) {
        return switch (method) {
            case "strip" -> strip(text, given, true, true);
            case "lstrip" -> strip(text, given, true, false);
            case "rstrip" -> strip(text, given, false, true);
            case "startswith" -> text.startsWith(text(given, 0));
            case "endswith" -> text.endsWith(text(given, 0));
            case "upper" -> text.toUpperCase(Locale.ROOT);
            case "lower" -> text.toLowerCase(Locale.ROOT);
            case "title" -> title(text);
            case "capitalize" -> capitalize(text);
            case "find" -> (long) text.indexOf(text(given, 0));
            case "count" -> (long) (text.split(Pattern.quote(text(given, 0)), -1).length - 1);
            case "replace" -> text.replace(text(given, 0), text(given, 1));
            case "split" -> split(text, given);
            default -> null;
        };
    }

    private static String text(List<@Nullable Object> given, int index) {
        if (index >= given.size() || given.get(index) == null) {
            throw new IllegalArgumentException("got %d arguments, want a text".formatted(given.size()));
        }
        return String.valueOf(given.get(index));
    }

    private static String strip(String text, List<@Nullable Object> given, boolean left, boolean right) {
        String set = given.isEmpty() ? WHITE : text(given, 0);
        int from = 0;
        int to = text.length();
        while (left && from < to && set.indexOf(text.charAt(from)) >= 0) {
            from++;
        }
        while (right && to > from && set.indexOf(text.charAt(to - 1)) >= 0) {
            to--;
        }
        return text.substring(from, to);
    }

    private static List<String> split(String text, List<@Nullable Object> given) {
        if (given.isEmpty() || given.getFirst() == null) {
            String stripped = strip(text, List.of(), true, true);
            return stripped.isEmpty() ? List.of() : List.of(stripped.split("\\s+"));
        }
        int most = given.size() > 1 ? ((Number) Objects.requireNonNull(given.get(1))).intValue() + 1 : -1;
        return List.of(text.split(Pattern.quote(text(given, 0)), most));
    }

    private static String capitalize(String text) {
        return text.isEmpty()
                ? text
                : text.substring(0, 1).toUpperCase(Locale.ROOT)
                        + text.substring(1).toLowerCase(Locale.ROOT);
    }

    private static String title(String text) {
        return Pattern.compile("\\p{L}+").matcher(text).replaceAll(word -> capitalize(word.group()));
    }

    @Override
    public @Nullable Object getValue(ELContext context, @Nullable Object base, @Nullable Object property) {
        return rest.getValue(context, base, property);
    }

    @Override
    public @Nullable Class<?> getType(ELContext context, @Nullable Object base, @Nullable Object property) {
        return rest.getType(context, base, property);
    }

    @Override
    public void setValue(ELContext context, @Nullable Object base, @Nullable Object property, @Nullable Object value) {
        rest.setValue(context, base, property, value);
    }

    @Override
    public boolean isReadOnly(ELContext context, @Nullable Object base, @Nullable Object property) {
        return rest.isReadOnly(context, base, property);
    }

    @Override
    public @Nullable Iterator<FeatureDescriptor> getFeatureDescriptors(ELContext context, @Nullable Object base) {
        return rest.getFeatureDescriptors(context, base);
    }

    @Override
    public @Nullable Class<?> getCommonPropertyType(ELContext context, @Nullable Object base) {
        return rest.getCommonPropertyType(context, base);
    }
}
