package dev.salient.kernel;

/** How activations enter the products of few tokens with quantized weights. */
public enum Activations {
    /** As they are. */
    F32(Integer.MAX_VALUE),
    /**
     * In tables of 8-bit products, for codes of up to 4 bits: two or more times as fast. An entry, the product of a few
     * neighbouring activations with their codes, is off by at most 1/254 of its group's largest.
     */
    INT8(8);

    private final int mostTokens;

    Activations(int mostTokens) {
        this.mostTokens = mostTokens;
    }

    /** So many tokens at once are multiplied like this; more of them as they are, which is faster then. */
    public int mostTokens() {
        return mostTokens;
    }
}
