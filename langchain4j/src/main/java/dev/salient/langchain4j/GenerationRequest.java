package dev.salient.langchain4j;

import dev.langchain4j.exception.UnsupportedFeatureException;
import dev.langchain4j.model.chat.request.ChatRequestParameters;
import dev.langchain4j.model.chat.request.ResponseFormat;
import dev.langchain4j.model.chat.request.ResponseFormatType;
import dev.langchain4j.model.chat.request.ToolChoice;
import dev.salient.format.Checkpoint;
import dev.salient.format.Checkpoints;
import dev.salient.generate.Ending;
import dev.salient.generate.Sampling;
import java.util.HashSet;
import java.util.List;
import java.util.concurrent.ThreadLocalRandom;
import org.jspecify.annotations.Nullable;

/** A request's parameters in Salient's terms. */
record GenerationRequest(Sampling sampling, Ending ending) {
    /**
     * Reads parameters.
     *
     * @param asked with temperature, top-p and most tokens in it
     * @throws UnsupportedFeatureException where they ask for what Salient does not do
     * @throws IllegalArgumentException where one cannot be
     */
    static GenerationRequest of(ChatRequestParameters asked, Checkpoint checkpoint) {
        refuseWhatIsNotDone(asked);
        String name = Checkpoints.name(checkpoint.source());
        if (asked.modelName() != null && !asked.modelName().equals(name)) {
            throw new IllegalArgumentException(
                    "modelName: got %s, want %s, the model that is loaded".formatted(asked.modelName(), name));
        }
        Long seed = asked instanceof SalientChatRequestParameters ours ? ours.seed() : null;
        Sampling sampling = new Sampling(
                asked.temperature(),
                asked.topP(),
                or(asked.topK(), 0),
                0,
                1,
                seed == null ? ThreadLocalRandom.current().nextLong() : seed);
        return new GenerationRequest(
                sampling,
                new Ending(
                        asked.maxOutputTokens(),
                        new HashSet<>(checkpoint.endTokens()),
                        or(asked.stopSequences(), List.of())));
    }

    private static <T> T or(@Nullable T asked, T absent) {
        return asked == null ? absent : asked;
    }

    private static void refuseWhatIsNotDone(ChatRequestParameters asked) {
        int tools = or(asked.toolSpecifications(), List.of()).size();
        if (tools > 0 || asked.toolChoice() == ToolChoice.REQUIRED) {
            throw new UnsupportedFeatureException("tools: got %d, want none: they are not supported".formatted(tools));
        }
        ResponseFormat format = asked.responseFormat();
        if (format != null && format.type() != ResponseFormatType.TEXT) {
            throw new UnsupportedFeatureException(
                    "response format: got %s, want TEXT: no other is supported".formatted(format.type()));
        }
        refusePenalty("frequency", asked.frequencyPenalty());
        refusePenalty("presence", asked.presencePenalty());
    }

    private static void refusePenalty(String which, @Nullable Double penalty) {
        if (penalty != null && penalty != 0) {
            throw new UnsupportedFeatureException(
                    "%s penalty: got %s, want none or 0: it is not supported".formatted(which, penalty));
        }
    }
}
