package dev.salient.langchain4j;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.langchain4j.agent.tool.ToolExecutionRequest;
import dev.langchain4j.agent.tool.ToolSpecification;
import dev.langchain4j.data.message.AiMessage;
import dev.langchain4j.data.message.ChatMessage;
import dev.langchain4j.data.message.ImageContent;
import dev.langchain4j.data.message.SystemMessage;
import dev.langchain4j.data.message.TextContent;
import dev.langchain4j.data.message.ToolExecutionResultMessage;
import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.exception.InvalidRequestException;
import dev.langchain4j.exception.UnsupportedFeatureException;
import dev.langchain4j.model.chat.listener.ChatModelListener;
import dev.langchain4j.model.chat.listener.ChatModelResponseContext;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.request.ChatRequestParameters;
import dev.langchain4j.model.chat.request.ResponseFormat;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.output.FinishReason;
import dev.salient.format.Checkpoint;
import dev.salient.format.Checkpoints;
import dev.salient.generate.Ending;
import dev.salient.generate.Sampling;
import dev.salient.generate.Session;
import dev.salient.model.PackedLanguageModel;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.TestInstance.Lifecycle;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

@TestInstance(Lifecycle.PER_CLASS)
class SalientChatModelTest {
    /** The small model that comes with the program: 4 blocks, 512 tokens of context. */
    static final Path EMBEDDED = Path.of("../cli-make/src/main/resources/dev/salient/cli/make/embedded");

    private static final List<ChatMessage> STORY = List.of(
            SystemMessage.from("You tell stories."),
            UserMessage.from("Tell me a story."),
            AiMessage.from("About whom?"),
            UserMessage.from("About a boat."));

    private final List<ChatModelResponseContext> heard = new CopyOnWriteArrayList<>();
    private final SalientChatModel model = builder()
            .sessions(2)
            .listeners(List.of(new ChatModelListener() {
                @Override
                public void onResponse(ChatModelResponseContext context) {
                    heard.add(context);
                }
            }))
            .build();

    private static SalientModelBuilder<SalientChatModel> builder() {
        return SalientChatModel.builder()
                .model(EMBEDDED)
                .threads(1)
                .temperature(0)
                .maxOutputTokens(24);
    }

    @AfterAll
    void close() {
        model.close();
    }

    private static ChatRequest.Builder request(ChatMessage... messages) {
        return ChatRequest.builder().messages(messages);
    }

    /** What the template and a session give, past LangChain4j. */
    private static String expected(List<dev.salient.tokenizer.ChatMessage> turns, Sampling sampling, String... stops)
            throws Exception {
        try (Checkpoint checkpoint = Checkpoints.open(EMBEDDED);
                PackedLanguageModel packed = new PackedLanguageModel(checkpoint.weights(), 1);
                Session session = new Session(packed, checkpoint.expectTokenizer(), 512)) {
            int[] prompt = checkpoint.expectChatTemplate().encodePrompt(turns);
            return session.generate(prompt, sampling, Ending.of(24, checkpoint.endTokens(), stops), piece -> {})
                    .text();
        }
    }

    @Test
    void aConversationGoesThroughTheModelsOwnTemplate() throws Exception {
        ChatResponse response = model.chat(STORY);
        assertThat(response.aiMessage().text())
                .isNotBlank()
                .isEqualTo(expected(
                        List.of(
                                new dev.salient.tokenizer.ChatMessage("system", "You tell stories."),
                                new dev.salient.tokenizer.ChatMessage("user", "Tell me a story."),
                                new dev.salient.tokenizer.ChatMessage("assistant", "About whom?"),
                                new dev.salient.tokenizer.ChatMessage("user", "About a boat.")),
                        Sampling.greedy()));
        assertThat(response.modelName()).isEqualTo("embedded");
        assertThat(response.finishReason()).isEqualTo(FinishReason.LENGTH);
        assertThat(response.tokenUsage().outputTokenCount()).isEqualTo(24);
        assertThat(response.tokenUsage().totalTokenCount())
                .isEqualTo(response.tokenUsage().inputTokenCount() + 24);
        assertThat(heard).extracting(ChatModelResponseContext::chatResponse).contains(response);
    }

