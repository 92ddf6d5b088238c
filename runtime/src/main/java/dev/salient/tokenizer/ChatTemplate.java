package dev.salient.tokenizer;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;

/**
 * How a model wants a conversation written: the Jinja template that it came with.
 *
 * <p>It is rendered as Transformers does. Control tokens that stand in a message's content stay text.
 *
 * <pre>{@code
 * ChatTemplate template = checkpoint.expectChatTemplate();
 * int[] prompt = template.encodePrompt(List.of(new ChatMessage("user", "Hello!")));
 * }</pre>
 */
public final class ChatTemplate {
    /** The first character of Unicode's private plane 15, of which one stands in for each control token in a content. */
    private static final int STAND_INS = 0xF0000;

    private final String source;
    private final Tokenizer tokenizer;
    private final JinjaEngine engine = new JinjaEngine();

    /**
     * Takes a template.
     *
     * @param source Jinja
     * @param tokenizer gives {@code bos_token} and {@code eos_token}
     */
    public ChatTemplate(String source, Tokenizer tokenizer) {
        this.source = source;
        this.tokenizer = tokenizer;
    }

    /**
     * The conversation as text, for people to read; {@link #encodePrompt} is what a model is to be given.
     *
     * @throws IllegalArgumentException where the template refuses the conversation, or the engine the template
     */
    public String render(List<ChatMessage> messages) {
        return render(messages, false);
    }

    /**
     * The conversation up to where the assistant is to speak, as text.
     *
     * @throws IllegalArgumentException where the template refuses the conversation, or the engine the template
     */
    public String renderPrompt(List<ChatMessage> messages) {
        return render(messages, true);
    }

    /**
     * The ids of the conversation up to where the assistant is to speak.
     *
     * @throws IllegalArgumentException where the template refuses the conversation, or the engine the template
     */
    public int[] encodePrompt(List<ChatMessage> messages) {
        Map<String, String> standIns = standIns(messages);
        List<ChatMessage> veiled = messages.stream()
                .map(message -> new ChatMessage(message.role(), replace(message.content(), standIns)))
                .toList();
        return tokenizer.encodeParts(split(render(veiled, true), standIns));
    }

    private String render(List<ChatMessage> messages, boolean prompts) {
        if (messages.isEmpty()) {
            throw new IllegalArgumentException("conversation: got no messages, want at least one");
        }
        List<Map<String, Object>> list = new ArrayList<>();
        for (ChatMessage message : messages) {
            Map<String, Object> entry = new LinkedHashMap<>();
            entry.put("role", message.role());
            entry.put("content", message.content());
            list.add(entry);
        }
        Map<String, Object> values = new HashMap<>();
        values.put("messages", list);
        values.put("add_generation_prompt", prompts);
        values.put("bos_token", text(tokenizer.beginToken()));
        values.put("eos_token", text(tokenizer.endToken()));
        return engine.render(source, values);
    }

    private String text(OptionalInt token) {
        return token.isPresent() ? tokenizer.token(token.getAsInt()) : "";
    }

    /** A private character for each control token that stands in a content, longer tokens first. */
    private Map<String, String> standIns(List<ChatMessage> messages) {
        StringBuilder contents = new StringBuilder();
        messages.forEach(message -> contents.append(message.content()).append('\n'));
        Map<String, String> standIns = new LinkedHashMap<>();
        int next = STAND_INS;
        for (String token : tokenizer.controlTokens()) {
            if (contents.indexOf(token) >= 0) {
                while (contents.indexOf(Character.toString(next)) >= 0) {
                    next++;
                }
                standIns.put(token, Character.toString(next++));
            }
        }
        return standIns;
    }

    private static String replace(String content, Map<String, String> standIns) {
        String replaced = content;
        for (Map.Entry<String, String> standIn : standIns.entrySet()) {
            replaced = replaced.replace(standIn.getKey(), standIn.getValue());
        }
        return replaced;
    }

    private static List<TextPart> split(String rendered, Map<String, String> standIns) {
        Map<String, String> tokens = new HashMap<>();
        standIns.forEach((token, standIn) -> tokens.put(standIn, token));
        List<TextPart> parts = new ArrayList<>();
        StringBuilder written = new StringBuilder();
        rendered.codePoints().forEach(c -> {
            String token = tokens.get(Character.toString(c));
            if (token == null) {
                written.appendCodePoint(c);
                return;
            }
            parts.add(TextPart.trusted(written.toString()));
            parts.add(TextPart.quoted(token));
            written.setLength(0);
        });
        parts.add(TextPart.trusted(written.toString()));
        return parts;
    }
}
