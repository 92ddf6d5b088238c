package dev.salient.langchain4j;

import dev.langchain4j.data.message.AiMessage;
import dev.langchain4j.data.message.ChatMessage;
import dev.langchain4j.data.message.Content;
import dev.langchain4j.data.message.SystemMessage;
import dev.langchain4j.data.message.TextContent;
import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.exception.UnsupportedFeatureException;
import java.util.List;
import java.util.stream.Collectors;

/** LangChain4j's messages as the turns that a chat template takes. */
final class Conversation {
    private Conversation() {}

    /**
     * The turns, in order. Names of users are left out: templates know none.
     *
     * @throws UnsupportedFeatureException where a message holds more than text
     */
    static List<dev.salient.tokenizer.ChatMessage> of(List<ChatMessage> messages) {
        return messages.stream().map(Conversation::turn).toList();
    }

    private static dev.salient.tokenizer.ChatMessage turn(ChatMessage message) {
        return switch (message) {
            case SystemMessage system -> new dev.salient.tokenizer.ChatMessage("system", system.text());
            case UserMessage user -> new dev.salient.tokenizer.ChatMessage("user", text(user));
            case AiMessage ai -> new dev.salient.tokenizer.ChatMessage("assistant", text(ai));
            default ->
                throw new UnsupportedFeatureException(
                        "message: got %s, want SYSTEM, USER or AI: no other is supported".formatted(message.type()));
        };
    }

    /** Several texts of one message are its paragraphs. */
    private static String text(UserMessage user) {
        return user.contents().stream().map(Conversation::text).collect(Collectors.joining("\n\n"));
    }

    private static String text(Content content) {
        if (content instanceof TextContent text) {
            return text.text();
        }
        throw new UnsupportedFeatureException(
                "content: got %s, want TEXT: no other is supported".formatted(content.type()));
    }

    private static String text(AiMessage ai) {
        if (ai.hasToolExecutionRequests()) {
            throw new UnsupportedFeatureException(
                    "message: got AI with tool calls, want text: tools are not supported");
        }
        String text = ai.text();
        return text == null ? "" : text;
    }
}
