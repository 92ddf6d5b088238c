package dev.salient.train;

import static dev.salient.tensor.Preconditions.require;

/**
 * How a model is trained from scratch, as data: AdamW with a linear warm-up and a cosine to a tenth of the rate.
 *
 * @param window tokens that the model reads at once
 * @param batch windows per step
 * @param rate the highest learning rate
 * @param decay decoupled weight decay of the linears
 * @param clip the gradient is scaled down to this norm where it is longer
 * @param chatShare of the stories that are told as answers in a chat
 * @param checkEvery steps between two looks at the held-out loss; a checkpoint is written each time
 */
public record Pretraining(
        int window,
        int batch,
        int steps,
        int warmUp,
        double rate,
        double decay,
        double clip,
        double chatShare,
        int checkEvery,
        long seed) {
    /** The cosine's end, as a share of the highest rate. */
    private static final double LAST = 0.1;

    public Pretraining {
        require(window >= 2, "window: got %d, want 2 or more", window);
        require(batch > 0, "batch: got %d, want 1 or more", batch);
        require(steps > 0, "steps: got %d, want 1 or more", steps);
        require(warmUp >= 0 && warmUp < steps, "warm-up: got %d steps, want 0 to %d", warmUp, steps - 1);
        require(rate > 0, "rate: got %s, want more than 0", rate);
        require(decay >= 0, "decay: got %s, want 0 or more", decay);
        require(clip > 0, "clip: got %s, want more than 0", clip);
        require(chatShare >= 0 && chatShare <= 1, "chat share: got %s, want 0 to 1", chatShare);
        require(checkEvery > 0, "check every: got %d steps, want 1 or more", checkEvery);
    }

    /** The learning rate of a step, counted from 0. */
    double rateAt(int step) {
        if (step < warmUp) {
            return rate * (step + 1) / warmUp;
        }
        double done = (double) (step - warmUp) / Math.max(1, steps - warmUp);
        return rate * (LAST + (1 - LAST) * 0.5 * (1 + Math.cos(Math.PI * done)));
    }
}
