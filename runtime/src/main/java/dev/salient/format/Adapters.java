package dev.salient.format;

/** What becomes of a model's adapters where it is written anew. */
public enum Adapters {
    /** They are added to the weights below them. */
    MERGED,
    /** They are left out of the weights. */
    APART
}