    @Test
    void severalTextsOfAMessageAreItsParagraphs() {
        UserMessage two = UserMessage.from(TextContent.from("Tell me a story."), TextContent.from("A short one."));
        assertThat(model.chat(two).aiMessage().text()).isEqualTo(model.chat("Tell me a story.\n\nA short one."));
    }

    @Test
    void aRequestOverridesTheDefaults() throws Exception {
        List<dev.salient.tokenizer.ChatMessage> turns =
                List.of(new dev.salient.tokenizer.ChatMessage("user", "Tell me a story."));
        ChatRequest drawn = request(UserMessage.from("Tell me a story."))
                .parameters(SalientChatRequestParameters.builder()
                        .temperature(1.0)
                        .topP(0.9)
                        .topK(40)
                        .seed(5L)
                        .build())
                .build();
        String want = expected(turns, new Sampling(1.0, 0.9, 40, 0, 1, 5));
        assertThat(model.chat(drawn).aiMessage().text()).isEqualTo(want);
        assertThat(model.chat(drawn).aiMessage().text()).isEqualTo(want);
        assertThat(want).isNotEqualTo(model.chat("Tell me a story."));
        ChatResponse three = model.chat(
                request(UserMessage.from("Tell me a story.")).maxOutputTokens(3).build());
        assertThat(three.tokenUsage().outputTokenCount()).isEqualTo(3);
        assertThat(three.finishReason()).isEqualTo(FinishReason.LENGTH);
    }

    @Test
    void anAnswerEndsBeforeAStopSequence() {
        String whole = model.chat("Tell me a story.");
        String stop = whole.substring(whole.length() / 2, whole.length() / 2 + 5);
        ChatResponse cut = model.chat(request(UserMessage.from("Tell me a story."))
                .stopSequences(List.of("never said", stop))
                .build());
        assertThat(cut.aiMessage().text()).isEqualTo(whole.substring(0, whole.indexOf(stop)));
        assertThat(cut.finishReason()).isEqualTo(FinishReason.STOP);
        ChatResponse empty = model.chat(request(UserMessage.from("Tell me a story."))
                .stopSequences(List.of(whole.substring(0, 3)))
                .build());
        assertThat(empty.aiMessage().text()).isEmpty();
    }

    @Test
    void manyThreadsEachGetTheirOwnAnswer() throws Exception {
        List<String> prompts = IntStream.range(0, 12)
                .mapToObj(i -> "A story of " + (char) ('a' + i % 6) + ".")
                .toList();
        List<String> want = prompts.stream().map(model::chat).toList();
        try (ExecutorService threads = Executors.newFixedThreadPool(4)) {
            List<Future<String>> answers = prompts.stream()
                    .map(prompt -> threads.submit(() -> model.chat(prompt)))
                    .toList();
            for (int i = 0; i < prompts.size(); i++) {
                assertThat(answers.get(i).get()).isEqualTo(want.get(i));
            }
        }
    }

    @Test
    void anAsynchronousAnswerIsTheSameAndMayBeCancelled() {
        assertThat(model.chatAsync("Tell me a story.").join()).isEqualTo(model.chat("Tell me a story."));
        assertThatThrownBy(() -> model.chatAsync(
                                request(UserMessage.from("Hi")).topP(2.0).build())
                        .join())
                .cause()
                .isInstanceOf(InvalidRequestException.class)
                .hasMessage("top-p: got 2.0, want more than 0 and at most 1");
        for (int i = 0; i < 5; i++) { // more than there are sessions
            assertThat(model.chatAsync("Tell me a story.").cancel(true)).isTrue();
        }
        assertThat(model.chat("Tell me a story.")).isNotBlank();
    }

