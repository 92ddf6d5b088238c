package dev.salient.kernel;

import java.util.Arrays;

/** Rotary position embedding: the angles of every position, tabulated as far as they were needed. */
public final class Rope {
    private final double[] frequencies;
    private float[] cosines = new float[0];
    private float[] sines = new float[0];
    private int positions;

    /**
     * Angles for one head size.
     *
     * @param frequencies [headSize / 2], radians per token
     */
    public Rope(double[] frequencies) {
        this.frequencies = frequencies.clone();
    }

    /** Channel pairs of a head. */
    int pairs() {
        return frequencies.length;
    }

    /** Cosines of all angles, [positions, pairs]. */
    float[] cosines() {
        return cosines;
    }

    /** Sines of all angles, [positions, pairs]. */
    float[] sines() {
        return sines;
    }

    /** Makes sure that the table holds the angles of positions 0 to {@code end - 1}. */
    void reach(int end) {
        if (end <= positions) {
            return;
        }
        int room = cosines.length / pairs();
        if (end > room) {
            room = Math.max(end, Math.max(64, 2 * room));
            cosines = Arrays.copyOf(cosines, Math.multiplyExact(room, pairs()));
            sines = Arrays.copyOf(sines, cosines.length);
        }
        for (; positions < end; positions++) {
            for (int i = 0; i < pairs(); i++) {
                double angle = positions * frequencies[i];
                cosines[positions * pairs() + i] = (float) Math.cos(angle);
                sines[positions * pairs() + i] = (float) Math.sin(angle);
            }
        }
    }
}
