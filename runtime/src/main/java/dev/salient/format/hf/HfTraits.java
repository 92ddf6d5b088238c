package dev.salient.format.hf;

import com.fasterxml.jackson.databind.JsonNode;
import dev.salient.format.FormatException;
import dev.salient.format.json.JsonObject;
import dev.salient.model.Family;
import dev.salient.model.Linear;
import dev.salient.model.SlidingWindow;
import dev.salient.model.Traits;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** What a {@code config.json} says of the model's departures from LLaMA. */
record HfTraits(JsonObject json, HfFamily family, HfRope rope) {
    private static final String WINDOW = "sliding_window";
    private static final int MOST_BLOCKS = 10_000;
    private static final String LAYER_TYPES = "layer_types";

    Traits read(int headSize) throws FormatException {
        double scalar = family.gemma() ? HfConfig.positive(json, "query_pre_attn_scalar", 256) : headSize;
        if (json.isTrue("use_bidirectional_attention")) {
            throw json.wrong("use_bidirectional_attention", "false");
        }
        SlidingWindow window = window();
        // Phi-3 with a window computes as Mistral does
        Family own = family == HfFamily.PHI3 && window != null ? Family.MISTRAL : family.family();
        return new Traits(
                own,
                biased(),
                1 / Math.sqrt(scalar),
                cap("attn_logit_softcapping", 50),
                cap("final_logit_softcapping", 30),
                window);
    }

    private Set<Linear> biased() throws FormatException {
        Set<Linear> biased = EnumSet.noneOf(Linear.class);
        if (family == HfFamily.QWEN2) {
            biased.addAll(Set.of(Linear.Q, Linear.K, Linear.V));
        } else if (flag("attention_bias", family != HfFamily.MISTRAL && family != HfFamily.PHI3)) {
            biased.addAll(Set.of(Linear.Q, Linear.K, Linear.V, Linear.O));
        }
        if (flag("mlp_bias", family == HfFamily.LLAMA)) {
            biased.addAll(Set.of(Linear.GATE, Linear.UP, Linear.DOWN));
        }
        return biased;
    }

    private boolean flag(String key, boolean supported) throws FormatException {
        boolean set = json.isTrue(key);
        if (set && !supported) {
            throw json.wrong(key, "false");
        }
        return set;
    }

    /** Gemma's bounds; Gemma 2 has them where nothing is said. */
    private double cap(String key, double gemma2) throws FormatException {
        if (!family.gemma()) {
            return 0;
        }
        boolean said = json.keys().contains(key) || family == HfFamily.GEMMA3;
        if (said && !json.has(key)) {
            return 0;
        }
        return HfConfig.positive(json, key, gemma2);
    }

    private @Nullable SlidingWindow window() throws FormatException {
        int tokens = windowTokens();
        // without a base of its own, a window that is never full changes nothing
        boolean idle = tokens >= rope.context() && rope.localBase() == 0;
        if (tokens == 0 || idle) {
            return null;
        }
        if (tokens < 0) {
            throw json.wrong(WINDOW, "more than 0");
        }
        Set<Integer> blocks = windowBlocks(json.expectInt("num_hidden_layers"));
        return blocks.isEmpty() ? null : new SlidingWindow(tokens, blocks, rope.localBase());
    }

    /** Tokens that a token sees; 0 where it sees all. */
    private int windowTokens() throws FormatException {
        boolean said = json.keys().contains(WINDOW);
        return switch (family) {
            case LLAMA -> 0;
            case QWEN2, QWEN3 -> json.isTrue("use_sliding_window") ? json.intOr(WINDOW, 4096) : 0;
            case PHI3 -> json.intOr(WINDOW, 0);
            case MISTRAL, GEMMA2, GEMMA3 -> said ? json.intOr(WINDOW, 0) : 4096;
        };
    }

    private Set<Integer> windowBlocks(int blockCount) throws FormatException {
        if (blockCount > MOST_BLOCKS) {
            throw json.wrong("num_hidden_layers", "at most " + MOST_BLOCKS);
        }
        JsonNode types = json.find(LAYER_TYPES);
        if (types != null && types.size() != blockCount) {
            throw json.wrong(LAYER_TYPES, "a list of " + blockCount);
        }
        Set<Integer> blocks = new HashSet<>();
        int pattern = pattern();
        int first = family == HfFamily.QWEN2 || family == HfFamily.QWEN3 ? json.intOr("max_window_layers", 28) : 0;
        for (int b = 0; b < blockCount; b++) {
            boolean local = types == null ? b >= first && (b + 1) % pattern != 0 : isLocal(types.get(b));
            if (local) {
                blocks.add(b);
            }
        }
        return blocks;
    }

    /** Every how many blocks one sees everything. */
    private int pattern() throws FormatException {
        int pattern = switch (family) {
            case LLAMA, MISTRAL, QWEN2, QWEN3, PHI3 -> Integer.MAX_VALUE;
            case GEMMA2 -> json.intOr("sliding_window_pattern", 2);
            case GEMMA3 -> json.intOr("sliding_window_pattern", 6);
        };
        if (pattern <= 0) {
            throw json.wrong("sliding_window_pattern", "more than 0");
        }
        return pattern;
    }

    private boolean isLocal(JsonNode type) throws FormatException {
        return switch (type.asText()) {
            case "sliding_attention" -> true;
            case "full_attention" -> false;
            default -> throw json.wrong(LAYER_TYPES, "a list of full_attention and sliding_attention");
        };
    }
}
