package dev.salient.kernel;

/** How keys and values are kept. */
public enum CacheType {
    /** As they are. */
    F32,
    /** Rounded to fp16: half the memory. */
    F16,
    /** Rounded to 8 bits with one fp32 scale for each token and head: a quarter of the memory. */
    Q8
}
