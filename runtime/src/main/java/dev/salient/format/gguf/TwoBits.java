package dev.salient.format.gguf;

/** What becomes of 2-bit matrices where a type is asked for. */
public enum TwoBits {
    /** What fits Q2_0 exactly becomes Q2_0. */
    KEPT,
    /** They become what everything becomes. */
    DEQUANTIZED
}
