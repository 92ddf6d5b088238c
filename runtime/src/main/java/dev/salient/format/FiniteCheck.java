package dev.salient.format;

import dev.salient.model.BlockWeights;
import dev.salient.model.Linear;
import dev.salient.model.LinearId;
import dev.salient.model.ModelWeights;
import dev.salient.packed.PackedWeight;
import java.nio.file.Path;

/** Looks at every weight for NaN and infinity. */
final class FiniteCheck {
    private final Path source;

    FiniteCheck(Path source) {
        this.source = source;
    }

    void check(ModelWeights weights) throws FormatException {
        OwnValues.require(weights, "want a model to quantize or train from: its original");
        check("embedding", weights.embedding());
        for (int b = 0; b < weights.blocks().size(); b++) {
            BlockWeights block = weights.blocks().get(b);
            for (Linear linear : Linear.values()) {
                check(new LinearId(b, linear).toString(), block.linear(linear));
            }
        }
        if (!weights.config().tiedEmbeddings()) {
            check("head", weights.head());
        }
    }

    private void check(String what, PackedWeight weight) throws FormatException {
        float[] row = new float[weight.in()];
        for (int o = 0; o < weight.out(); o++) {
            weight.decodeRow(o, row, 0);
            for (int i = 0; i < row.length; i++) {
                if (!Float.isFinite(row[i])) {
                    throw new FormatException(
                            "%s: %s: got %s at [%d, %d], want a finite number", source, what, row[i], o, i);
                }
            }
        }
    }
}
