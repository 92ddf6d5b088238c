package dev.salient.model;

/** Models of one design: what a family always does otherwise than LLaMA. What differs from model to model is in {@link Traits}. */
public enum Family {
    /** LLaMA 1, 2 and 3, SmolLM, and Phi-3, which only stores its weights in another way. */
    LLAMA(false, false),
    /** LLaMA where a token may see only the last tokens before it. */
    MISTRAL(false, false),
    /** Qwen 2 and 2.5: biases on queries, keys and values. */
    QWEN2(false, false),
    /** Queries and keys are normalized. */
    QWEN3(true, false),
    /** Scaled embeddings, norms on both sides of attention and MLP, bounded scores and logits, GELU. */
    GEMMA2(false, true),
    /** Gemma 2 with normalized queries and keys instead of bounded scores. */
    GEMMA3(true, true);

    private final boolean headNorms;
    private final boolean gemma;

    Family(boolean headNorms, boolean gemma) {
        this.headNorms = headNorms;
        this.gemma = gemma;
    }

    /** Whether each head of the queries and keys is normalized before it is rotated. */
    public boolean headNorms() {
        return headNorms;
    }

    /** Whether what attention and MLP give is normalized before it is added to the residual stream. */
    public boolean outputNorms() {
        return gemma;
    }

    /** Whether the MLP's gate goes through GELU (its tanh form), not SiLU. */
    public boolean gelu() {
        return gemma;
    }

    /** Whether embeddings are multiplied with the square root of the hidden size. */
    public boolean scaledEmbeddings() {
        return gemma;
    }

    /** Lower case, as users write it: {@code qwen2}. */
    public String label() {
        return name().toLowerCase(java.util.Locale.ROOT);
    }
}
