package dev.salient.method;

import static dev.salient.method.Settings.require;

/**
 * Windows of the calibration text that blocks are not trained on, and that say which epoch was best.
 *
 * <p>After each stage a block goes back to the best epoch so far: the one with the least output loss on these windows.
 *
 * @param windows 0: a block stays as its last epoch left it
 * @param patience a stage ends when so many epochs in a row were no better; 0: it never ends early
 */
public record HeldOut(int windows, int patience) {
    /** None are held out. */
    public static final HeldOut NONE = new HeldOut(0, 0);

    public HeldOut {
        require(windows >= 0, "held-out windows: got %d, want 0 or more", windows);
        require(patience >= 0, "patience: got %d, want 0 or more", patience);
        require(patience == 0 || windows > 0, "patience: got %d without held-out windows, want some of them", patience);
    }
}
