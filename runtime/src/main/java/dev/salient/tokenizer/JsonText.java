package dev.salient.tokenizer;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Map;

/** Writes a tree as JSON without the machinery of Jackson, whose first use takes a third of a second. */
final class JsonText {
    private final StringBuilder text = new StringBuilder();

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

    private void write(String string) {
        text.append('"');
        int plain = 0;
        for (int i = 0; i < string.length(); i++) {
            char c = string.charAt(i);
            if (c < ' ' || c == '"' || c == '\\') {
                text.append(string, plain, i);
                text.append("\\u00").append(hexDigit(c >> 4)).append(hexDigit(c & 15));
                plain = i + 1;
            }
        }
        text.append(string, plain, string.length()).append('"');
    }

    private static char hexDigit(int value) {
        return Character.forDigit(value, 16);
    }
}
