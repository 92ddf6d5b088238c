package dev.salient.generate;

import com.google.errorprone.annotations.FormatMethod;

/**
 * How the next token is chosen from the logits.
 *
 * <p>The steps and their order are those of Transformers: repetition penalty, temperature, top-k, top-p, min-p, draw.
 *
 * @param temperature divides the logits; 0 takes the most likely token, always
 * @param topP keeps the most likely tokens that together reach this probability; 1 keeps all
 * @param topK keeps this many most likely tokens, and those equal to the last of them; 0 keeps all
 * @param minP keeps tokens at least this fraction as likely as the most likely one; 0 keeps all
 * @param repetitionPenalty makes tokens that are in the text already less likely; 1 does nothing
 * @param seed of the draws
 */
public record Sampling(double temperature, double topP, int topK, double minP, double repetitionPenalty, long seed) {
    public Sampling {
        require(
                temperature >= 0 && Double.isFinite(temperature),
                "temperature: got %s, want a number of at least 0",
                temperature);
        require(topP > 0 && topP <= 1, "top-p: got %s, want more than 0 and at most 1", topP);
        require(topK >= 0, "top-k: got %d, want 0 or more", topK);
        require(minP >= 0 && minP <= 1, "min-p: got %s, want 0 to 1", minP);
        require(
                repetitionPenalty > 0 && Double.isFinite(repetitionPenalty),
                "repetition penalty: got %s, want more than 0",
                repetitionPenalty);
    }

    /** Drawn as most programs draw; see the record's parameters. */
    public static Sampling of(double temperature, double topP, long seed) {
        return new Sampling(temperature, topP, 0, 0, 1, seed);
    }

    /** The most likely token, always. */
    public static Sampling greedy() {
        return new Sampling(0, 1, 0, 0, 1, 0);
    }

    @FormatMethod
    private static void require(boolean condition, String message, Object argument) {
        if (!condition) {
            throw new IllegalArgumentException(message.formatted(argument));
        }
    }
}
