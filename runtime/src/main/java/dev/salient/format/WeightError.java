package dev.salient.format;

/** How far written weights are from those that they were made from. */
public final class WeightError {
    private double squaredError;
    private double squaredWeight;
    private double largest;
    private long moved;

    /** Counts a weight. */
    public void add(float want, float got) {
        double error = (double) got - want;
        squaredWeight += (double) want * want;
        if (error != 0) {
            squaredError += error * error;
            largest = Math.max(largest, Math.abs(error));
            moved++;
        }
    }

    /** Counts what another has counted. */
    public void add(WeightError other) {
        squaredError += other.squaredError;
        squaredWeight += other.squaredWeight;
        largest = Math.max(largest, other.largest);
        moved += other.moved;
    }

    /** Whether every weight is what it was. */
    public boolean isNone() {
        return moved == 0;
    }

    /** Weights that are not what they were. */
    public long moved() {
        return moved;
    }

    /** The root mean square error over the root mean square of the weights. */
    public double relative() {
        return squaredError == 0 ? 0 : Math.sqrt(squaredError / squaredWeight);
    }

    /** The largest error of one weight. */
    public double largest() {
        return largest;
    }
}
