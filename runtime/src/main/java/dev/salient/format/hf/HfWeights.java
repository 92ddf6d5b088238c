package dev.salient.format.hf;

import dev.salient.format.FormatException;
import dev.salient.format.safetensors.StoredTensor;
import dev.salient.format.safetensors.TensorStore;
import dev.salient.model.BlockWeights;
import dev.salient.model.Linear;
import dev.salient.model.LinearId;
import dev.salient.model.ModelConfig;
import dev.salient.model.ModelWeights;
import dev.salient.model.Norm;
import dev.salient.packed.Dense;
import dev.salient.packed.PackedWeight;
import dev.salient.tensor.Shape;
import dev.salient.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/** Puts a model together from tensors under Hugging Face's names. */
public final class HfWeights {
    private final ModelConfig config;
    private final TensorStore store;
    private final LinearReader linears;

    private HfWeights(ModelConfig config, TensorStore store, LinearReader linears) {
        this.config = config;
        this.store = store;
        this.linears = linears;
    }

    /** How one linear of a block is stored. */
    @FunctionalInterface
    public interface LinearReader {
        /**
         * Reads one linear.
         *
         * @return [out, in] as the configuration wants
         */
        PackedWeight read(LinearId id, int out, int in) throws FormatException;
    }

    /** Linears that are stored as they are. */
    public static LinearReader dense(ModelConfig config, TensorStore store) {
        return (id, out, in) -> {
            String fused = HfNames.fused(id);
            return fused != null && store.has(fused)
                    ? partOf(store.expect(fused), id.linear(), config)
                    : new Dense(store.expect(HfNames.module(id) + ".weight").expectReal(out, in));
        };
    }

    /** A linear's rows in a tensor that holds those of several. */
    private static Dense partOf(StoredTensor fused, Linear linear, ModelConfig config) throws FormatException {
        List<Linear> parts = linear == Linear.GATE || linear == Linear.UP
                ? List.of(Linear.GATE, Linear.UP)
                : List.of(Linear.Q, Linear.K, Linear.V);
        int rows = parts.stream().mapToInt(part -> part.out(config)).reduce(0, Math::addExact);
        int first = parts.subList(0, parts.indexOf(linear)).stream()
                .mapToInt(part -> part.out(config))
                .sum();
        int in = linear.in(config);
        Tensor whole = fused.expectReal(rows, in);
        long rowBytes = (long) in * whole.dtype().byteCount();
        MemorySegment own = whole.data().asSlice(first * rowBytes, linear.out(config) * rowBytes);
        return new Dense(new Tensor(whole.dtype(), Shape.of(linear.out(config), in), own));
    }

    /** All weights of a model; fails where one is missing, misshapen or left over. */
    public static ModelWeights read(ModelConfig config, TensorStore store, LinearReader linears)
            throws FormatException {
        ModelWeights weights = new HfWeights(config, store, linears).read();
        store.expectAllRead();
        return weights;
    }

    /** One block of a model. */
    public static BlockWeights readBlock(int block, ModelConfig config, TensorStore store, LinearReader linears)
            throws FormatException {
        return new HfWeights(config, store, linears).block(block);
    }

    private ModelWeights read() throws FormatException {
        PackedWeight embedding;
        PackedWeight head;
        if (config.tiedEmbeddings()) {
            boolean onlyHead = store.has(HfNames.HEAD) && !store.has(HfNames.EMBEDDING);
            embedding = vocabularyMatrix(onlyHead ? HfNames.HEAD : HfNames.EMBEDDING);
            head = embedding;
            store.ignore(HfNames.HEAD);
        } else {
            embedding = vocabularyMatrix(HfNames.EMBEDDING);
            head = vocabularyMatrix(HfNames.HEAD);
        }
        List<BlockWeights> blocks = new ArrayList<>();
        for (int b = 0; b < config.blockCount(); b++) {
            blocks.add(block(b));
        }
        return new ModelWeights(config, embedding, blocks, norm(HfNames.FINAL_NORM, config.hiddenSize()), head);
    }

    private PackedWeight vocabularyMatrix(String name) throws FormatException {
        return new Dense(store.expect(name).expectReal(config.vocabSize(), config.hiddenSize()));
    }

    private BlockWeights block(int block) throws FormatException {
        Map<Norm, Tensor> norms = new EnumMap<>(Norm.class);
        for (Norm norm : config.norms()) {
            norms.put(norm, norm(HfNames.norm(block, norm, config.family()), norm.channels(config)));
        }
        Map<Linear, PackedWeight> weights = new EnumMap<>(Linear.class);
        Map<Linear, Tensor> biases = new EnumMap<>(Linear.class);
        for (Linear linear : Linear.values()) {
            LinearId id = new LinearId(block, linear);
            weights.put(linear, linears.read(id, linear.out(config), linear.in(config)));
            String bias = HfNames.module(id) + ".bias";
            if (config.traits().biased().contains(linear)) {
                biases.put(linear, store.expect(bias).expectFinite(linear.out(config)));
            } else if (store.has(bias)) {
                expectZeros(store.expect(bias), linear.out(config));
            }
        }
        store.ignore(HfNames.rotaryBuffer(block));
        return new BlockWeights(norms, weights, biases);
    }

    private Tensor norm(String name, int channels) throws FormatException {
        return HfGains.ofStored(store.expect(name).expectFinite(channels), config.family());
    }

    /** Some programs write biases of zeros where the model has none. */
    private static void expectZeros(StoredTensor bias, int length) throws FormatException {
        for (float value : bias.expectFinite(length).toFloats()) {
            if (value != 0) {
                throw new FormatException("%s: got a bias, want none or zeros", bias.place());
            }
        }
    }
}
