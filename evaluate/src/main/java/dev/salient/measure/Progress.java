package dev.salient.measure;

/** Hears how far a measurement is. */
@FunctionalInterface
public interface Progress {
    /** Somebody who doesn't listen. */
    Progress NONE = (done, windows, value) -> {};

    /**
     * Another window, or run, is done.
     *
     * @param done windows so far, from 1
     * @param windows in all
     * @param value perplexity of the first model over the windows so far, or tokens a second
     */
    void windowDone(int done, int windows, double value);
}
