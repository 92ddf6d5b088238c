package dev.salient.langchain4j;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.exception.UnsupportedFeatureException;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.request.ResponseFormat;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.chat.response.PartialResponse;
import dev.langchain4j.model.chat.response.PartialResponseContext;
import dev.langchain4j.model.chat.response.StreamingChatResponseHandler;
import dev.langchain4j.model.output.FinishReason;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class SalientStreamingChatModelTest {
    private final SalientChatModel model = SalientChatModel.builder()
            .model(SalientChatModelTest.EMBEDDED)
            .threads(1)
            .temperature(0)
            .maxOutputTokens(24)
            .build();
    private final SalientStreamingChatModel streaming = model.streaming();

    @AfterEach
    void close() {
        model.close();
    }

    private static ChatRequest.Builder story() {
        return ChatRequest.builder().messages(UserMessage.from("Tell me a story."));
    }

    @Test
    void piecesComeInOrderAndThenTheResponse() throws Exception {
        Recorder recorder = new Recorder();
        streaming.chat(story().build(), recorder);
        ChatResponse response = recorder.end.get();
        assertThat(recorder.pieces).hasSizeGreaterThan(5);
        assertThat(String.join("", recorder.pieces))
                .isEqualTo(response.aiMessage().text())
                .isEqualTo(model.chat("Tell me a story."));
        assertThat(response.finishReason()).isEqualTo(FinishReason.LENGTH);
        assertThat(response.tokenUsage().outputTokenCount()).isEqualTo(24);
    }

    @Test
    void nothingOfAStopSequenceIsHandedOut() throws Exception {
        String whole = model.chat("Tell me a story.");
        String stop = whole.substring(whole.length() / 2, whole.length() / 2 + 5);
        Recorder recorder = new Recorder();
        streaming.chat(story().stopSequences(List.of(stop)).build(), recorder);
        assertThat(recorder.end.get().finishReason()).isEqualTo(FinishReason.STOP);
        assertThat(String.join("", recorder.pieces)).isEqualTo(whole.substring(0, whole.indexOf(stop)));
    }

    @Test
    void whatIsNotSupportedIsAnError() {
        Recorder recorder = new Recorder();
        streaming.chat(story().responseFormat(ResponseFormat.JSON).build(), recorder);
        assertThatThrownBy(recorder.end::get)
                .isInstanceOf(ExecutionException.class)
                .cause()
                .isInstanceOf(UnsupportedFeatureException.class)
                .hasMessage("response format: got JSON, want TEXT: no other is supported");
        assertThat(recorder.pieces).isEmpty();
    }

    @Test
    void aHandlerThatThrowsGetsItAsTheErrorAndItsRequestEnds() throws Exception {
        Recorder recorder = new Recorder() {
            @Override
            public void onPartialResponse(PartialResponse partial, PartialResponseContext context) {
                super.onPartialResponse(partial, context);
                throw new IllegalStateException("page: gone");
            }
        };
        streaming.chat(story().build(), recorder);
        assertThatThrownBy(recorder.end::get).cause().hasMessage("page: gone");
        assertThat(recorder.pieces).hasSize(1);
        assertThat(model.chat("Tell me a story.")).startsWith(recorder.pieces.getFirst());
    }

    @Test
    void nothingIsCalledAfterARequestWasCancelled() throws Exception {
        CountDownLatch cancelled = new CountDownLatch(1);
        Recorder cancelling = new Recorder() {
            @Override
            public void onPartialResponse(PartialResponse partial, PartialResponseContext context) {
                super.onPartialResponse(partial, context);
                context.streamingHandle().cancel();
                assertThat(context.streamingHandle().isCancelled()).isTrue();
                cancelled.countDown();
            }
        };
        streaming.chat(story().build(), cancelling);
        cancelled.await();
        Recorder next = new Recorder();
        streaming.chat(story().build(), next);
        assertThat(next.end.join().aiMessage().text()).isNotBlank();
        model.close(); // waits for whatever is under way
        assertThat(cancelling.pieces).hasSize(1);
        assertThat(cancelling.end).isNotDone();
    }

    @Test
    void closingEndsTheRequestUnderWayWithAnError() throws Exception {
        CountDownLatch begun = new CountDownLatch(1);
        CountDownLatch goOn = new CountDownLatch(1);
        Recorder recorder = new Recorder() {
            @Override
            public void onPartialResponse(PartialResponse partial, PartialResponseContext context) {
                begun.countDown();
                try {
                    goOn.await();
                } catch (InterruptedException e) {
                    throw new IllegalStateException(e);
                }
            }
        };
        streaming.chat(story().build(), recorder);
        begun.await();
        Thread closing = Thread.ofPlatform().start(streaming::close);
        while (closing.getState() != Thread.State.WAITING) {
            Thread.onSpinWait();
        }
        goOn.countDown();
        closing.join();
        assertThatThrownBy(recorder.end::get)
                .cause()
                .isInstanceOf(CancellationException.class)
                .hasMessage("generation: the sessions are closed");
    }

    /** Keeps what it is called with. */
    private static class Recorder implements StreamingChatResponseHandler {
        final List<String> pieces = new ArrayList<>();
        final CompletableFuture<ChatResponse> end = new CompletableFuture<>();

        @Override
        public void onPartialResponse(PartialResponse partial, PartialResponseContext context) {
            pieces.add(partial.text());
        }

        @Override
        public void onCompleteResponse(ChatResponse response) {
            end.complete(response);
        }

        @Override
        public void onError(Throwable error) {
            end.completeExceptionally(error);
        }
    }
}
