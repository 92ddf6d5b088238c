package dev.salient.format.hf;

import dev.salient.format.FormatException;
import dev.salient.format.json.JsonObject;
import dev.salient.model.Family;
import dev.salient.model.ModelConfig;
import java.util.List;
import java.util.Objects;
import java.util.stream.Collectors;

/** Reads {@code config.json}; strict about everything that changes what the model computes. */
public final class HfConfig {
    private static final List<HfFamily> FAMILIES = List.of(HfFamily.values());

    private final JsonObject json;
    private final HfFamily family;

    private HfConfig(JsonObject json) throws FormatException {
        this.json = json;
        this.family = family(json);
    }

    /** The sizes and constants that a {@code config.json} states. */
    public static ModelConfig read(JsonObject json) throws FormatException {
        return new HfConfig(json).read();
    }

    /** Whether a model's weights lie under names of its own, so that a folder that we write needs another configuration. */
    static boolean isStoredOtherwise(JsonObject json) throws FormatException {
        return family(json) == HfFamily.PHI3;
    }

    private ModelConfig read() throws FormatException {
        expectActivation();
        int hidden = json.expectInt("hidden_size");
        int heads = json.expectInt("num_attention_heads");
        int headSize = headSize(hidden, heads);
        boolean tied = json.has("tie_word_embeddings") ? json.isTrue("tie_word_embeddings") : family.gemma();
        try {
            HfRope rope = HfRope.read(json, family, headSize);
            return new ModelConfig(
                    hidden,
                    json.expectInt("intermediate_size"),
                    json.expectInt("num_hidden_layers"),
                    heads,
                    json.intOr("num_key_value_heads", family == HfFamily.MISTRAL ? 8 : heads),
                    headSize,
                    json.expectInt("vocab_size"),
                    rope.context(),
                    rope.base(),
                    rope.scaling(),
                    positive(json, "rms_norm_eps", 1e-6),
                    tied,
                    new HfTraits(json, family, rope).read(headSize));
        } catch (IllegalArgumentException e) {
            throw new FormatException("%s: %s", json.place(), Objects.requireNonNull(e.getMessage()));
        }
    }

    private static HfFamily family(JsonObject json) throws FormatException {
        String key = json.has("architectures") ? "architectures" : "model_type";
        String got = key.equals("model_type") ? json.expectString(key) : String.valueOf(json.find(key));
        for (HfFamily family : FAMILIES) {
            if (got.equals(family.modelType()) || got.equals("[\"" + family.architecture() + "\"]")) {
                return family;
            }
        }
        String want = FAMILIES.stream()
                .map(it -> key.equals("model_type") ? it.modelType() : it.architecture())
                .collect(Collectors.joining(", "));
        throw json.wrong(key, "one of " + want);
    }

    private int headSize(int hidden, int heads) throws FormatException {
        if (json.has("head_dim")) {
            return json.expectInt("head_dim");
        }
        if (family.headSize() != 0) {
            return family.headSize();
        }
        if (heads <= 0 || hidden % heads != 0) {
            throw json.wrong("num_attention_heads", "a divisor of hidden_size " + hidden);
        }
        return hidden / heads;
    }

    private void expectActivation() throws FormatException {
        String want = family.gemma() ? "gelu_pytorch_tanh" : "silu";
        // Gemma's "hidden_act" is not read by Transformers either
        String key = family.gemma() ? "hidden_activation" : "hidden_act";
        String activation = json.findString(key);
        if (activation != null && !activation.equals(want)) {
            throw json.wrong(key, want);
        }
        if (json.numberOr("partial_rotary_factor", 1) != 1) {
            throw json.wrong("partial_rotary_factor", "1");
        }
    }

    static double positive(JsonObject object, String key, double absent) throws FormatException {
        double value = Double.isNaN(absent) ? object.expectNumber(key) : object.numberOr(key, absent);
        if (value <= 0) {
            throw object.wrong(key, "more than 0");
        }
        return value;
    }

    /** The architecture that a {@code config.json} of ours names. */
    static HfFamily familyOf(Family family) {
        return switch (family) {
            case LLAMA -> HfFamily.LLAMA;
            case MISTRAL -> HfFamily.MISTRAL;
            case QWEN2 -> HfFamily.QWEN2;
            case QWEN3 -> HfFamily.QWEN3;
            case GEMMA2 -> HfFamily.GEMMA2;
            case GEMMA3 -> HfFamily.GEMMA3;
        };
    }
}
