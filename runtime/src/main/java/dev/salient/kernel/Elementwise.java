package dev.salient.kernel;

import static dev.salient.kernel.Lanes.COUNT;
import static dev.salient.kernel.Lanes.FLOATS;
import static jdk.incubator.vector.VectorOperators.EQ;
import static jdk.incubator.vector.VectorOperators.F2I;
import static jdk.incubator.vector.VectorOperators.LSHL;
import static jdk.incubator.vector.VectorOperators.MAX;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;

/** What is done channel by channel: norms, rotations, softmax, the MLP's gate. */
final class Elementwise {
    private static final float LOG2_E = 1.442695f;
    /** ln 2 in two parts, the first exact in products with small integers. */
    private static final float LN2_HIGH = 0.6933594f;

    private static final float LN2_LOW = -2.1219444e-4f;
    /** Adding and subtracting it rounds to an integer. */
    private static final float ROUND = 0x1.8p23f;

    private Elementwise() {}

    private static FloatVector load(float[] x, int at) {
        return FloatVector.fromArray(FLOATS, x, at);
    }

    /** e^x within 2 units in the last place; x is taken as at least -87 and at most 88. */
    static FloatVector exp(FloatVector x) {
        FloatVector bounded = x.max(-87f).min(88f);
        FloatVector n = bounded.mul(LOG2_E).add(ROUND).sub(ROUND);
        FloatVector r = n.fma(broadcast(-LN2_HIGH), bounded);
        r = n.fma(broadcast(-LN2_LOW), r);
        FloatVector p = broadcast(1.9875691e-4f);
        p = p.fma(r, broadcast(1.3981999e-3f));
        p = p.fma(r, broadcast(8.333452e-3f));
        p = p.fma(r, broadcast(4.1665796e-2f));
        p = p.fma(r, broadcast(0.16666666f));
        p = p.fma(r, broadcast(0.5f));
        p = p.fma(r.mul(r), r).add(1f);
        IntVector power = (IntVector) n.convertShape(F2I, Lanes.INTS, 0);
        return p.mul(power.add(127).lanewise(LSHL, 23).reinterpretAsFloats());
    }

    private static FloatVector broadcast(float value) {
        return FloatVector.broadcast(FLOATS, value);
    }

    /**
     * The largest number.
     *
     * @param count a multiple of the vector length
     */
    static float max(float[] x, int at, int count) {
        FloatVector largest = broadcast(Float.NEGATIVE_INFINITY);
        for (int i = 0; i < count; i += COUNT) {
            largest = load(x, at + i).max(largest);
        }
        return largest.reduceLanes(MAX);
    }

    /**
     * Replaces each x by {@code e^(x - largest)}, minus infinity by 0, and returns their sum.
     *
     * @param count a multiple of the vector length
     */
    static float expOfDifference(float[] x, int at, int count, float largest) {
        FloatVector total = FloatVector.zero(FLOATS);
        for (int i = 0; i < count; i += COUNT) {
            FloatVector score = load(x, at + i);
            FloatVector weight = exp(score.sub(largest)).blend(0f, score.compare(EQ, Float.NEGATIVE_INFINITY));
            weight.intoArray(x, at + i);
            total = weight.add(total);
        }
        return Lanes.sum(total);
    }

    /**
     * Multiplies by a factor.
     *
     * @param count a multiple of the vector length
     */
    static void scale(float[] x, int at, int count, float factor) {
        for (int i = 0; i < count; i += COUNT) {
            load(x, at + i).mul(factor).intoArray(x, at + i);
        }
    }

    /** {@link Kernels#normalize} of the token whose channels start at {@code at}. */
    static void normalize(RmsNorm norm, float[] x, float[] y, int at) {
        int channels = norm.channels();
        int whole = FLOATS.loopBound(channels);
        FloatVector squares = FloatVector.zero(FLOATS);
        for (int i = 0; i < whole; i += COUNT) {
            FloatVector v = load(x, at + i);
            squares = v.fma(v, squares);
        }
        double sum = Lanes.sum(squares);
        for (int i = whole; i < channels; i++) {
            sum += x[at + i] * x[at + i];
        }
        float factor = (float) (1 / Math.sqrt(sum / channels + norm.epsilon()));
        for (int i = 0; i < whole; i += COUNT) {
            load(x, at + i).mul(factor).mul(load(norm.gain(), i)).intoArray(y, at + i);
        }
        for (int i = whole; i < channels; i++) {
            y[at + i] = x[at + i] * factor * norm.gain()[i];
        }
    }

