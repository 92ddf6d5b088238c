package dev.salient.packed;

import static dev.salient.tensor.Preconditions.require;

import java.util.BitSet;

/**
 * A weight in groups of input channels that do not lie beside each other, as GPTQ's act-order makes them: codes are stored in an order
 * in which they do.
 */
public final class Reordered implements PackedWeight {
    private final GroupAffine base;
    private final int[] channels;

    /**
     * A weight.
     *
     * @param base [out, in], columns in their stored order
     * @param channels [in], which input channel each column of the base is
     */
    public Reordered(GroupAffine base, int[] channels) {
        require(channels.length == base.in(), "channels: got %d, want %d", channels.length, base.in());
        BitSet seen = new BitSet();
        for (int channel : channels) {
            require(
                    channel >= 0 && channel < base.in() && !seen.get(channel),
                    "channels: got %d twice or out of range, want each of %d once",
                    channel,
                    base.in());
            seen.set(channel);
        }
        this.base = base;
        this.channels = channels.clone();
    }

    /** The weight with its columns in their stored order. */
    public GroupAffine base() {
        return base;
    }

    /** The input channel of each column of the base, [in]; a copy. */
    public int[] channels() {
        return channels.clone();
    }

    /**
     * Brings a row of activations into the order of the columns.
     *
     * @param x read from {@code offset}, [in]
     * @param columns written from {@code offset}, [in]
     */
    public void toColumns(float[] x, float[] columns, int offset) {
        for (int i = 0; i < channels.length; i++) {
            columns[offset + i] = x[offset + channels[i]];
        }
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
        return base.storedBytes() + (long) in() * Integer.BYTES;
    }

    /** The base's, and for each channel the number of its group. */
    @Override
    public long neededBits() {
        int group = Integer.SIZE - Integer.numberOfLeadingZeros(base.groupsPerRow() - 1);
        return base.neededBits() + (long) in() * group;
    }

    @Override
    public void decodeRow(int row, float[] values, int offset) {
        float[] stored = new float[in()];
        base.decodeRow(row, stored, 0);
        for (int i = 0; i < stored.length; i++) {
            values[offset + channels[i]] = stored[i];
        }
    }
}
