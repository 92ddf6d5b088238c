package dev.salient.format.gguf;

import dev.salient.format.FormatException;
import dev.salient.model.Family;
import dev.salient.model.Linear;
import dev.salient.model.LinearId;
import dev.salient.model.ModelConfig;
import dev.salient.model.RopeScaling;
import dev.salient.model.SlidingWindow;
import dev.salient.model.Traits;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** What a GGUF file's metadata says of the model; strict about everything that changes what it computes. */
final class GgufConfig {
    private final GgufFile file;
    private final GgufFamily family;

    GgufConfig(GgufFile file) throws FormatException {
        this.file = file;
        GgufFamily found = GgufFamily.find(file.findText("general.architecture"));
        if (found == null) {
            throw file.wrong("general.architecture", "one of " + GgufFamily.names());
        }
        this.family = found;
    }

    GgufFamily family() {
        return family;
    }

    private String key(String name) {
        return family.key(name);
    }

    ModelConfig read() throws FormatException {
        expectSupported();
        int hidden = file.expectInt(key("embedding_length"));
        int heads = file.expectInt(key("attention.head_count"));
        if (heads <= 0 || hidden <= 0) {
            throw file.wrong(key("attention.head_count"), "more than 0");
        }
        int headSize = file.intOr(key("attention.key_length"), hidden / heads);
        for (String name : List.of("rope.dimension_count", "attention.value_length")) {
            if (file.intOr(key(name), headSize) != headSize) {
                throw file.wrong(key(name), "the head size " + headSize);
            }
        }
        int blocks = file.expectInt(key("block_count"));
        GgufTensor embedding = file.tensors().get(GgufNames.EMBEDDING);
        if (embedding == null) {
            throw new FormatException("%s: %s: got no such tensor", file.place(), GgufNames.EMBEDDING);
        }
        try {
            RopeScaling scaling = ropeScaling(headSize);
            return new ModelConfig(
                    hidden,
                    file.expectInt(key("feed_forward_length")),
                    blocks,
                    heads,
                    file.intOr(key("attention.head_count_kv"), heads),
                    headSize,
                    embedding.shape().dimension(0),
                    context(scaling),
                    ropeBase(),
                    scaling,
                    file.expectPositive(key("attention.layer_norm_rms_epsilon")),
                    !file.tensors().containsKey(GgufNames.HEAD),
                    traits(blocks, family.attentionScale(blocks, hidden, heads, headSize)));
        } catch (IllegalArgumentException e) {
            throw new FormatException("%s: %s", file.place(), String.valueOf(e.getMessage()));
        }
    }

    /** Phi-3's longrope takes other factors beyond its first context. */
    private int context(@Nullable RopeScaling scaling) throws FormatException {
        int context = file.expectInt(key("context_length"));
        boolean longrope = family == GgufFamily.PHI3 && scaling instanceof RopeScaling.Divisors;
        return longrope ? file.intOr(key("rope.scaling.original_context_length"), context) : context;
    }

    private Traits traits(int blocks, double attentionScale) throws FormatException {
        Set<Linear> biased = EnumSet.noneOf(Linear.class);
        for (Linear linear : Linear.values()) {
            if (file.tensors().containsKey(GgufNames.bias(new LinearId(0, linear)))) {
                biased.add(linear);
            }
        }
        SlidingWindow window = window(blocks);
        boolean mistral = family.family() == Family.LLAMA && window != null;
        return new Traits(
                mistral ? Family.MISTRAL : family.family(),
                biased,
                attentionScale,
                family == GgufFamily.GEMMA2 ? positiveOr("attn_logit_softcapping", 50) : 0,
                family.gemma() ? positiveOr("final_logit_softcapping", family == GgufFamily.GEMMA2 ? 30 : 0) : 0,
                window);
    }

    private double positiveOr(String name, double absent) throws FormatException {
        return file.has(key(name)) ? file.expectPositive(key(name)) : absent;
    }

    private @Nullable SlidingWindow window(int blockCount) throws FormatException {
        int tokens = file.intOr(key("attention.sliding_window"), family == GgufFamily.GEMMA2 ? 4096 : 0);
        if (tokens == 0) {
            return null;
        }
        if (blockCount > file.tensors().size()) {
            throw file.wrong(key("block_count"), "no more blocks than tensors");
        }
        Set<Integer> blocks = new HashSet<>();
        List<Boolean> local = file.flags(key("attention.sliding_window_pattern"));
        int pattern = local.isEmpty() ? file.intOr(key("attention.sliding_window_pattern"), family.windowPattern()) : 1;
        if (pattern <= 0 || (!local.isEmpty() && local.size() != blockCount)) {
            throw file.wrong(key("attention.sliding_window_pattern"), "a number above 0, or one flag for each block");
        }
        for (int b = 0; b < blockCount; b++) {
            if (local.isEmpty() ? (b + 1) % pattern != 0 : local.get(b)) {
                blocks.add(b);
            }
        }
        return new SlidingWindow(
                tokens, blocks, family == GgufFamily.GEMMA3 ? positiveOr("rope.freq_base_swa", 10_000) : 0);
    }

    private double ropeBase() throws FormatException {
        return positiveOr("rope.freq_base", 10_000);
    }

    private void expectSupported() throws FormatException {
        if (file.intOr(key("expert_count"), 0) != 0) {
            throw file.wrong(key("expert_count"), "0");
        }
        // llama.cpp reads a window of these architectures and does nothing about it
        boolean windowed = family.gemma() || family == GgufFamily.PHI3;
        if (!windowed && file.intOr(key("attention.sliding_window"), 0) != 0) {
            throw file.wrong(key("attention.sliding_window"), "0");
        }
        if (file.has(key("rope.scale_linear")) && file.expectPositive(key("rope.scale_linear")) != 1) {
            throw file.wrong(key("rope.scale_linear"), "1");
        }
    }

    private @Nullable RopeScaling ropeScaling(int headSize) throws FormatException {
        String type = file.findText(key("rope.scaling.type"));
        boolean longrope = family == GgufFamily.PHI3;
        if ("linear".equals(type)) {
            return new RopeScaling.Linear(file.expectPositive(key("rope.scaling.factor")));
        }
        if ("yarn".equals(type)) {
            double factor = file.expectPositive(key("rope.scaling.factor"));
            return new RopeScaling.Yarn(
                    factor,
                    file.intOr(key("rope.scaling.original_context_length"), file.expectInt(key("context_length"))),
                    positiveOr("rope.scaling.yarn_beta_fast", 32),
                    positiveOr("rope.scaling.yarn_beta_slow", 1),
                    true,
                    RopeScaling.Yarn.magnitude(factor) * positiveOr("rope.scaling.attn_factor", 1),
                    ropeBase(),
                    headSize / 2);
        }
        if (type != null && !type.equals("none") && !(longrope && type.equals("longrope"))) {
            throw file.wrong(
                    key("rope.scaling.type"),
                    "none, linear or yarn; LLaMA 3's scaling comes as " + GgufNames.ROPE_FACTORS);
        }
        GgufTensor factors = file.tensors().get(longrope ? GgufNames.ROPE_SHORT_FACTORS : GgufNames.ROPE_FACTORS);
        if (factors == null) {
            return null;
        }
        return RopeFactors.scaling(
                factors.place(),
                factors.expectVector(headSize / 2),
                ropeBase(),
                positiveOr("rope.scaling.attn_factor", 1));
    }
}
