package dev.salient.packed;

import static dev.salient.tensor.Preconditions.require;

import dev.salient.tensor.Tensor;

/**
 * A weight with a low-rank adapter on top: {@code w + scaling * b a}.
 *
 * @param base the weight below, not itself a LowRank
 * @param a [rank, in]
 * @param b [out, rank]
 * @param scaling alpha / rank
 */
public record LowRank(PackedWeight base, Tensor a, Tensor b, float scaling) implements PackedWeight {
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
        return base.storedBytes() + a.data().byteSize() + b.data().byteSize();
    }

    @Override
    public long neededBits() {
        return base.neededBits() + (a.data().byteSize() + b.data().byteSize()) * Byte.SIZE;
    }

    @Override
    public void decodeRow(int row, float[] values, int offset) {
        base.decodeRow(row, values, offset);
        for (int r = 0; r < rank(); r++) {
            float factor = scaling * b.get((long) row * rank() + r);
            for (int i = 0; i < in(); i++) {
                values[offset + i] += factor * a.get((long) r * in() + i);
            }
        }
    }
}
