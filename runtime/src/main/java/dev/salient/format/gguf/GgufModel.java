package dev.salient.format.gguf;

import dev.salient.format.FormatException;
import dev.salient.model.BlockWeights;
import dev.salient.model.Linear;
import dev.salient.model.LinearId;
import dev.salient.model.ModelConfig;
import dev.salient.model.ModelWeights;
import dev.salient.model.RopeScaling;
import dev.salient.packed.PackedWeight;
import dev.salient.tensor.Shape;
import dev.salient.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Puts a model together from a GGUF file of architecture {@code llama}. */
public final class GgufModel {
    private final GgufFile file;
    private final Arena arena;
    private final Set<String> unread;

    private GgufModel(GgufFile file, Arena arena) {
        this.file = file;
        this.arena = arena;
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
        ModelConfig config = config();
        PackedWeight embedding = expect(GgufNames.EMBEDDING).expectMatrix(config.vocabSize(), config.hiddenSize());
        PackedWeight head = config.tiedEmbeddings()
                ? embedding
                : expect(GgufNames.HEAD).expectMatrix(config.vocabSize(), config.hiddenSize());
        List<BlockWeights> blocks = new ArrayList<>();
        for (int b = 0; b < config.blockCount(); b++) {
            blocks.add(block(b, config));
        }
        Tensor finalNorm = expect(GgufNames.FINAL_NORM).expectVector(config.hiddenSize());
        for (String name : unread) {
            throw new FormatException("%s: %s: got a tensor that no part of a LLaMA model reads", file.place(), name);
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

    private BlockWeights block(int b, ModelConfig config) throws FormatException {
        Map<Linear, PackedWeight> linears = new EnumMap<>(Linear.class);
        for (Linear linear : Linear.values()) {
            GgufTensor tensor = expect(GgufNames.linear(new LinearId(b, linear)));
            int out = linear.out(config);
            int in = linear.in(config);
            linears.put(
                    linear,
                    switch (linear) {
                        case Q, K -> inOurOrder(tensor, out, in, RowOrder.of(linear, config.headSize()));
                        case V, O, GATE, UP, DOWN -> tensor.expectMatrix(out, in);
                    });
        }
        return new BlockWeights(
                expect(GgufNames.attentionNorm(b)).expectVector(config.hiddenSize()),
                expect(GgufNames.mlpNorm(b)).expectVector(config.hiddenSize()),
                linears);
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
        return tensor.weight(rows);
    }

    private ModelConfig config() throws FormatException {
        String architecture = file.findText("general.architecture");
        if (!"llama".equals(architecture)) {
            throw file.wrong("general.architecture", "\"llama\"");
        }
        expectSupported();
        int hidden = file.expectInt("llama.embedding_length");
        int heads = file.expectInt("llama.attention.head_count");
        if (heads <= 0 || hidden <= 0) {
            throw file.wrong("llama.attention.head_count", "more than 0");
        }
        int headSize = file.intOr("llama.attention.key_length", hidden / heads);
        for (String key : List.of("llama.rope.dimension_count", "llama.attention.value_length")) {
            if (file.intOr(key, headSize) != headSize) {
                throw file.wrong(key, "the head size " + headSize);
            }
        }
        Shape embedding = expect(GgufNames.EMBEDDING).shape();
        try {
            return new ModelConfig(
                    hidden,
                    file.expectInt("llama.feed_forward_length"),
                    file.expectInt("llama.block_count"),
                    heads,
                    file.intOr("llama.attention.head_count_kv", heads),
                    headSize,
                    embedding.dimension(0),
                    file.expectInt("llama.context_length"),
                    ropeBase(),
                    ropeScaling(headSize),
                    file.expectPositive("llama.attention.layer_norm_rms_epsilon"),
                    !file.tensors().containsKey(GgufNames.HEAD));
        } catch (IllegalArgumentException e) {
            throw new FormatException("%s: %s", file.place(), String.valueOf(e.getMessage()));
        }
    }

    private double ropeBase() throws FormatException {
        return file.has("llama.rope.freq_base") ? file.expectPositive("llama.rope.freq_base") : 10000;
    }

    private void expectSupported() throws FormatException {
        String scaling = file.findText("llama.rope.scaling.type");
        if (scaling != null && !scaling.equals("none")) {
            throw file.wrong("llama.rope.scaling.type", "none; LLaMA 3's scaling comes as " + GgufNames.ROPE_FACTORS);
        }
        for (String key : List.of("llama.expert_count", "llama.attention.sliding_window")) {
            if (file.intOr(key, 0) != 0) {
                throw file.wrong(key, "0");
            }
        }
        if (file.has("llama.rope.scale_linear") && file.expectPositive("llama.rope.scale_linear") != 1) {
            throw file.wrong("llama.rope.scale_linear", "1");
        }
    }

    private @Nullable RopeScaling ropeScaling(int headSize) throws FormatException {
        if (!file.tensors().containsKey(GgufNames.ROPE_FACTORS)) {
            return null;
        }
        GgufTensor tensor = expect(GgufNames.ROPE_FACTORS);
        return RopeFactors.scaling(tensor.place(), tensor.expectVector(headSize / 2), ropeBase());
    }
}
