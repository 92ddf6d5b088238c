package dev.salient.kernel;

import static dev.salient.kernel.Lanes.COUNT;
import static dev.salient.kernel.Lanes.FLOATS;

import dev.salient.packed.ScaleMixture;
import jdk.incubator.vector.FloatVector;

/** The router and the scales of a {@link ScaleMixture} as fp32 arrays. */
@SuppressWarnings("ArrayRecordComponent") // looked up, never compared
record TokenScales(int experts, float[] router, float[] inScales, float[] outScales) {
    static TokenScales of(ScaleMixture weight) {
        return new TokenScales(
                weight.experts(),
                weight.router().toFloats(),
                weight.inScales().toFloats(),
                weight.outScales().toFloats());
    }

    /**
     * What some tokens make of the scales, one after the other or several at a time: x * (r S_in) before the product with the signs,
     * y * (r S_out) after it, r = softmax(x R^T).
     */
    static final class Tokens {
        private TokenScales weight = new TokenScales(0, new float[0], new float[0], new float[0]);
        private int in;
        private int out;
        private float[] x = new float[0];
        /** r, [tokens, experts]. */
        private float[] shares = new float[0];
        /** x * (r S_in), [tokens, in]. */
        private float[] scaled = new float[0];

        /** Begins with these tokens, [tokens, in]. */
        void begin(TokenScales newWeight, int tokens, float[] newX) {
            weight = newWeight;
            in = weight.inScales.length / weight.experts;
            out = weight.outScales.length / weight.experts;
            x = newX;
            if (shares.length < tokens * weight.experts) {
                shares = new float[tokens * weight.experts];
            }
            if (scaled.length < tokens * in) {
                scaled = new float[tokens * in];
            }
        }

        /** What the signs are multiplied with, [tokens, in], after {@link #enter} of each token. */
        float[] scaled() {
            return scaled;
        }

        /** Asks the router, and scales what goes in. */
        void enter(int token) {
            int first = token * weight.experts;
            double largest = Double.NEGATIVE_INFINITY;
            for (int expert = 0; expert < weight.experts; expert++) {
                shares[first + expert] = logit(expert, token * in);
                largest = Math.max(largest, shares[first + expert]);
            }
            double total = 0;
            for (int i = first; i < first + weight.experts; i++) {
                double power = Math.exp(shares[i] - largest);
                shares[i] = (float) power;
                total += power;
            }
            for (int i = first; i < first + weight.experts; i++) {
                shares[i] = (float) (shares[i] / total);
            }
            System.arraycopy(x, token * in, scaled, token * in, in);
            scale(weight.inScales, in, token, scaled);
        }

        /**
         * Scales what comes out.
         *
         * @param y [tokens, out], overwritten
         */
        void leave(int token, float[] y) {
            scale(weight.outScales, out, token, y);
        }

        private float logit(int expert, int at) {
            FloatVector sum = FloatVector.zero(FLOATS);
            for (int i = 0; i < in; i += COUNT) {
                FloatVector row = FloatVector.fromArray(FLOATS, weight.router, expert * in + i);
                sum = row.fma(FloatVector.fromArray(FLOATS, x, at + i), sum);
            }
            return Lanes.sum(sum);
        }

        /** {@code values * (r S)} of one token. */
        private void scale(float[] scales, int channels, int token, float[] values) {
            int first = token * weight.experts;
            int at = token * channels;
            int i = 0;
            for (; i <= channels - COUNT; i += COUNT) {
                FloatVector sum = FloatVector.zero(FLOATS);
                for (int expert = 0; expert < weight.experts; expert++) {
                    sum = FloatVector.fromArray(FLOATS, scales, expert * channels + i)
                            .fma(FloatVector.broadcast(FLOATS, shares[first + expert]), sum);
                }
                FloatVector.fromArray(FLOATS, values, at + i).mul(sum).intoArray(values, at + i);
            }
            for (; i < channels; i++) {
                float sum = 0;
                for (int expert = 0; expert < weight.experts; expert++) {
                    sum += shares[first + expert] * scales[expert * channels + i];
                }
                values[at + i] *= sum;
            }
        }
    }
}
