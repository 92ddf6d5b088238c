package dev.salient.langchain4j;

import dev.langchain4j.data.message.AiMessage;
import dev.langchain4j.exception.InvalidRequestException;
import dev.langchain4j.model.chat.listener.ChatModelListener;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.output.FinishReason;
import dev.langchain4j.model.output.TokenUsage;
import dev.salient.format.Checkpoint;
import dev.salient.generate.Generation;
import dev.salient.generate.Sessions;
import dev.salient.model.PackedLanguageModel;
import dev.salient.model.Precision;
import dev.salient.tokenizer.ChatTemplate;
import java.io.IOException;
import java.util.List;
import java.util.function.Consumer;

/** A model with its sessions, which answers requests of any thread. */
final class LoadedModel implements AutoCloseable {
    private final Checkpoint checkpoint;
    private final ChatTemplate template;
    private final PackedLanguageModel model;
    private final Sessions sessions;
    private final Settings settings;
    private final List<ChatModelListener> listeners;
    private boolean closed;

    record Settings(
            int context, int sessions, int threads, Precision precision, SalientChatRequestParameters defaults) {}

    /**
     * Takes a checkpoint, which is closed with this.
     *
     * @throws IllegalArgumentException where a default cannot be
     */
    LoadedModel(Checkpoint checkpoint, Settings settings, List<ChatModelListener> listeners) throws IOException {
        this.checkpoint = checkpoint;
        this.settings = settings;
        this.listeners = listeners;
        GenerationRequest.of(settings.defaults(), checkpoint); // says what is wrong with them before anything is loaded
        template = checkpoint.expectChatTemplate();
        model = new PackedLanguageModel(checkpoint.weights(), settings.threads(), settings.precision());
        try {
            sessions = new Sessions(model, checkpoint.expectTokenizer(), settings.context(), settings.sessions());
        } catch (RuntimeException | Error e) {
            model.close();
            throw e;
        }
    }

    SalientChatRequestParameters defaults() {
        return settings.defaults();
    }

    List<ChatModelListener> listeners() {
        return listeners;
    }

    /**
     * Answers a request.
     *
     * @param sink receives the text as soon as it is certain
     */
    ChatResponse answer(ChatRequest request, Consumer<String> sink) {
        int[] prompt;
        GenerationRequest wanted;
        try {
            wanted = GenerationRequest.of(settings.defaults().overrideWith(request.parameters()), checkpoint);
            prompt = template.encodePrompt(Conversation.of(request.messages()));
        } catch (IllegalArgumentException e) {
            throw new InvalidRequestException(e.getMessage(), e);
        }
        if (prompt.length > settings.context()) {
            throw new InvalidRequestException("messages: got %d tokens, want at most %d, the context"
                    .formatted(prompt.length, settings.context()));
        }
        return response(sessions.generate(prompt, wanted.sampling(), wanted.ending(), sink));
    }

    private ChatResponse response(Generation generation) {
        return ChatResponse.builder()
                .aiMessage(AiMessage.from(generation.text()))
                .modelName(settings.defaults().modelName())
                .tokenUsage(new TokenUsage(
                        generation.promptTokens(), generation.ids().size()))
                .finishReason(
                        switch (generation.reason()) {
                            case STOP_TOKEN, STOP_STRING -> FinishReason.STOP;
                            case LENGTH, CONTEXT -> FinishReason.LENGTH;
                        })
                .build();
    }

    @Override
    public synchronized void close() {
        if (!closed) {
            sessions.close();
            model.close();
            checkpoint.close();
            closed = true;
        }
    }
}
