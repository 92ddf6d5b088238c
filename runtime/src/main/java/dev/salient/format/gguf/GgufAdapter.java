package dev.salient.format.gguf;

import static dev.salient.tensor.Preconditions.require;

import dev.salient.format.Checkpoint;
import dev.salient.model.Linear;
import dev.salient.model.LinearId;
import dev.salient.model.ModelConfig;
import dev.salient.model.ModelWeights;
import dev.salient.packed.LowRank;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** A model's adapter as llama.cpp reads it: a GGUF file of its own, one alpha for all linears. */
final class GgufAdapter {
    private final String name;
    private final ModelConfig config;
    private final List<GgufPayload> tensors = new ArrayList<>();
    private float alpha;

    private GgufAdapter(String name, ModelConfig config) {
        this.name = name;
        this.config = config;
    }

    /**
     * The adapter of a model; null where it has none.
     *
     * @throws IllegalArgumentException where its linears differ in alpha
     */
    static @Nullable GgufAdapter find(Checkpoint checkpoint) {
        ModelWeights weights = checkpoint.weights();
        GgufAdapter adapter = new GgufAdapter(ModelMetadata.nameOf(checkpoint), weights.config());
        for (int b = 0; b < weights.blocks().size(); b++) {
            for (Linear linear : Linear.values()) {
                if (weights.blocks().get(b).linear(linear) instanceof LowRank adapted) {
                    adapter.add(new LinearId(b, linear), adapted);
                }
            }
        }
        return adapter.tensors.isEmpty() ? null : adapter;
    }

    private void add(LinearId id, LowRank adapted) {
        require(
                adapted.magnitude() == null,
                "%s: got an adapter with magnitudes (DoRA), want LoRA: GGUF has no place for them; --merge folds them in, --to hf --adapters peft keeps them",
                id);
        float own = alpha(adapted);
        require(
                tensors.isEmpty() || own == alpha,
                "%s: got an adapter of alpha %s, want %s as in all linears before it: a GGUF file states one",
                id,
                own,
                alpha);
        alpha = own;
        String tensor = GgufNames.linear(id);
        tensors.add(GgufPayload.matrix(tensor + ".lora_a", adapted.a(), RowOrder.same()));
        // B's rows are the linear's output channels, so they go where the linear's rows go
        RowOrder order = RowOrder.of(GgufFamily.of(config.family()), id.linear(), config.headSize());
        tensors.add(GgufPayload.matrix(tensor + ".lora_b", adapted.b(), order));
    }

    /** Alpha is whole where a whole one gives the scaling back. */
    private static float alpha(LowRank adapted) {
        float alpha = adapted.scaling() * adapted.rank();
        float whole = (float) Math.rint(alpha);
        return whole / adapted.rank() == adapted.scaling() ? whole : alpha;
    }

    /** Writes the file, reads it again and compares. */
    void write(Path file) throws IOException {
        GgufMetadata metadata = new GgufMetadata();
        metadata.put(ModelMetadata.ARCHITECTURE, GgufFamily.of(config.family()).architecture());
        metadata.put(ModelMetadata.TYPE, "adapter");
        metadata.put(ModelMetadata.NAME, name);
        metadata.put("adapter.type", "lora");
        metadata.put("adapter.lora.alpha", alpha);
        metadata.put(ModelMetadata.FILE_TYPE, tensors.getFirst().type().fileType());
        metadata.put(ModelMetadata.QUANTIZATION, ModelMetadata.QUANTIZATION_VERSION);
        GgufWriter.write(file, metadata, tensors, written -> {});
        GgufCheck.check(file, tensors);
    }
}