    /** {@link Kernels#rotate} of the head whose channels start at {@code at}. */
    static void rotate(Rope rope, int position, float[] x, int at) {
        int pairs = rope.pairs();
        int table = position * pairs;
        int whole = FLOATS.loopBound(pairs);
        for (int i = 0; i < whole; i += COUNT) {
            FloatVector cosine = load(rope.cosines(), table + i);
            FloatVector sine = load(rope.sines(), table + i);
            FloatVector first = load(x, at + i);
            FloatVector second = load(x, at + pairs + i);
            first.mul(cosine).sub(second.mul(sine)).intoArray(x, at + i);
            second.mul(cosine).add(first.mul(sine)).intoArray(x, at + pairs + i);
        }
        for (int i = whole; i < pairs; i++) {
            float cosine = rope.cosines()[table + i];
            float sine = rope.sines()[table + i];
            float first = x[at + i];
            float second = x[at + pairs + i];
            x[at + i] = first * cosine - second * sine;
            x[at + pairs + i] = second * cosine + first * sine;
        }
    }

    /** {@link Kernels#gate} of channels {@code from} to {@code to - 1}. */
    static void gate(Gate activation, float[] gate, float[] up, int from, int to) {
        int i = from;
        for (; i <= to - COUNT; i += COUNT) {
            FloatVector v = load(gate, i);
            FloatVector exponent = activation == Gate.SILU ? v : geluExponent(v);
            v.div(exp(exponent.neg()).add(1f)).mul(load(up, i)).intoArray(gate, i);
        }
        for (; i < to; i++) {
            gate[i] = (float) activation.of(gate[i]) * up[i];
        }
    }

    private static FloatVector geluExponent(FloatVector x) {
        return x.mul(x)
                .fma(broadcast((float) Gate.GELU_CUBIC), broadcast((float) Gate.GELU_LINEAR))
                .mul(x);
    }

    /** {@link Kernels#addRow} of the token whose channels start at {@code at}. */
    static void addRow(float[] row, float[] x, int at) {
        int whole = FLOATS.loopBound(row.length);
        for (int i = 0; i < whole; i += COUNT) {
            load(x, at + i).add(load(row, i)).intoArray(x, at + i);
        }
        for (int i = whole; i < row.length; i++) {
            x[at + i] += row[i];
        }
    }

    /** {@link Kernels#cap} of channels {@code from} to {@code to - 1}; an infinite one becomes the cap of its sign. */
    static void cap(float cap, float[] x, int from, int to) {
        int i = from;
        for (; i <= to - COUNT; i += COUNT) {
            // tanh(z) = 1 - 2 / (exp(2 z) + 1)
            FloatVector power = exp(load(x, i).mul(2 / cap)).add(1f);
            broadcast(1f).sub(broadcast(2f).div(power)).mul(cap).intoArray(x, i);
        }
        for (; i < to; i++) {
            x[i] = (float) (cap * Math.tanh(x[i] / cap));
        }
    }

    static void add(float[] sum, float[] x, int from, int to) {
        int i = from;
        for (; i <= to - COUNT; i += COUNT) {
            load(sum, i).add(load(x, i)).intoArray(sum, i);
        }
        for (; i < to; i++) {
            sum[i] += x[i];
        }
    }

    /** {@code sum += factor * x}, [count]. */
    static void addScaled(float[] sum, float[] x, float factor, int count) {
        int i = 0;
        for (; i <= count - COUNT; i += COUNT) {
            load(x, i).fma(broadcast(factor), load(sum, i)).intoArray(sum, i);
        }
        for (; i < count; i++) {
            sum[i] += factor * x[i];
        }
    }
}