    static Stream<Arguments> unsupported() {
        UserMessage hello = UserMessage.from("Hello");
        ToolSpecification tool = ToolSpecification.builder().name("clock").build();
        ToolExecutionRequest call =
                ToolExecutionRequest.builder().id("1").name("clock").build();
        return Stream.of(
                Arguments.of(
                        request(hello).toolSpecifications(tool).build(),
                        "tools: got 1, want none: they are not supported"),
                Arguments.of(
                        request(hello).responseFormat(ResponseFormat.JSON).build(),
                        "response format: got JSON, want TEXT: no other is supported"),
                Arguments.of(
                        request(hello).frequencyPenalty(0.5).build(),
                        "frequency penalty: got 0.5, want none or 0: it is not supported"),
                Arguments.of(
                        request(hello).presencePenalty(0.5).build(),
                        "presence penalty: got 0.5, want none or 0: it is not supported"),
                Arguments.of(
                        request(UserMessage.from(ImageContent.from("aGk=", "image/png")))
                                .build(),
                        "content: got IMAGE, want TEXT: no other is supported"),
                Arguments.of(
                        request(hello, AiMessage.from(call), ToolExecutionResultMessage.from(call, "noon"))
                                .build(),
                        "message: got AI with tool calls, want text: tools are not supported"),
                Arguments.of(
                        request(hello, ToolExecutionResultMessage.from(call, "noon"))
                                .build(),
                        "message: got TOOL_EXECUTION_RESULT, want SYSTEM, USER or AI: no other is supported"));
    }

    @ParameterizedTest(name = "{1}")
    @MethodSource("unsupported")
    void whatIsNotSupportedIsRefused(ChatRequest request, String message) {
        assertThatThrownBy(() -> model.chat(request))
                .isInstanceOf(UnsupportedFeatureException.class)
                .hasMessage(message);
    }

    static Stream<Arguments> invalid() {
        return Stream.of(
                Arguments.of(
                        ChatRequestParameters.builder().modelName("gpt").build(),
                        "modelName: got gpt, want embedded, the model that is loaded"),
                Arguments.of(
                        ChatRequestParameters.builder().temperature(-1.0).build(),
                        "temperature: got -1.0, want a number of at least 0"),
                Arguments.of(
                        ChatRequestParameters.builder().stopSequences("").build(),
                        "stop string: got an empty one, want at least one character"));
    }

    @ParameterizedTest(name = "{1}")
    @MethodSource("invalid")
    void aParameterThatCannotBeIsRefused(ChatRequestParameters parameters, String message) {
        assertThatThrownBy(() -> model.chat(
                        request(UserMessage.from("Hi")).parameters(parameters).build()))
                .isInstanceOf(InvalidRequestException.class)
                .hasMessage(message);
        assertThatThrownBy(() -> builder().defaultRequestParameters(parameters).build())
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage(message);
    }

    @Test
    void aConversationLongerThanTheContextIsRefused() {
        try (SalientChatModel small = builder().context(8).build()) {
            assertThatThrownBy(() -> small.chat(UserMessage.from("Hello")))
                    .isInstanceOf(InvalidRequestException.class)
                    .hasMessageMatching("messages: got \\d+ tokens, want at most 8, the context");
        }
    }

    @Test
    void settingsThatCannotBeAreRefused() {
        assertThatThrownBy(() -> SalientChatModel.builder().build())
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("model: got none, want the path of a folder or GGUF file");
        assertThatThrownBy(() -> builder().context(513).build())
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("context: got 513, want 1 to 512");
        assertThatThrownBy(() -> builder().sessions(0).build())
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("sessions: got 0, want at least 1");
        assertThatThrownBy(() -> builder().model(Path.of("none")).build())
                .isInstanceOf(UncheckedIOException.class)
                .hasMessage("none: got no such file or folder");
    }

    @Test
    void aClosedModelRefusesRequests() {
        SalientChatModel closed = builder().build();
        closed.close();
        closed.close();
        assertThatThrownBy(() -> closed.chat("Hello"))
                .isInstanceOf(CancellationException.class)
                .hasMessage("generation: the sessions are closed");
    }
}
