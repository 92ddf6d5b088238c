package dev.salient.langchain4j;

import dev.langchain4j.model.chat.StreamingChatModel;
import dev.langchain4j.model.chat.listener.ChatModelListener;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.request.ChatRequestParameters;
import dev.langchain4j.model.chat.response.StreamingChatResponseHandler;
import java.util.List;

/**
 * A model on this machine's disk as LangChain4j's {@link StreamingChatModel}.
 *
 * <p>A request returns at once; its handler is called from a thread of its own: with pieces of the text in order, then once with
 * either the whole response or an error. A handler that throws gets what it threw as the error, and its request ends there. When
 * a {@link dev.langchain4j.model.chat.response.StreamingHandle} cancelled the request, nothing more is called. Threads and
 * sessions are as {@link SalientChatModel} says.
 */
public final class SalientStreamingChatModel implements StreamingChatModel, AutoCloseable {
    private final LoadedModel loaded;

    SalientStreamingChatModel(LoadedModel loaded) {
        this.loaded = loaded;
    }

    /** What a model is made of; the model's path at least must be given. */
    public static SalientModelBuilder<SalientStreamingChatModel> builder() {
        return new SalientModelBuilder<>(SalientStreamingChatModel::new);
    }

    @Override
    public void doChat(ChatRequest request, StreamingChatResponseHandler handler) {
        Thread.ofVirtual().name("salient-chat").start(new StreamedRequest(loaded, request, handler));
    }

    @Override
    public ChatRequestParameters defaultRequestParameters() {
        return loaded.defaults();
    }

    @Override
    public List<ChatModelListener> listeners() {
        return loaded.listeners();
    }

    /**
     * Ends requests under way with a {@link java.util.concurrent.CancellationException}, and lets go of the model.
     *
     * @throws IllegalStateException where a handler calls it with a piece of text, which would wait for itself
     */
    @Override
    public void close() {
        loaded.close();
    }
}
