package dev.salient.measure;

/** Hears how far a measurement is. */
@FunctionalInterface
public interface Progress {
    /** Somebody who doesn't listen. */
    Progress NONE = (done, windows, perplexity) -> {};

    /**
     * Another window is done.
     *
     * @param done windows so far, from 1
     * @param windows in all
     * @param perplexity of the first model, over the windows so far
     */
    void windowDone(int done, int windows, double perplexity);
}
