package dev.salient.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.salient.format.Checkpoint;
import dev.salient.format.Checkpoints;
import dev.salient.format.MismatchException;
import dev.salient.format.Verification;
import dev.salient.format.WeightError;
import dev.salient.model.LanguageModel.KvCache;
import dev.salient.model.ModelWeights;
import dev.salient.model.PackedLanguageModel;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** What {@code export} says about the numbers it wrote. */
final class ExportReport {
    /** Sums of the same weights in another order, as another form of them makes, stay well within this part of the logits. */
    private static final double ORDER_OF_SUMS = 1e-3;

    private static final int TOKENS = 8;

    private ExportReport() {}

    /** What rounding cost; silent where nothing was rounded. */
    static void rounding(WeightError error, Console console, ObjectNode json) {
        json.put("relativeError", error.relative());
        if (!error.isNone()) {
            console.line(
                    "rounded    %s weights, by %.2g of the weights' size on average, by %.2g at most",
                    Words.count(error.moved()), error.relative(), error.largest());
        }
    }

    /**
     * Opens what was written and compares every weight, then the logits of a few tokens.
     *
     * @param want what must be there
     * @throws MismatchException where it isn't
     */
    static void verify(Path written, ModelWeights want, Console console, ObjectNode json) throws IOException {
        try (Checkpoint read = Checkpoints.open(written)) {
            Verification.Result result = Verification.compare(written, want, read.weights());
            List<float[]> wanted = logits(want);
            List<float[]> got = logits(read.weights());
            double apart = 0;
            double size = 1;
            for (int t = 0; t < wanted.size(); t++) {
                for (int i = 0; i < wanted.get(t).length; i++) {
                    apart = Math.max(apart, Math.abs((double) wanted.get(t)[i] - got.get(t)[i]));
                    size = Math.max(size, Math.abs(wanted.get(t)[i]));
                }
            }
            boolean same = result.error().isNone();
            if (same && !(apart <= ORDER_OF_SUMS * size)) {
                throw new MismatchException(
                        "%s: got logits %s apart though all weights are equal, want %s at most",
                        written, apart, ORDER_OF_SUMS * size);
            }
            console.line(
                    "verified   %d tensors read back: %s; logits of %d tokens at most %.2g apart",
                    result.matrices(),
                    same
                            ? "all equal"
                            : "%d equal, %d to the nearest"
                                    .formatted(result.equal(), result.matrices() - result.equal()),
                    wanted.size(),
                    apart);
            json.putObject("verified")
                    .put("tensors", result.matrices())
                    .put("equal", result.equal())
                    .put("logitsApart", apart);
        }
    }

    /** The logits after a few tokens that lie all over the vocabulary. */
    private static List<float[]> logits(ModelWeights weights) {
        int count = Math.min(TOKENS, weights.config().contextLength());
        int[] tokens = new int[count];
        for (int i = 0; i < count; i++) {
            tokens[i] = (int) ((long) weights.config().vocabSize() * (i + 1) / (count + 1));
        }
        int threads = Runtime.getRuntime().availableProcessors();
        try (PackedLanguageModel model = new PackedLanguageModel(weights, threads);
                KvCache cache = model.newCache(count)) {
            List<float[]> logits = new ArrayList<>();
            model.forward(tokens, cache, (position, row) -> logits.add(row.clone()));
            return logits;
        }
    }
}
