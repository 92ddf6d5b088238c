package dev.salient.measure;

/** Which tokens of a window a perplexity counts. Numbers of different conventions don't compare. */
public enum Scoring {
    /** "HF": every token but the window's first. A leading token, if any, goes before the window, uncounted. */
    WHOLE_WINDOW,
    /** llama.cpp's: the second half of a window only. A leading token, if any, replaces the window's first. */
    SECOND_HALF;

    /** The first position of a window that is predicted, and counts. */
    int first(int window) {
        return this == WHOLE_WINDOW ? 1 : window / 2 + 1;
    }
}
