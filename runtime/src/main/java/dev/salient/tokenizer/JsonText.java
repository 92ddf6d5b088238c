package dev.salient.tokenizer;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Map;

/**
 * Writes a tree as JSON without the machinery of Jackson, whose first use takes a third of a second.
 *
 * <p>All of it is ASCII, at a byte for each character; half of a surrogate pair that stands alone becomes U+FFFD.
 */
final class JsonText {
    /** Characters of a tokenizer, more or less. */
    private static final int USUAL_SIZE = 2 << 20;

    private final StringBuilder text = new StringBuilder(USUAL_SIZE);

    private JsonText() {}

    static String of(JsonNode tree) {
        JsonText json = new JsonText();
        json.write(tree);
        return json.text.toString();
    }

    private void write(JsonNode node) {
        if (node.isObject()) {
            String between = "{";
            for (Map.Entry<String, JsonNode> entry : node.properties()) {
                text.append(between);
                write(entry.getKey());
                text.append(':');
                write(entry.getValue());
                between = ",";
            }
            text.append(node.isEmpty() ? "{}" : "}");
        } else if (node.isArray()) {
            String between = "[";
            for (JsonNode element : node) {
                text.append(between);
                write(element);
                between = ",";
            }
            text.append(node.isEmpty() ? "[]" : "]");
        } else if (node.isTextual()) {
            write(node.textValue());
        } else {
            text.append(node.isMissingNode() ? "null" : node.asText());
        }
    }

    private void write(String any) {
        String string = RustTokenizer.wellFormed(any);
        text.append('"');
        int plain = 0;
        for (int i = 0; i < string.length(); i++) {
            char c = string.charAt(i);
            if (c < ' ' || c > '~' || c == '"' || c == '\\') {
                text.append(string, plain, i);
                escape(c);
                plain = i + 1;
            }
        }
        text.append(string, plain, string.length()).append('"');
    }

    private void escape(char c) {
        text.append("\\u").append(hexDigit(c >> 12)).append(hexDigit(c >> 8));
        text.append(hexDigit(c >> 4)).append(hexDigit(c));
    }

    private static char hexDigit(int value) {
        return Character.forDigit(value & 15, 16);
    }
}
