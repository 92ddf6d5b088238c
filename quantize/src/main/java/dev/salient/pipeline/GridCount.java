package dev.salient.pipeline;

import dev.salient.packed.GroupAffine;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** How often each code and each size of scale is used in the linears of one grid. */
final class GridCount {
    private final String form;
    private final long[] codes;
    private final TreeMap<Integer, Long> scales = new TreeMap<>();
    private long negative;
    private long zero;

    GridCount(String form, int bits) {
        this.form = form;
        this.codes = new long[1 << bits];
    }

    /** The counts as a report holds them; bins of scales by their size, half an octave each. */
    record Counts(String form, List<Long> codes, List<Bin> scales, long negativeScales, long zeroScales) {}

    /** Scales of one size. */
    record Bin(double from, double to, long count) {}

    void add(GroupAffine weight) {
        for (int row = 0; row < weight.out(); row++) {
            for (int column = 0; column < weight.in(); column++) {
                codes[weight.code(row, column)]++;
            }
            for (int group = 0; group < weight.groupsPerRow(); group++) {
                addScale(weight.scale(row, group));
            }
        }
    }

    private void addScale(float scale) {
        negative += scale < 0 ? 1 : 0;
        if (scale == 0) {
            zero++;
            return;
        }
        int octave = Math.getExponent(scale); // a logarithm would put some powers of two below themselves
        int bin = 2 * octave + (Math.abs(scale) >= Math.scalb(Math.sqrt(2), octave) ? 1 : 0);
        scales.merge(bin, 1L, Long::sum);
    }

    Counts counts() {
        List<Bin> bins = new ArrayList<>();
        for (Map.Entry<Integer, Long> bin : scales.entrySet()) {
            int at = bin.getKey();
            bins.add(new Bin(Math.pow(2, at / 2.0), Math.pow(2, (at + 1) / 2.0), bin.getValue()));
        }
        return new Counts(form, Arrays.stream(codes).boxed().toList(), bins, negative, zero);
    }
}
