package dev.salient.format.gguf;

import static dev.salient.tensor.Preconditions.require;

import dev.salient.format.Adapters;
import dev.salient.format.Checkpoint;
import dev.salient.format.WeightError;
import dev.salient.model.BlockWeights;
import dev.salient.model.Linear;
import dev.salient.model.LinearId;
import dev.salient.model.ModelConfig;
import dev.salient.model.ModelWeights;
import dev.salient.model.Norm;
import dev.salient.model.RopeScaling;
import dev.salient.packed.LowRank;
import dev.salient.packed.PackedWeight;
import dev.salient.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * A model as a GGUF file that stock llama.cpp runs, its adapter as a GGUF LoRA file beside it.
 *
 * <pre>{@code
 * GgufExport.of(checkpoint, GgufType.AS_STORED, TwoBits.KEPT).write(Path.of("small.gguf"), name -> {});
 * }</pre>
 */
public final class GgufExport {
    private final Checkpoint checkpoint;
    private final GgufType type;
    private final TwoBits twoBits;
    private final Adapters adapters;
    private final ModelConfig config;
    private final GgufFamily family;
    private final Map<String, GgmlType> types = new LinkedHashMap<>();
    private final List<GgufPayload> tensors = new ArrayList<>();

    private WeightError error = new WeightError();

    private GgufExport(Checkpoint checkpoint, GgufType type, TwoBits twoBits, Adapters adapters) {
        this.checkpoint = checkpoint;
        this.type = type;
        this.twoBits = twoBits;
        this.adapters = adapters;
        this.config = checkpoint.weights().config();
        this.family = GgufFamily.of(config.family());
    }

    /**
     * Decides how each tensor is written; an adapter gets a file of its own.
     *
     * @throws IllegalArgumentException where one can't be written in this type
     */
    public static GgufExport of(Checkpoint checkpoint, GgufType type, TwoBits twoBits) {
        return of(checkpoint, type, twoBits, Adapters.APART);
    }

    /**
     * Decides how each tensor is written.
     *
     * @param adapters whether they are folded into the weights, which takes a type that rounds, or get a file of their own
     * @throws IllegalArgumentException where a tensor can't be written in this type
     */
    public static GgufExport of(Checkpoint checkpoint, GgufType type, TwoBits twoBits, Adapters adapters) {
        require(
                adapters == Adapters.APART || type != GgufType.AS_STORED,
                "--merge: got --type as-stored, want f32, f16, bf16, q8_0 or q4_0: merged weights fit no grid");
        checkpoint.requireExportable(
                "gguf", "want what GGUF has a type for: --grid binary with --group-size 128 becomes Q1_0");
        GgufExport export = new GgufExport(checkpoint, type, twoBits, adapters);
        GgufSizes.requireWritable(export.config);
        export.plan(checkpoint.weights());
        return export;
    }

    private void plan(ModelWeights weights) {
        addMatrix("embedding", GgufNames.EMBEDDING, weights.embedding(), RowOrder.same());
        RopeScaling scaling = config.ropeScaling();
        if (scaling != null && !(scaling instanceof RopeScaling.Linear) && !(scaling instanceof RopeScaling.Yarn)) {
            addVector(GgufNames.ROPE_FACTORS, RopeFactors.divisors(config, scaling));
        }
        for (int b = 0; b < config.blockCount(); b++) {
            BlockWeights block = weights.blocks().get(b);
            for (Norm norm : config.norms()) {
                addVector(GgufNames.norm(b, norm), block.norm(norm).toFloats());
            }
            for (Linear linear : Linear.values()) {
                LinearId id = new LinearId(b, linear);
                RowOrder order = RowOrder.of(family, linear, config.headSize());
                addMatrix(id.toString(), GgufNames.linear(id), written(block.linear(linear)), order);
                Tensor bias = block.findBias(linear);
                if (bias != null) {
                    addVector(GgufNames.bias(id), order.inFileOrder(bias));
                }
            }
        }
        addVector(GgufNames.FINAL_NORM, weights.finalNorm().toFloats());
        if (!config.tiedEmbeddings()) {
            addMatrix("head", GgufNames.HEAD, weights.head(), RowOrder.same());
        }
    }

    private PackedWeight written(PackedWeight weight) {
        return weight instanceof LowRank adapted && adapters == Adapters.APART ? adapted.base() : weight;
    }

    private void addVector(String name, float[] values) {
        tensors.add(GgufPayload.vector(name, values));
    }

    private void addMatrix(String what, String name, PackedWeight weight, RowOrder order) {
        RowEncoding encoding = RowEncoding.of(what, weight, type, twoBits);
        types.put(what, encoding.type());
        tensors.add(GgufPayload.matrix(name, weight, encoding, order));
    }

    /** The type of each matrix: {@code embedding}, {@code head} or a linear such as {@code 11.down}. */
    public Map<String, String> types() {
        Map<String, String> names = new LinkedHashMap<>();
        types.forEach((what, it) -> names.put(what, it.name()));
        return names;
    }

    /** How far the written weights are from the model's. */
    public WeightError error() {
        return error;
    }

    /** Number of tensors in the model's file. */
    public int tensorCount() {
        return tensors.size();
    }

    /**
     * Writes the model, and its adapter where it has one: under temporary names, read again and compared, then moved
     * into place. Files that are there are replaced.
     *
     * @param file ends with {@code .gguf}
     * @param done hears the name of each tensor that is written
     * @return the adapter's file, or null
     */
    public @Nullable Path write(Path file, Consumer<String> done) throws IOException {
        GgufAdapter adapter = adapters == Adapters.MERGED ? null : GgufAdapter.find(checkpoint);
        GgufMetadata metadata = ModelMetadata.of(checkpoint, mostly());
        Path temporary = temporary(file);
        Path adapterFile = adapterFile(file);
        try {
            GgufWriter.write(temporary, metadata, tensors, done);
            error = GgufCheck.check(temporary, tensors);
            if (adapter != null) {
                adapter.write(temporary(adapterFile));
                move(adapterFile);
            }
            move(file);
        } finally {
            Files.deleteIfExists(temporary);
            Files.deleteIfExists(temporary(adapterFile));
        }
        return adapter == null ? null : adapterFile;
    }

    private static void move(Path file) throws IOException {
        Files.move(temporary(file), file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    }

    private static Path temporary(Path file) {
        return file.resolveSibling(file.getFileName() + ".tmp");
    }

    /** Where the adapter of a model's file goes: {@code small.lora.gguf} beside {@code small.gguf}. */
    public static Path adapterFile(Path file) {
        String name = String.valueOf(file.getFileName());
        require(name.endsWith(".gguf"), "%s: got a name without .gguf, want one that ends with it", file);
        return file.resolveSibling(name.substring(0, name.length() - ".gguf".length()) + ".lora.gguf");
    }

    private GgmlType mostly() {
        Map<GgmlType, Integer> counts = new EnumMap<>(GgmlType.class);
        types.forEach((what, it) -> {
            if (!what.equals("embedding") && !what.equals("head")) {
                counts.merge(it, 1, Integer::sum);
            }
        });
        return Collections.max(counts.entrySet(), Map.Entry.comparingByValue()).getKey();
    }
}
