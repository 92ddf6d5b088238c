package dev.salient.task;

import com.fasterxml.jackson.databind.JsonNode;
import dev.salient.format.FormatException;
import dev.salient.format.json.JsonObject;
import java.util.ArrayList;
import java.util.List;

/** A line of a task's file. */
record TaskRow(JsonObject json) {
    boolean has(String field) {
        return json.has(field);
    }

    /** A text with something in it. */
    String text(String field) throws FormatException {
        String text = json.findString(field);
        if (text == null || text.isBlank()) {
            throw wrong(field, "a text");
        }
        return text;
    }

    String textOrEmpty(String field) throws FormatException {
        String text = json.findString(field);
        return text == null ? "" : text;
    }

    List<String> choices() throws FormatException {
        JsonNode array = json.find("choices");
        List<String> choices = new ArrayList<>();
        if (array != null && array.isArray()) {
            for (JsonNode choice : array) {
                choices.add(choice.isTextual() ? choice.textValue() : "");
            }
        }
        if (choices.size() < 2 || choices.stream().anyMatch(String::isBlank)) {
            throw wrong("choices", "a list of at least 2 texts");
        }
        return choices;
    }

    /** The right choice's index. */
    int gold() throws FormatException {
        int gold = json.expectInt("gold");
        int last = choices().size() - 1;
        if (gold < 0 || gold > last) {
            throw wrong("gold", "0 to " + last + ", the index of a choice");
        }
        return gold;
    }

    FormatException wrong(String field, String want) {
        return json.wrong(field, want);
    }
}
