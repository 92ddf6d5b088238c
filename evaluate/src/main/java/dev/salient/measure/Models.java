package dev.salient.measure;

import dev.salient.model.LanguageModel;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Models that read the same text, and the original that they are compared with.
 *
 * @param original null where there is none; may be one of the models: then it reads only once
 * @param measured at least one
 */
public record Models(@Nullable LanguageModel original, List<Measured> measured) {
    public Models {
        measured = List.copyOf(measured);
        if (measured.isEmpty()) {
            throw new IllegalArgumentException("models: got none, want at least one");
        }
        for (Measured one : measured) {
            int got = one.model().config().vocabSize();
            if (original != null && got != original.config().vocabSize()) {
                throw new IllegalArgumentException("vocabulary: got %d tokens, want the original's %d"
                        .formatted(got, original.config().vocabSize()));
            }
        }
    }

    /**
     * One model.
     *
     * @param store keeps its finished windows
     */
    public record Measured(LanguageModel model, WindowStore store) {}

    /** One model without an original. */
    public static Models of(LanguageModel model) {
        return new Models(null, List.of(new Measured(model, WindowStore.NONE)));
    }

    /** One model and its original. */
    public static Models of(LanguageModel model, LanguageModel original) {
        return new Models(original, List.of(new Measured(model, WindowStore.NONE)));
    }
}
