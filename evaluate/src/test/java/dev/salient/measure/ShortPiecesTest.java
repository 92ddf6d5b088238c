package dev.salient.measure;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.salient.model.LanguageModel;
import dev.salient.model.LanguageModel.KvCache;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class ShortPiecesTest {
    private final BigramModel model = new BigramModel(11, 5);
    private final int[] tokens = {1, 2, 3, 4, 5, 6, 7};

    @Test
    void everyTokenIsReadOnceAndInOrder() {
        List<Integer> positions = new ArrayList<>();
        LanguageModel pieces = new ShortPieces(model, 3);
        try (KvCache cache = pieces.newCache(7)) {
            pieces.forward(tokens, cache, (position, logits) -> positions.add(position));
            assertThat(cache.length()).isEqualTo(7);
        }
        assertThat(positions).containsExactly(0, 1, 2, 3, 4, 5, 6);
        assertThat(model.fed).isEqualTo(7);
    }

    @Test
    void theLastLogitsAreThoseOfTheWhole() {
        LanguageModel pieces = new ShortPieces(model, 3);
        try (KvCache cache = pieces.newCache(7);
                KvCache whole = model.newCache(7)) {
            assertThat(pieces.forwardLast(tokens, cache)).isEqualTo(model.forwardLast(tokens, whole));
        }
    }

    @Test
    void noTokensAtATimeAreRefused() {
        assertThatThrownBy(() -> new ShortPieces(model, 0)).hasMessage("tokens at a time: got 0, want 1 or more");
    }
}
