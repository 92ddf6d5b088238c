package dev.salient.format.gptq;

import static dev.salient.tensor.Preconditions.require;

import dev.salient.format.Checkpoint;
import dev.salient.format.ModelSummary;
import dev.salient.format.WeightError;
import dev.salient.format.aqlm.AqlmJson;
import dev.salient.format.aqlm.CodebookShape;
import dev.salient.model.Linear;
import dev.salient.model.LinearId;
import dev.salient.model.ModelWeights;
import dev.salient.packed.AdditiveCodebook;
import dev.salient.packed.Dense;
import dev.salient.packed.LowRank;
import dev.salient.packed.PackedWeight;
import dev.salient.tensor.DType;
import java.io.IOException;
import java.nio.file.Path;
import java.util.function.IntConsumer;

/** A model of additive codebooks as an AQLM folder with the same values, adapters as a PEFT folder inside it. */
public final class AqlmExport {
    private final Checkpoint checkpoint;
    private final FolderForm form;
    private final AqlmJson linears = new AqlmJson();

    private AqlmExport(Checkpoint checkpoint, DType plain) {
        this.checkpoint = checkpoint;
        this.form = new FolderForm(ZeroPoints.AUTO, plain);
    }

    /**
     * Checks that every linear can be written.
     *
     * @param plain the type of embeddings and head where they are in groups; those that are plain stay as they are
     * @throws IllegalArgumentException with the first linear that can't, and what can hold it
     */
    public static AqlmExport of(Checkpoint checkpoint, DType plain) {
        checkpoint.requireExportable("aqlm", "want codebooks: those of --method aqlm");
        AqlmExport export = new AqlmExport(checkpoint, plain);
        ModelWeights weights = checkpoint.weights();
        for (int b = 0; b < weights.blocks().size(); b++) {
            for (Linear linear : Linear.values()) {
                export.check(new LinearId(b, linear), weights.blocks().get(b).linear(linear));
            }
        }
        require(
                export.linears.find() != null,
                "%s: got no linear of codebooks, want a model that has them; --to hf writes plain numbers",
                checkpoint.source());
        return export;
    }

    private void check(LinearId id, PackedWeight weight) {
        PackedWeight base = weight instanceof LowRank adapted ? adapted.base() : weight;
        require(
                base instanceof Dense || base instanceof AdditiveCodebook,
                "%s: got %s, want codebooks; --to gptq, --to gguf and --to hf write grids",
                id,
                ModelSummary.formatOf(base));
        linears.add(id.toString(), base instanceof AdditiveCodebook codebooks ? CodebookShape.of(codebooks) : null);
    }

    /**
     * Writes the folder; {@code config.json} comes last, so a folder that has one is complete.
     *
     * @param note what was done, for the model card
     * @param done hears the number of each block that is written
     * @return what rounding of embeddings and head cost
     */
    public WeightError write(Path folder, String note, IntConsumer done) throws IOException {
        QuantizedFolder target = QuantizedFolder.open(folder, checkpoint, form);
        ModelWeights weights = checkpoint.weights();
        for (int b = 0; b < weights.blocks().size(); b++) {
            target.writeBlock(b, weights.blocks().get(b));
            done.accept(b);
        }
        target.finish(note);
        return target.error();
    }
}
