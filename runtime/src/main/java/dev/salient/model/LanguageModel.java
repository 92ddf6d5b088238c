package dev.salient.model;

/**
 * A model that gives the logits of the next token.
 *
 * <pre>{@code
 * try (KvCache cache = model.newCache(512)) {
 *     model.forward(promptIds, cache, (position, logits) -> { ... });
 * }
 * }</pre>
 */
public interface LanguageModel {
    ModelConfig config();

    /** A cache for one sequence of up to {@code capacity} tokens. */
    KvCache newCache(int capacity);

    /**
     * Appends tokens to the cached sequence and hands out the logits after each of them, in order.
     *
     * @param tokens at least one; each 0 to vocab - 1
     * @param cache from {@link #newCache} of this model; grows by {@code tokens.length}
     * @param sink called once per token
     */
    void forward(int[] tokens, KvCache cache, LogitsSink sink);

    /**
     * Appends tokens and returns only the logits after the last of them: what generation needs.
     *
     * @return [vocab], the caller's own
     */
    float[] forwardLast(int[] tokens, KvCache cache);

    /** Receives logits. */
    @FunctionalInterface
    interface LogitsSink {
        /**
         * Takes the logits after one token.
         *
         * @param position of the token in the sequence, from 0
         * @param logits [vocab], valid only during the call
         */
        void accept(int position, float[] logits);
    }

    /** Keys and values of the tokens seen so far, of one sequence. */
    interface KvCache extends AutoCloseable {
        /** Tokens held. */
        int length();

        /** Tokens that fit. */
        int capacity();

        /** Forgets all tokens from {@code length} on. */
        void truncate(int length);

        @Override
        void close();
    }
}
