package dev.salient.format.gguf;

import static dev.salient.tensor.Preconditions.require;

import dev.salient.model.Linear;
import dev.salient.model.ModelConfig;
import dev.salient.model.RopeScaling;
import dev.salient.model.SlidingWindow;
import dev.salient.model.Traits;
import java.util.ArrayList;
import java.util.List;

/** Writes what {@link GgufConfig} reads, under the keys of a model's architecture. */
final class GgufSizes {
    private final GgufMetadata metadata;
    private final ModelConfig config;
    private final GgufFamily family;

    private GgufSizes(GgufMetadata metadata, ModelConfig config) {
        this.metadata = metadata;
        this.config = config;
        this.family = GgufFamily.of(config.family());
    }

    /**
     * Looks whether llama.cpp computes what this model does.
     *
     * @throws IllegalArgumentException where its architecture can't say it
     */
    static void requireWritable(ModelConfig config) {
        GgufFamily family = GgufFamily.of(config.family());
        String place = "GGUF architecture " + family.architecture();
        double scale =
                family.attentionScale(config.blockCount(), config.hiddenSize(), config.headCount(), config.headSize());
        require(
                Math.abs(config.traits().attentionScale() / scale - 1) < 1e-6,
                "%s: got attention scale %.6f, want %.6f, the only one that it has",
                place,
                config.traits().attentionScale(),
                scale);
        RopeScaling scaling = config.ropeScaling();
        require(
                scaling == null
                        || scaling instanceof RopeScaling.Linear
                        || scaling instanceof RopeScaling.Yarn
                        || family == GgufFamily.LLAMA,
                "%s: got rotary factors, want none, linear scaling or YaRN",
                place);
        require(
                !(scaling instanceof RopeScaling.Yarn yarn) || yarn.whole(),
                "%s: got YaRN with \"truncate\" false, want true, as GGUF's readers take it; --to hf keeps it",
                place);
        require(
                family == GgufFamily.LLAMA || !config.traits().biased().contains(Linear.O),
                "%s: got a bias on %s, want biases on q, k and v alone",
                place,
                Linear.O.label());
        require(
                config.tiedEmbeddings() || family != GgufFamily.GEMMA2,
                "%s: got a head of its own, want the embedding as the head",
                place);
        require(
                config.traits().attentionCap() == 0 || family == GgufFamily.GEMMA2,
                "%s: got bounded attention scores, want none",
                place);
        require(config.traits().window() != null || !family.gemma(), "%s: got no sliding window, want one", place);
    }

    static void put(GgufMetadata metadata, ModelConfig config) {
        GgufSizes sizes = new GgufSizes(metadata, config);
        sizes.putSizes();
        sizes.putRope();
        metadata.put(sizes.key("vocab_size"), config.vocabSize());
        sizes.putTraits(config.traits());
    }

    private String key(String name) {
        return family.key(name);
    }

    private void putSizes() {
        metadata.put(key("block_count"), config.blockCount());
        metadata.put(key("context_length"), context());
        metadata.put(key("embedding_length"), config.hiddenSize());
        metadata.put(key("feed_forward_length"), config.ffnSize());
        metadata.put(key("attention.head_count"), config.headCount());
        metadata.put(key("attention.head_count_kv"), config.kvHeadCount());
        metadata.put(key("attention.key_length"), config.headSize());
        metadata.put(key("attention.value_length"), config.headSize());
        metadata.put(key("attention.layer_norm_rms_epsilon"), (float) config.normEpsilon());
    }

    /** Within its window a model without one computes the same. */
    private int context() {
        SlidingWindow window = config.traits().window();
        return window == null || family.gemma()
                ? config.contextLength()
                : Math.min(config.contextLength(), window.tokens());
    }

    private void putRope() {
        metadata.put(key("rope.dimension_count"), config.headSize());
        metadata.put(key("rope.freq_base"), (float) config.ropeBase());
        RopeScaling scaling = config.ropeScaling();
        if (scaling instanceof RopeScaling.Linear linear) {
            metadata.put(key("rope.scaling.type"), "linear");
            metadata.put(key("rope.scaling.factor"), (float) linear.factor());
        }
        if (scaling instanceof RopeScaling.Yarn yarn) {
            metadata.put(key("rope.scaling.type"), "yarn");
            metadata.put(key("rope.scaling.factor"), (float) yarn.factor());
            metadata.put(key("rope.scaling.original_context_length"), yarn.originalContext());
            metadata.put(key("rope.scaling.yarn_beta_fast"), (float) yarn.fast());
            metadata.put(key("rope.scaling.yarn_beta_slow"), (float) yarn.slow());
            // readers multiply with YaRN's own magnitude themselves
            double beside = yarn.magnitude() / RopeScaling.Yarn.magnitude(yarn.factor());
            metadata.put(key("rope.scaling.attn_factor"), (float) beside);
        } else if (scaling != null && scaling.magnitude() != 1) {
            metadata.put(key("rope.scaling.attn_factor"), (float) scaling.magnitude());
        }
    }

    private void putTraits(Traits traits) {
        SlidingWindow window = traits.window();
        if (window != null && family.gemma()) {
            metadata.put(key("attention.sliding_window"), window.tokens());
            putPattern();
            if (window.ropeBase() != 0) {
                metadata.put(key("rope.freq_base_swa"), (float) window.ropeBase());
            }
        }
        if (traits.attentionCap() != 0) {
            metadata.put(key("attn_logit_softcapping"), (float) traits.attentionCap());
        }
        if (traits.logitCap() != 0) {
            metadata.put(key("final_logit_softcapping"), (float) traits.logitCap());
        }
    }

    /** Which blocks have the window, where it isn't what every reader takes for granted. */
    private void putPattern() {
        List<Boolean> local = new ArrayList<>();
        boolean usual = true;
        for (int b = 0; b < config.blockCount(); b++) {
            local.add(config.isLocal(b));
            usual &= config.isLocal(b) == ((b + 1) % family.windowPattern() != 0);
        }
        if (!usual) {
            metadata.putFlags(key("attention.sliding_window_pattern"), local);
        }
    }
}
