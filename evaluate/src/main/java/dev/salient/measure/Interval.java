package dev.salient.measure;

import java.util.function.DoubleUnaryOperator;

/**
 * A measured number with its uncertainty.
 *
 * @param low of the 95 % interval; NaN where one window alone leaves it unknown
 * @param high of the 95 % interval; NaN where one window alone leaves it unknown
 */
public record Interval(double value, double low, double high) {
    /** Of an increasing function of the number. */
    public Interval map(DoubleUnaryOperator increasing) {
        return new Interval(
                increasing.applyAsDouble(value), increasing.applyAsDouble(low), increasing.applyAsDouble(high));
    }

    /** Whether the number surely isn't zero: a difference that can be told from none. */
    public boolean excludesZero() {
        return low > 0 || high < 0;
    }
}
