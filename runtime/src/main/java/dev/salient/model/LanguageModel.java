package dev.salient.model;

import java.util.List;

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

    /**
     * Appends tokens to several sequences and returns the logits after the last token of each.
     *
     * <p>A model that reads its weights once for all of them takes little longer than for one, which is what makes serving
     * many users at once cheap. The pieces may be of any lengths: a new prompt beside single tokens of texts under way.
     *
     * <pre>{@code
     * List<float[]> logits = model.forwardLast(List.of(new Piece(prompt, mine), new Piece(new int[] {token}, yours)));
     * }</pre>
     *
     * @param pieces at least one, each with a cache of its own
     * @return [vocab] of each piece, the caller's own
     */
    default List<float[]> forwardLast(List<Piece> pieces) {
        return pieces.stream()
                .map(piece -> forwardLast(piece.tokens(), piece.cache()))
                .toList();
    }

    /**
     * Tokens that one sequence goes on with.
     *
     * @param tokens at least one; each 0 to vocab - 1
     * @param cache of the sequence; grows by {@code tokens.length}
     */
    @SuppressWarnings("ArrayRecordComponent")
    record Piece(int[] tokens, KvCache cache) {}

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
