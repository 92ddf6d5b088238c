package dev.salient.langchain4j;

import dev.langchain4j.model.chat.listener.ChatModelListener;
import dev.langchain4j.model.chat.request.ChatRequestParameters;
import dev.salient.format.Checkpoint;
import dev.salient.format.Checkpoints;
import dev.salient.model.Precision;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * What a {@link SalientChatModel} or {@link SalientStreamingChatModel} is made of.
 *
 * @param <M> which of them
 */
public final class SalientModelBuilder<M> {
    private static final int DEFAULT_CONTEXT = 4096;

    private final Function<LoadedModel, M> kind;
    private final SalientChatRequestParameters.Builder parameters =
            SalientChatRequestParameters.builder().temperature(0.8).topP(0.95).maxOutputTokens(512);
    private @Nullable Path path;
    private @Nullable Integer context;
    private int sessions = 1;
    private int threads = Runtime.getRuntime().availableProcessors();
    private Precision precision = Precision.FULL;
    private List<ChatModelListener> listeners = List.of();

    SalientModelBuilder(Function<LoadedModel, M> kind) {
        this.kind = kind;
    }

    /** The model: a Hugging Face folder or a GGUF file, with a chat template. */
    public SalientModelBuilder<M> model(Path path) {
        this.path = path;
        return this;
    }

    /** Tokens of conversation and answer together. Default: 4096, or the model's context where that is less. */
    public SalientModelBuilder<M> context(int context) {
        this.context = context;
        return this;
    }

    /** Requests that are answered at a time, each with memory for a context of its own. Default: 1. */
    public SalientModelBuilder<M> sessions(int sessions) {
        this.sessions = sessions;
        return this;
    }

    /** Threads that compute. Default: all cores. */
    public SalientModelBuilder<M> threads(int threads) {
        this.threads = threads;
        return this;
    }

    /** Where the model may round to be faster or smaller. Default: nowhere. */
    public SalientModelBuilder<M> precision(Precision precision) {
        this.precision = precision;
        return this;
    }

    /**
     * What requests that do not say otherwise ask for; what is not given here stays at Salient's defaults: temperature 0.8, top-p
     * 0.95, 512 tokens.
     *
     * @param parameters {@link SalientChatRequestParameters} where a seed is to be among them
     */
    public SalientModelBuilder<M> defaultRequestParameters(ChatRequestParameters parameters) {
        this.parameters.overrideWith(parameters);
        return this;
    }

    /** 0 takes the likeliest token, always. Default: 0.8. */
    public SalientModelBuilder<M> temperature(double temperature) {
        parameters.temperature(temperature);
        return this;
    }

    /** Only the likeliest tokens that together reach this probability; 1: all. Default: 0.95. */
    public SalientModelBuilder<M> topP(double topP) {
        parameters.topP(topP);
        return this;
    }

    /** Only so many likeliest tokens; 0: all. Default: all. */
    public SalientModelBuilder<M> topK(int topK) {
        parameters.topK(topK);
        return this;
    }

    /** At most so many new tokens. Default: 512. */
    public SalientModelBuilder<M> maxOutputTokens(int tokens) {
        parameters.maxOutputTokens(tokens);
        return this;
    }

    /** Texts before which an answer ends. Default: none. */
    public SalientModelBuilder<M> stopSequences(List<String> stops) {
        parameters.stopSequences(stops);
        return this;
    }

    /** The same request then gets the same answer. Default: another seed for each request. */
    public SalientModelBuilder<M> seed(long seed) {
        parameters.seed(seed);
        return this;
    }

    /** Who hears of requests, responses and errors. Default: nobody. */
    public SalientModelBuilder<M> listeners(List<ChatModelListener> listeners) {
        this.listeners = List.copyOf(listeners);
        return this;
    }

    /**
     * Loads the model.
     *
     * @throws UncheckedIOException where a file is missing or not what it should be
     * @throws IllegalArgumentException where a setting cannot be
     */
    public M build() {
        if (path == null) {
            throw new IllegalArgumentException("model: got none, want the path of a folder or GGUF file");
        }
        try {
            Checkpoint checkpoint = Checkpoints.open(path);
            try {
                return kind.apply(new LoadedModel(checkpoint, settings(checkpoint), listeners));
            } catch (IOException | RuntimeException e) {
                checkpoint.close();
                throw e;
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e.getMessage(), e);
        }
    }

    private LoadedModel.Settings settings(Checkpoint checkpoint) {
        int most = checkpoint.weights().config().contextLength();
        int tokens = context == null ? Math.min(DEFAULT_CONTEXT, most) : context;
        if (tokens < 1 || tokens > most) {
            throw new IllegalArgumentException("context: got %d, want 1 to %d".formatted(tokens, most));
        }
        SalientChatRequestParameters defaults = SalientChatRequestParameters.builder()
                .modelName(Checkpoints.name(checkpoint.source()))
                .overrideWith(parameters.build())
                .build();
        return new LoadedModel.Settings(tokens, sessions, threads, precision, defaults);
    }
}
