package dev.salient.format.gguf;

/** What the matrices of a written GGUF file become. */
public enum GgufType {
    /** The smallest type that holds exactly the same values. */
    AS_STORED,
    F32,
    F16,
    BF16,
    Q8_0,
    Q4_0
}
