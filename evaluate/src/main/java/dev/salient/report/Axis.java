package dev.salient.report;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.DoubleStream;

/**
 * One direction of a plot: values between two ends, evenly or by their logarithms.
 *
 * @param label what is counted, with its unit
 */
record Axis(String label, double low, double high, Spacing spacing) {
    private static final int MOST_TICKS = 6;

    enum Spacing {
        LINEAR,
        /** Linear, of whole numbers. */
        WHOLE,
        LOGARITHMIC
    }

    /** From zero, or the smallest value where that is below, to the largest. */
    static Axis fromZero(String label, DoubleStream values) {
        double[] ends = values.filter(Double::isFinite).toArray();
        double high = DoubleStream.of(ends).max().orElse(1);
        double low = Math.min(0, DoubleStream.of(ends).min().orElse(0));
        return new Axis(label, low, high > low ? low + (high - low) * 1.05 : low + 1, Spacing.LINEAR);
    }

    /** From the smallest to the largest value, with some room at both ends. */
    static Axis around(String label, DoubleStream values) {
        double[] ends = values.filter(Double::isFinite).toArray();
        double low = DoubleStream.of(ends).min().orElse(0);
        double high = DoubleStream.of(ends).max().orElse(1);
        double room = high > low ? (high - low) * 0.08 : Math.max(1e-9, Math.abs(high) * 0.1);
        return new Axis(label, low - room, high + room, Spacing.LINEAR);
    }

    /** By logarithms, over the positive ones of these values. */
    static Axis logarithmic(String label, DoubleStream values) {
        double[] ends = values.filter(v -> v > 0 && Double.isFinite(v)).toArray();
        double low = DoubleStream.of(ends).min().orElse(1);
        double high = DoubleStream.of(ends).max().orElse(10);
        return high > low * 1.2
                ? new Axis(label, low / 1.1, high * 1.1, Spacing.LOGARITHMIC)
                : new Axis(label, low / 2, high * 2, Spacing.LOGARITHMIC);
    }

    /** Where a value lies: 0 at the low end, 1 at the high one. */
    double at(double value) {
        return switch (spacing) {
            case LINEAR, WHOLE -> (value - low) / (high - low);
            case LOGARITHMIC -> Math.log(value / low) / Math.log(high / low);
        };
    }

    /** Round values to mark. */
    List<Double> ticks() {
        List<Double> ticks = new ArrayList<>();
        if (spacing == Spacing.LOGARITHMIC && high / low > 3) {
            int[] digits = high / low > 1000 ? new int[] {1} : high / low > 30 ? new int[] {1, 3} : new int[] {1, 2, 5};
            for (int exponent = (int) Math.floor(Math.log10(low)); exponent <= Math.log10(high); exponent++) {
                for (int digit : digits) {
                    double tick = round(digit, exponent);
                    if (tick >= low && tick <= high) {
                        ticks.add(tick);
                    }
                }
            }
            int every = 1 + (ticks.size() - 1) / (MOST_TICKS + 2);
            List<Double> all = ticks;
            return java.util.stream.IntStream.range(0, all.size())
                    .filter(i -> i % every == 0)
                    .mapToObj(all::get)
                    .toList();
        }
        double rough = spacing == Spacing.WHOLE ? Math.max(1, (high - low) / MOST_TICKS) : (high - low) / MOST_TICKS;
        int exponent = (int) Math.floor(Math.log10(rough));
        double fraction = rough / Math.pow(10, exponent);
        int digit = fraction <= 1 ? 1 : fraction <= 2 ? 2 : fraction <= 5 ? 5 : 10;
        double step = round(digit, exponent);
        for (long i = (long) Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) {
            ticks.add(exponent < 0 ? i * digit / Math.pow(10, -exponent) : i * step);
        }
        return ticks;
    }

    /** A tick without zeros that say nothing. */
    static String shown(double tick) {
        String text = Markup.number(tick);
        return text.contains(".") && !text.contains("e") ? text.replaceFirst("\\.?0+$", "") : text;
    }

    /** Exact where the decimal is: 0.3, not 0.30000000000000004. */
    private static double round(int digit, int exponent) {
        return exponent < 0 ? digit / Math.pow(10, -exponent) : digit * Math.pow(10, exponent);
    }
}
