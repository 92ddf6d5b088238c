package dev.salient.langchain4j;

import dev.langchain4j.model.chat.ChatModel;
import dev.langchain4j.model.chat.listener.ChatModelListener;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.request.ChatRequestParameters;
import dev.langchain4j.model.chat.response.ChatResponse;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;

/**
 * A model on this machine's disk as LangChain4j's {@link ChatModel}.
 *
 * <pre>{@code
 * try (SalientChatModel model = SalientChatModel.builder().model(Path.of("small")).build()) {
 *     String answer = model.chat("Why is the sky blue?");
 * }
 * }</pre>
 *
 * <p>Any number of threads may use it: as many requests as there are sessions are answered at a time, the others wait. A request
 * that goes on with an earlier conversation reads only what is new. An interrupted thread's request ends with a
 * {@link CancellationException}.
 */
public final class SalientChatModel implements ChatModel, AutoCloseable {
    private final LoadedModel loaded;

    SalientChatModel(LoadedModel loaded) {
        this.loaded = loaded;
    }

    /** What a model is made of; the model's path at least must be given. */
    public static SalientModelBuilder<SalientChatModel> builder() {
        return new SalientModelBuilder<>(SalientChatModel::new);
    }

    /** The same loaded model, streaming. Closing either closes both. */
    public SalientStreamingChatModel streaming() {
        return new SalientStreamingChatModel(loaded);
    }

    /**
     * Answers a request.
     *
     * @throws dev.langchain4j.exception.UnsupportedFeatureException where it asks for tools, JSON, images and the like
     * @throws dev.langchain4j.exception.InvalidRequestException where a parameter cannot be, or the conversation exceeds the context
     */
    @Override
    public ChatResponse doChat(ChatRequest request) {
        return loaded.answer(request, piece -> {});
    }

    /** Answers a request in a thread of its own; cancelling the future ends it at the next piece of text. */
    @Override
    public CompletableFuture<ChatResponse> doChatAsync(ChatRequest request) {
        CompletableFuture<ChatResponse> answer = new CompletableFuture<>();
        Thread.ofVirtual().name("salient-chat").start(() -> {
            try {
                answer.complete(loaded.answer(request, piece -> requireWaitedFor(answer)));
            } catch (RuntimeException | Error e) { // whatever it is, whoever waits must hear of it
                answer.completeExceptionally(e);
            }
        });
        return answer;
    }

    private static void requireWaitedFor(CompletableFuture<ChatResponse> answer) {
        if (answer.isDone()) {
            throw new CancellationException("chat: cancelled");
        }
    }

    @Override
    public ChatRequestParameters defaultRequestParameters() {
        return loaded.defaults();
    }

    @Override
    public List<ChatModelListener> listeners() {
        return loaded.listeners();
    }

    /** Ends requests under way with a {@link CancellationException}, and lets go of the model. */
    @Override
    public void close() {
        loaded.close();
    }
}
