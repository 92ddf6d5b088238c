package dev.salient.packed;

import static dev.salient.tensor.Preconditions.require;

import dev.salient.tensor.Shape;
import dev.salient.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * A weight with a low-rank adapter on top: {@code v = w + scaling * b a} (LoRA); with magnitudes, {@code m v / |v|} row by row
 * (DoRA, arXiv 2402.09353, section 4).
 *
 * @param base the weight below, not itself a LowRank
 * @param a [rank, in]
 * @param b [out, rank]
 * @param scaling alpha / rank
 * @param magnitude the length of each row, [out]; null for LoRA
 */
public record LowRank(
        PackedWeight base,
        Tensor a,
        Tensor b,
        float scaling,
        @Nullable Tensor magnitude) implements PackedWeight {
    public LowRank {
        require(!(base instanceof LowRank), "adapter: got a base that has an adapter, want one without");
        require(
                a.shape().rank() == 2 && a.shape().dimension(1) == base.in(),
                "adapter a: got %s, want [rank, %d]",
                a.shape(),
                base.in());
        require(
                b.shape().rank() == 2
                        && b.shape().dimension(0) == base.out()
                        && b.shape().dimension(1) == a.shape().dimension(0),
                "adapter b: got %s, want [%d, %d]",
                b.shape(),
                base.out(),
                a.shape().dimension(0));
        require(
                magnitude == null || magnitude.shape().equals(Shape.of(base.out())),
                "adapter magnitude: got %s, want [%d]",
                magnitude == null ? "none" : magnitude.shape(),
                base.out());
        require(
                magnitude == null || !(base instanceof ScaleMixture),
                "adapter magnitude: got a weight whose scales follow the token, want LoRA: its rows have no one length");
    }

    /** LoRA. */
    public LowRank(PackedWeight base, Tensor a, Tensor b, float scaling) {
        this(base, a, b, scaling, null);
    }

    /** The same adapter over another weight. */
    public LowRank over(PackedWeight other) {
        return new LowRank(other, a, b, scaling, magnitude);
    }

    public int rank() {
        return a.shape().dimension(0);
    }

    @Override
    public int out() {
        return base.out();
    }

    @Override
    public int in() {
        return base.in();
    }

    @Override
    public long storedBytes() {
        return base.storedBytes() + adapterBytes();
    }

    @Override
    public long neededBits() {
        return base.neededBits() + adapterBytes() * Byte.SIZE;
    }

    private long adapterBytes() {
        return a.data().byteSize()
                + b.data().byteSize()
                + (magnitude == null ? 0 : magnitude.data().byteSize());
    }

    /** What each row of {@code w + scaling * b a} is multiplied with, {@code m / |v|}: [out]; empty for LoRA. */
    public float[] stretches() {
        if (magnitude == null) {
            return new float[0];
        }
        float[] stretches = new float[out()];
        float[] values = new float[in()];
        for (int row = 0; row < stretches.length; row++) {
            decodeSum(row, values, 0);
            stretches[row] = stretch(row, magnitude, values, 0);
        }
        return stretches;
    }

    private float stretch(int row, Tensor magnitudes, float[] values, int offset) {
        double squares = 0;
        for (int i = offset; i < offset + in(); i++) {
            squares += (double) values[i] * values[i];
        }
        // a row of zeros has no direction to give a length
        return squares == 0 ? 0 : (float) (magnitudes.get(row) / Math.sqrt(squares));
    }

    @Override
    public void decodeRow(int row, float[] values, int offset) {
        decodeSum(row, values, offset);
        if (magnitude != null) {
            float stretch = stretch(row, magnitude, values, offset);
            for (int i = offset; i < offset + in(); i++) {
                values[i] *= stretch;
            }
        }
    }

    private void decodeSum(int row, float[] values, int offset) {
        base.decodeRow(row, values, offset);
        for (int r = 0; r < rank(); r++) {
            float factor = scaling * b.get((long) row * rank() + r);
            for (int i = 0; i < in(); i++) {
                values[offset + i] += factor * a.get((long) r * in() + i);
            }
        }
    }
}
