package dev.salient.format.gptq;

import static dev.salient.tensor.Preconditions.require;

import dev.salient.format.Checkpoint;
import dev.salient.format.WeightError;
import dev.salient.format.aqlm.AqlmLinears;
import dev.salient.format.aqlm.CodebookShape;
import dev.salient.format.hf.DenseMatrix;
import dev.salient.format.hf.HfGains;
import dev.salient.format.hf.HfNames;
import dev.salient.format.hf.HfWeights;
import dev.salient.format.hf.HfWeights.LinearReader;
import dev.salient.format.mos.MixtureLinears;
import dev.salient.format.safetensors.SafetensorsFile;
import dev.salient.format.safetensors.SafetensorsWriter;
import dev.salient.format.safetensors.SafetensorsWriter.Payload;
import dev.salient.format.safetensors.TensorStore;
import dev.salient.model.BlockWeights;
import dev.salient.model.IntactKv;
import dev.salient.model.Linear;
import dev.salient.model.LinearId;
import dev.salient.model.ModelConfig;
import dev.salient.model.ModelWeights;
import dev.salient.packed.Dense;
import dev.salient.packed.LowRank;
import dev.salient.packed.PackedWeight;
import dev.salient.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A GPTQ-format folder, or an AQLM one where linears have codebooks, that grows block by block, and can be left and taken up between any
 * two of them.
 *
 * <pre>{@code
 * QuantizedFolder folder = QuantizedFolder.open(path, original);
 * for (int b = 0; b < blockCount; b++) {
 *     if (!folder.hasBlock(b)) {
 *         folder.writeBlock(b, quantize(b));
 *     }
 * }
 * folder.finish("2 bits, groups of 64, by ...");
 * }</pre>
 *
 * <p>Each block is one shard, moved into place when whole; its adapters wait in a file of their own until
 * {@link #finish} puts them together. Until then zero points are stored as they are ("gptq_v2").
 */
public final class QuantizedFolder {
    static final Map<String, String> METADATA = Map.of("format", "pt");

    private final Path folder;
    private final Checkpoint original;
    private final ModelConfig config;
    private final FolderForm form;
    private final WeightError error = new WeightError();
    private @Nullable IntactKv intact;

    private QuantizedFolder(Path folder, Checkpoint original, FolderForm form) {
        this.folder = folder;
        this.form = form;
        this.original = original;
        this.config = original.weights().config();
    }

    /**
     * Takes up a folder, or makes a new one.
     *
     * @param original what is quantized; embeddings, norms, head, tokenizer and licence come from it
     */
    public static QuantizedFolder open(Path folder, Checkpoint original) throws IOException {
        return open(folder, original, FolderForm.USUAL);
    }

    static QuantizedFolder open(Path folder, Checkpoint original, FolderForm form) throws IOException {
        Files.createDirectories(folder);
        return new QuantizedFolder(folder, original, form);
    }

    /** Whether this block has been written. */
    public boolean hasBlock(int block) {
        return Files.isRegularFile(blockFile(block));
    }

    /** Whether {@link #finish} has run to its end. */
    public boolean isFinished() {
        return Files.isRegularFile(folder.resolve(FolderSummary.CONFIG));
    }

    /** The shard of a block. */
    public Path blockFile(int block) {
        require(block >= 0 && block < config.blockCount(), "block: got %d, want 0 to %d", block, config.blockCount());
        return folder.resolve(shardName(block));
    }

    /** The name of a shard; the one after the blocks' holds embeddings, final norm and head. */
    String shardName(int index) {
        return "model-%05d-of-%05d.safetensors".formatted(index + 1, config.blockCount() + 1);
    }

    Path adapterPart(int block) {
        return folder.resolve(PeftAdapter.FOLDER).resolve("block-%05d.safetensors".formatted(block));
    }

    Path path() {
        return folder;
    }

    ModelConfig config() {
        return config;
    }

    FolderForm form() {
        return form;
    }

    /** Keys and values that {@link #finish} writes, or null. */
    @Nullable
    IntactKv intact() {
        return intact;
    }

    /** Has {@link #finish} write such keys and values; they are not part of any block, so that a folder is taken up without them. */
    public void keep(IntactKv intact) {
        this.intact = intact;
    }

    /** What rounding embeddings and head cost. */
    WeightError error() {
        return error;
    }

    Checkpoint original() {
        return original;
    }

    /**
     * Writes a block: linears packed where they are {@code GroupAffine}, {@code AdditiveCodebook}, {@code SuperBlocks} or {@code ScaleMixture}, plain otherwise, adapters rounded to fp16.
     * An earlier version of the block is replaced.
     */
    public void writeBlock(int block, BlockWeights weights) throws IOException {
        Path file = blockFile(block);
        Files.deleteIfExists(file);
        try (Arena arena = Arena.ofShared()) {
            Map<String, Payload> adapters = new LinkedHashMap<>();
            Map<String, Payload> tensors = new LinkedHashMap<>();
            weights.norms()
                    .forEach((norm, gain) -> tensors.put(
                            HfNames.norm(block, norm, config.family()),
                            Payloads.of(HfGains.stored(gain, config.family()))));
            for (Linear linear : Linear.values()) {
                String module = HfNames.module(new LinearId(block, linear));
                PackedWeight weight = weights.linear(linear);
                if (weight instanceof LowRank adapted) {
                    adapters.putAll(Payloads.adapter(module, adapted));
                    weight = adapted.base();
                }
                tensors.putAll(Payloads.linear(module, weight, arena));
                Tensor bias = weights.findBias(linear);
                if (bias != null) {
                    tensors.put(module + ".bias", Payloads.of(bias));
                }
            }
            writeAdapterPart(block, adapters, AdapterScalings.of(block, weights));
            SafetensorsWriter.write(file, METADATA, tensors);
        }
    }

    private void writeAdapterPart(int block, Map<String, Payload> adapters, Map<String, String> scalings)
            throws IOException {
        if (adapters.isEmpty()) {
            Files.deleteIfExists(adapterPart(block));
            return;
        }
        Files.createDirectories(folder.resolve(PeftAdapter.FOLDER));
        SafetensorsWriter.write(adapterPart(block), scalings, adapters);
    }

    /**
     * A block as it was written, to go on after it; before {@link #finish}.
     *
     * @param arena owns the weights
     */
    public BlockWeights readBlock(int block, Arena arena) throws IOException {
        require(!isFinished(), "%s: got a folder that is finished, want Checkpoints.open", folder);
        Path file = blockFile(block);
        TensorStore store = TensorStore.of(String.valueOf(file.getFileName()), SafetensorsFile.open(file, arena));
        LinearReader linears = (id, out, in) -> {
            String module = HfNames.module(id);
            CodebookShape codebooks = CodebookShape.find(store, module);
            if (codebooks != null) {
                return AqlmLinears.read(store, module, codebooks, new int[] {out, in});
            }
            GptqConfig grid =
                    new GptqConfig(FolderSummary.gridOrDefault(store, module, in), 0, false, java.util.List.of());
            return new GptqLinears(store, grid, arena).read(id, out, in);
        };
        linears = MixtureLinears.over(store, BlockLinears.over(store, linears));
        Path part = adapterPart(block);
        if (Files.isRegularFile(part)) {
            linears = AdapterScalings.over(linears, SafetensorsFile.open(part, arena));
        }
        return HfWeights.readBlock(block, config, store, linears);
    }

    /**
     * Writes what is left: the original's embeddings and head unless {@link #writeEnds} has written others, adapter, index, configuration, tokenizer, licence and model card.
     *
     * @param note what was done, for the model card: plain sentences
     */
    public void finish(String note) throws IOException {
        if (isFinished()) {
            FolderFinish.deleteParts(this);
            return;
        }
        for (int b = 0; b < config.blockCount(); b++) {
            require(hasBlock(b), "%s: got no block %d, want all %d blocks", folder, b, config.blockCount());
        }
        if (!Files.isRegularFile(folder.resolve(shardName(config.blockCount())))) {
            writeEnds(original.weights());
        }
        new FolderFinish(this).run(note);
    }

    private Payload plain(String what, PackedWeight weight) {
        return weight instanceof Dense dense
                ? Payloads.of(dense.values())
                : new DenseMatrix(what, weight, form.plain()).payload(error);
    }

    /** Writes embedding, final norm and head of a model, whatever its blocks. What an earlier call wrote is replaced. */
    public void writeEnds(ModelWeights weights) throws IOException {
        Map<String, Payload> tensors = new LinkedHashMap<>();
        tensors.put(HfNames.EMBEDDING, plain("embedding", weights.embedding()));
        tensors.put(HfNames.FINAL_NORM, Payloads.of(HfGains.stored(weights.finalNorm(), config.family())));
        if (!config.tiedEmbeddings()) {
            tensors.put(HfNames.HEAD, plain("head", weights.head()));
        }
        SafetensorsWriter.write(folder.resolve(shardName(config.blockCount())), METADATA, tensors);
    }
}
