package dev.salient.langchain4j;

import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.chat.response.PartialResponse;
import dev.langchain4j.model.chat.response.PartialResponseContext;
import dev.langchain4j.model.chat.response.StreamingChatResponseHandler;
import dev.langchain4j.model.chat.response.StreamingHandle;
import java.util.concurrent.CancellationException;

/** One streamed request: pieces in order, then the response or an error; nothing once it is cancelled. */
final class StreamedRequest implements Runnable, StreamingHandle {
    private final LoadedModel loaded;
    private final ChatRequest request;
    private final StreamingChatResponseHandler handler;
    private volatile boolean cancelled;

    StreamedRequest(LoadedModel loaded, ChatRequest request, StreamingChatResponseHandler handler) {
        this.loaded = loaded;
        this.request = request;
        this.handler = handler;
    }

    @Override
    public void run() {
        try {
            ChatResponse response = loaded.answer(request, this::give);
            if (!cancelled) {
                handler.onCompleteResponse(response);
            }
        } catch (RuntimeException | Error e) { // whatever it is, whoever waits for an answer must hear of it
            if (!cancelled) {
                handler.onError(e);
            }
        }
    }

    private void give(String piece) {
        if (!cancelled) {
            handler.onPartialResponse(new PartialResponse(piece), new PartialResponseContext(this));
        }
        if (cancelled) {
            throw new CancellationException("chat: cancelled by its handler");
        }
    }

    @Override
    public void cancel() {
        cancelled = true;
    }

    @Override
    public boolean isCancelled() {
        return cancelled;
    }
}
