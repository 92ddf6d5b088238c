package dev.salient.packed;

import static dev.salient.tensor.Preconditions.require;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import dev.salient.tensor.Shape;
import dev.salient.tensor.Tensor;
import java.lang.foreign.MemorySegment;

/**
 * Signs whose scales follow the token: BinaryMoS's binary mixture of scales (<a href="https://arxiv.org/abs/2406.12311">arXiv
 * 2406.12311</a>, section 3.2).
 *
 * <pre>
 * r = softmax(x R^T)      y = ((x * (r S_in)) B^T) * (r S_out)      B [out, in], each -1 or 1
 * </pre>
 *
 * <p>No weight of it has a value by itself, so {@link #decodeRow} refuses; {@link #even} is what it computes for a token that the router
 * shares out evenly.
 *
 * @param in a multiple of 32
 * @param signs B, [out, in], a bit each, lowest first within a byte; 1 stands for 1, 0 for -1
 * @param router R, [experts, in]
 * @param inScales S_in, [experts, in]
 * @param outScales S_out, [experts, out]
 */
public record ScaleMixture(int out, int in, MemorySegment signs, Tensor router, Tensor inScales, Tensor outScales)
        implements PackedWeight {
    /** Rows are whole multiples of so many channels: what kernels divide into segments. */
    public static final int CHANNELS = 32;

    public ScaleMixture {
        require(in % CHANNELS == 0, "in: got %d input channels, want a multiple of %d", in, CHANNELS);
        long want = Math.multiplyExact((long) out, in / Byte.SIZE);
        require(signs.byteSize() == want, "signs: got %d bytes, want %d", signs.byteSize(), want);
        require(router.shape().rank() == 2, "router: got %s, want [experts, %d]", router.shape(), in);
        int experts = router.shape().dimension(0);
        require(router.shape().equals(Shape.of(experts, in)), "router: got %s, want [experts, %d]", router.shape(), in);
        require(
                inScales.shape().equals(Shape.of(experts, in)),
                "in scales: got %s, want [%d, %d]",
                inScales.shape(),
                experts,
                in);
        require(
                outScales.shape().equals(Shape.of(experts, out)),
                "out scales: got %s, want [%d, %d]",
                outScales.shape(),
                experts,
                out);
        signs = signs.asReadOnly();
    }

    /** Scales of each kind that the router chooses among. */
    public int experts() {
        return router.shape().dimension(0);
    }

    /** -1 or 1. */
    public int sign(int row, int column) {
        int bits = signs.get(JAVA_BYTE, (long) row * (in / Byte.SIZE) + column / Byte.SIZE);
        return ((bits >> (column % Byte.SIZE)) & 1) == 1 ? 1 : -1;
    }

    @Override
    public long storedBytes() {
        return signs.byteSize()
                + router.data().byteSize()
                + inScales.data().byteSize()
                + outScales.data().byteSize();
    }

    @Override
    public void decodeRow(int row, float[] values, int offset) {
        throw new IllegalArgumentException(
                "weight: got scales that follow the token (binary-mos), want one with values of its own");
    }

    /**
     * A weight with what it comes to where routers share all tokens out evenly, {@code B * mean of S_out * mean of S_in}; other weights as
     * they are.
     *
     * @param weight of any kind, with an adapter or without
     */
    public static PackedWeight even(PackedWeight weight) {
        return switch (weight) {
            case ScaleMixture mixture -> mixture.even();
            case LowRank sum when sum.base() instanceof ScaleMixture mixture -> sum.over(mixture.even());
            default -> weight;
        };
    }

    private Dense even() {
        float[] columns = means(inScales, in);
        float[] rows = means(outScales, out);
        float[] values = new float[Math.multiplyExact(out, in)];
        for (int row = 0; row < out; row++) {
            for (int i = 0; i < in; i++) {
                values[row * in + i] = sign(row, i) * rows[row] * columns[i];
            }
        }
        return Dense.ofFloats(out, in, values);
    }

    private float[] means(Tensor scales, int channels) {
        float[] means = new float[channels];
        for (int expert = 0; expert < experts(); expert++) {
            for (int i = 0; i < channels; i++) {
                means[i] += scales.get((long) expert * channels + i) / experts();
            }
        }
        return means;
    }
}
