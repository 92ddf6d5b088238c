package dev.salient.format.hf;

import static dev.salient.format.hf.HfConfig.positive;

import com.fasterxml.jackson.databind.JsonNode;
import dev.salient.format.FormatException;
import dev.salient.format.json.JsonObject;
import dev.salient.model.RopeScaling;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The rotary settings of a {@code config.json}, under their new name, {@code rope_parameters}, or their old ones.
 *
 * @param localBase of the blocks with a sliding window; 0 where it is the same
 * @param context tokens that these settings are good for
 */
record HfRope(double base, @Nullable RopeScaling scaling, double localBase, int context) {

    private static final String KNOWN = "default, linear, llama3, yarn or longrope";

    static HfRope read(JsonObject json, HfFamily family, int headSize) throws FormatException {
        int context = json.intOr("max_position_embeddings", family.context());
        JsonObject rope = find(json);
        JsonObject local = null;
        if (rope != null && family == HfFamily.GEMMA3 && rope.has("full_attention")) {
            local = rope.expectObject("sliding_attention");
            rope = rope.expectObject("full_attention");
        }
        double base = base(json, rope, "rope_theta", family == HfFamily.GEMMA3 ? 1_000_000 : 10_000);
        double localBase = 0;
        if (family == HfFamily.GEMMA3) {
            localBase = local == null ? positive(json, "rope_local_base_freq", 10_000) : localBase(local);
        }
        int original = rope == null ? context : original(json, rope, context);
        RopeScaling scaling =
                rope == null ? null : scaling(rope, headSize, base, (double) context / original, original);
        // beyond its first context longrope takes other factors for all tokens at once: cached keys would be wrong
        return new HfRope(base, scaling, localBase, scaling instanceof RopeScaling.Divisors ? original : context);
    }

    /** Tokens of context in pretraining; Phi-3 says so beside its rotary settings. */
    private static int original(JsonObject json, JsonObject rope, int context) throws FormatException {
        String key = "original_max_position_embeddings";
        JsonObject where = rope.has(key) ? rope : json;
        int original = where.intOr(key, context);
        if (original <= 0) {
            throw where.wrong(key, "more than 0");
        }
        return original;
    }

    private static @Nullable JsonObject find(JsonObject json) throws FormatException {
        JsonObject parameters = json.findObject("rope_parameters");
        JsonObject scaling = json.findObject("rope_scaling");
        if (parameters != null && scaling != null) {
            throw json.wrong("rope_scaling", "nothing, since rope_parameters is there");
        }
        return parameters != null ? parameters : scaling;
    }

    private static double base(JsonObject json, @Nullable JsonObject rope, String key, double absent)
            throws FormatException {
        return rope != null && rope.has(key) ? positive(rope, key, absent) : positive(json, key, absent);
    }

    private static double localBase(JsonObject local) throws FormatException {
        String type = local.findString("rope_type");
        if (type != null && !type.equals("default")) {
            throw local.wrong("rope_type", "default");
        }
        return positive(local, "rope_theta", 10_000);
    }

    private static @Nullable RopeScaling scaling(
            JsonObject rope, int headSize, double base, double stretch, int original) throws FormatException {
        if (rope.has("partial_rotary_factor") && rope.expectNumber("partial_rotary_factor") != 1) {
            throw rope.wrong("partial_rotary_factor", "1");
        }
        String key = rope.has("rope_type") ? "rope_type" : "type";
        String type = rope.findString(key);
        if (type == null) {
            if (rope.keys().stream().allMatch(it -> it.equals("rope_theta") || it.equals("partial_rotary_factor"))) {
                return null;
            }
            throw rope.wrong(key, KNOWN);
        }
        return switch (type) {
            case "default" -> null;
            case "linear" -> new RopeScaling.Linear(positive(rope, "factor", Double.NaN));
            case "llama3" -> llama3(rope);
            case "yarn" -> yarn(rope, headSize, base, stretch, original);
            case "longrope", "su" -> longrope(rope, headSize, stretch, original);
            default -> throw rope.wrong(key, KNOWN);
        };
    }

    private static RopeScaling llama3(JsonObject rope) throws FormatException {
        double low = positive(rope, "low_freq_factor", Double.NaN);
        double high = positive(rope, "high_freq_factor", Double.NaN);
        if (high <= low) {
            throw rope.wrong("high_freq_factor", "more than low_freq_factor " + low);
        }
        int original = rope.expectInt("original_max_position_embeddings");
        return new RopeScaling.Llama3(positive(rope, "factor", Double.NaN), low, high, original);
    }

    /** Transformers takes absent and 0 for the same in these. */
    private static RopeScaling yarn(JsonObject rope, int headSize, double base, double stretch, int original)
            throws FormatException {
        double factor = positive(rope, "factor", stretch);
        double magnitude = RopeScaling.Yarn.magnitude(factor);
        double some = rope.numberOr("mscale", 0);
        double all = rope.numberOr("mscale_all_dim", 0);
        if (some != 0 && all != 0) {
            magnitude = (1 + some * (magnitude - 1)) / (1 + all * (magnitude - 1));
        }
        return new RopeScaling.Yarn(
                factor,
                original,
                positive(rope, "beta_fast", 32),
                positive(rope, "beta_slow", 1),
                !rope.has("truncate") || rope.isTrue("truncate"),
                positive(rope, "attention_factor", magnitude),
                base,
                headSize / 2);
    }

    /** Phi-3's: a divisor for each pair, and longer queries and keys the more the context was stretched. */
    private static RopeScaling longrope(JsonObject rope, int headSize, double stretch, int original)
            throws FormatException {
        double factor = positive(rope, "factor", stretch);
        double magnitude = factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(original));
        JsonNode factors = rope.find("short_factor");
        List<Double> divisors = new ArrayList<>();
        if (factors != null && factors.isArray()) {
            factors.forEach(it -> divisors.add(it.doubleValue()));
        }
        if (divisors.size() != headSize / 2 || !divisors.stream().allMatch(it -> it > 0)) {
            throw rope.wrong("short_factor", "a list of " + headSize / 2 + " numbers above 0");
        }
        return new RopeScaling.Divisors(divisors, positive(rope, "attention_factor", magnitude));
    }
}
