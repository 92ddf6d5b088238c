package dev.salient.format.gguf;

/** What becomes of 2-bit matrices where a type is asked for. */
public enum TwoBits {
    /** What fits Q1_0, TQ2_0 or Q2_0 exactly becomes that. */
    KEPT,
    /** They become what everything becomes. */
    DEQUANTIZED
}
