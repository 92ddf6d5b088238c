package dev.salient.format.gguf;

import dev.salient.format.FormatException;
import dev.salient.model.BlockWeights;
import dev.salient.model.Linear;
import dev.salient.model.LinearId;
import dev.salient.model.ModelConfig;
import dev.salient.model.ModelWeights;
import dev.salient.model.Norm;
import dev.salient.packed.PackedWeight;
import dev.salient.tensor.MappedFile;
import dev.salient.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Puts a model together from a GGUF file. */
public final class GgufModel {
    private final GgufFile file;
    private final Arena arena;
    private final GgufFamily family;
    private final ModelConfig config;
    private final Set<String> unread;

    private GgufModel(GgufFile file, Arena arena) throws FormatException {
        this.file = file;
        this.arena = arena;
        GgufConfig metadata = new GgufConfig(file);
        this.family = metadata.family();
        this.config = metadata.read();
        this.unread = new LinkedHashSet<>(file.tensors().keySet());
    }

    /**
     * All weights of a model; fails where one is missing, misshapen or left over.
     *
     * @param arena owns what had to be copied: the rows of Q and K
     */
    public static ModelWeights read(GgufFile file, Arena arena) throws FormatException {
        return new GgufModel(file, arena).read();
    }

    private ModelWeights read() throws FormatException {
        List.of(GgufNames.ROPE_FACTORS, GgufNames.ROPE_SHORT_FACTORS, GgufNames.ROPE_LONG_FACTORS)
                .forEach(unread::remove);
        PackedWeight embedding = expect(GgufNames.EMBEDDING).expectMatrix(config.vocabSize(), config.hiddenSize());
        PackedWeight head = config.tiedEmbeddings()
                ? embedding
                : expect(GgufNames.HEAD).expectMatrix(config.vocabSize(), config.hiddenSize());
        List<BlockWeights> blocks = new ArrayList<>();
        for (int b = 0; b < config.blockCount(); b++) {
            blocks.add(block(b));
        }
        Tensor finalNorm = expect(GgufNames.FINAL_NORM).expectVector(config.hiddenSize());
        for (String name : unread) {
            throw new FormatException("%s: %s: got a tensor that no part of the model reads", file.place(), name);
        }
        return new ModelWeights(config, embedding, blocks, finalNorm, head);
    }

    private GgufTensor expect(String name) throws FormatException {
        GgufTensor tensor = file.tensors().get(name);
        if (tensor == null) {
            throw new FormatException("%s: %s: got no such tensor", file.place(), name);
        }
        unread.remove(name);
        return tensor;
    }

    private BlockWeights block(int b) throws FormatException {
        Map<Linear, PackedWeight> linears = new EnumMap<>(Linear.class);
        Map<Linear, Tensor> biases = new EnumMap<>(Linear.class);
        for (Linear linear : Linear.values()) {
            LinearId id = new LinearId(b, linear);
            linears.put(linear, linear(id));
            if (config.traits().biased().contains(linear)) {
                Tensor stored = expect(GgufNames.bias(id)).expectVector(linear.out(config));
                biases.put(
                        linear, RowOrder.of(family, linear, config.headSize()).inOurOrder(stored));
            }
        }
        Map<Norm, Tensor> norms = new EnumMap<>(Norm.class);
        for (Norm norm : config.norms()) {
            norms.put(norm, expect(GgufNames.norm(b, norm)).expectVector(norm.channels(config)));
        }
        return new BlockWeights(norms, linears, biases);
    }

    private PackedWeight linear(LinearId id) throws FormatException {
        Linear linear = id.linear();
        int out = linear.out(config);
        int in = linear.in(config);
        if (family == GgufFamily.PHI3 && linear != Linear.O && linear != Linear.DOWN) {
            return fused(id);
        }
        GgufTensor tensor = expect(GgufNames.linear(id));
        boolean reordered = family == GgufFamily.LLAMA && (linear == Linear.Q || linear == Linear.K);
        return reordered
                ? inOurOrder(tensor, out, in, RowOrder.of(family, linear, config.headSize()))
                : tensor.expectMatrix(out, in);
    }

    /** A linear's rows in a tensor that holds those of several. */
    private PackedWeight fused(LinearId id) throws FormatException {
        boolean mlp = id.linear() == Linear.GATE || id.linear() == Linear.UP;
        List<Linear> parts = mlp ? List.of(Linear.GATE, Linear.UP) : List.of(Linear.Q, Linear.K, Linear.V);
        GgufTensor tensor =
                expect(mlp ? GgufNames.linear(new LinearId(id.block(), Linear.UP)) : GgufNames.fused(id.block()));
        int rows = parts.stream().mapToInt(part -> part.out(config)).reduce(0, Math::addExact);
        int first = parts.subList(0, parts.indexOf(id.linear())).stream()
                .mapToInt(part -> part.out(config))
                .sum();
        int in = id.linear().in(config);
        tensor.expectShape(rows, in);
        return tensor.rows(first, id.linear().out(config))
                .expectMatrix(id.linear().out(config), in);
    }

    /** Q or K with the two channels of each rotary pair half a head apart; GGUF stores them side by side. */
    private PackedWeight inOurOrder(GgufTensor tensor, int out, int in, RowOrder order) throws FormatException {
        tensor.expectShape(out, in);
        long rowBytes = tensor.data().byteSize() / out;
        MemorySegment rows = arena.allocate(tensor.data().byteSize());
        for (int row = 0; row < out; row++) {
            int from = order.inFile().applyAsInt(row);
            MemorySegment.copy(tensor.data(), from * rowBytes, rows, row * rowBytes, rowBytes);
        }
        MappedFile.letGo(tensor.data());
        return tensor.weight(rows);
    }
}
