package dev.salient.train;

import java.util.ArrayList;
import java.util.List;

/** Which windows each step sees: one epoch after the other, each in its own order; a rest smaller than a batch is left out. */
final class BatchOrder {
    private final TrainingText text;
    private final int length;
    private final int batch;
    private int epoch = -1;
    private int firstStep;
    private int steps;
    private List<int[]> windows = List.of();

    BatchOrder(TrainingText text, int length, int batch) {
        this.text = text;
        this.length = length;
        this.batch = batch;
    }

    /** The windows of a step; steps are asked for in rising order. */
    List<int[]> batch(int step) {
        while (step >= firstStep + steps) {
            epoch++;
            firstStep += steps;
            windows = text.windows(epoch, length);
            steps = Math.max(1, windows.size() / batch);
        }
        int from = (step - firstStep) * batch;
        return new ArrayList<>(windows.subList(from, Math.min(windows.size(), from + batch)));
    }
}
