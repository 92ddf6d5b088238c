package dev.salient.format.hf;

import dev.salient.format.FormatException;
import dev.salient.format.json.JsonObject;
import dev.salient.model.ModelConfig;
import dev.salient.model.RopeScaling;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** Reads {@code config.json}; strict about everything that changes what the model computes. */
public final class HfConfig {
    private static final String LLAMA = "LlamaForCausalLM";
    private static final String MISTRAL = "MistralForCausalLM";

    private final JsonObject json;

    private HfConfig(JsonObject json) {
        this.json = json;
    }

    /** The sizes and constants that a {@code config.json} states. */
    public static ModelConfig read(JsonObject json) throws FormatException {
        return new HfConfig(json).read();
    }

    private ModelConfig read() throws FormatException {
        boolean mistral = isMistral();
        expectSupported();
        int hidden = json.expectInt("hidden_size");
        int heads = json.expectInt("num_attention_heads");
        if (!json.has("head_dim") && (heads <= 0 || hidden % heads != 0)) {
            throw json.wrong("num_attention_heads", "a divisor of hidden_size " + hidden);
        }
        int context = json.intOr("max_position_embeddings", 2048);
        if (mistral) {
            expectNoSlidingWindow(context);
        }
        JsonObject rope = ropeObject();
        try {
            return new ModelConfig(
                    hidden,
                    json.expectInt("intermediate_size"),
                    json.expectInt("num_hidden_layers"),
                    heads,
                    json.intOr("num_key_value_heads", mistral ? 8 : heads),
                    json.has("head_dim") ? json.expectInt("head_dim") : hidden / heads,
                    json.expectInt("vocab_size"),
                    context,
                    ropeBase(rope),
                    rope == null ? null : ropeScaling(rope),
                    positive(json, "rms_norm_eps", 1e-6),
                    json.isTrue("tie_word_embeddings"));
        } catch (IllegalArgumentException e) {
            throw new FormatException("%s: %s", json.place(), Objects.requireNonNull(e.getMessage()));
        }
    }

    private boolean isMistral() throws FormatException {
        String want = LLAMA + " or " + MISTRAL;
        if (json.has("architectures")) {
            String got = String.valueOf(json.find("architectures"));
            if (got.equals("[\"" + MISTRAL + "\"]")) {
                return true;
            }
            if (got.equals("[\"" + LLAMA + "\"]")) {
                return false;
            }
            throw json.wrong("architectures", want);
        }
        return switch (json.expectString("model_type")) {
            case "llama" -> false;
            case "mistral" -> true;
            default -> throw json.wrong("model_type", "llama or mistral");
        };
    }

    private void expectSupported() throws FormatException {
        String activation = json.findString("hidden_act");
        if (activation != null && !activation.equals("silu")) {
            throw json.wrong("hidden_act", "silu");
        }
        for (String flag : List.of("attention_bias", "mlp_bias")) {
            if (json.isTrue(flag)) {
                throw json.wrong(flag, "false");
            }
        }
        if (json.numberOr("partial_rotary_factor", 1) != 1) {
            throw json.wrong("partial_rotary_factor", "1");
        }
    }

    /** Mistral's window is 4096 where nothing is said, and null where there is none. */
    private void expectNoSlidingWindow(int context) throws FormatException {
        boolean said = json.keys().contains("sliding_window");
        int window = said ? json.intOr("sliding_window", context) : 4096;
        if (window < context) {
            throw json.wrong("sliding_window", "null, or at least max_position_embeddings " + context);
        }
    }

    /** The rotary settings under their new name, {@code rope_parameters}, or their old one. */
    private @Nullable JsonObject ropeObject() throws FormatException {
        JsonObject parameters = json.findObject("rope_parameters");
        JsonObject scaling = json.findObject("rope_scaling");
        if (parameters != null && scaling != null) {
            throw json.wrong("rope_scaling", "nothing, since rope_parameters is there");
        }
        return parameters != null ? parameters : scaling;
    }

    private double ropeBase(@Nullable JsonObject rope) throws FormatException {
        return rope != null && rope.has("rope_theta")
                ? positive(rope, "rope_theta", 10000)
                : positive(json, "rope_theta", 10000);
    }

    private @Nullable RopeScaling ropeScaling(JsonObject rope) throws FormatException {
        String key = rope.has("rope_type") ? "rope_type" : "type";
        String type = rope.findString(key);
        if (type == null) {
            if (rope.keys().stream().allMatch("rope_theta"::equals)) {
                return null;
            }
            throw rope.wrong(key, "default or llama3");
        }
        return switch (type) {
            case "default" -> null;
            case "llama3" -> llama3(rope);
            default -> throw rope.wrong(key, "default or llama3");
        };
    }

    private static RopeScaling llama3(JsonObject rope) throws FormatException {
        double low = positive(rope, "low_freq_factor", Double.NaN);
        double high = positive(rope, "high_freq_factor", Double.NaN);
        if (high <= low) {
            throw rope.wrong("high_freq_factor", "more than low_freq_factor " + low);
        }
        int original = rope.expectInt("original_max_position_embeddings");
        if (original <= 0) {
            throw rope.wrong("original_max_position_embeddings", "more than 0");
        }
        return new RopeScaling(positive(rope, "factor", Double.NaN), low, high, original);
    }

    private static double positive(JsonObject object, String key, double absent) throws FormatException {
        double value = Double.isNaN(absent) ? object.expectNumber(key) : object.numberOr(key, absent);
        if (value <= 0) {
            throw object.wrong(key, "more than 0");
        }
        return value;
    }
}
