package dev.salient.measure;

/** Which tokens of a window count. Numbers of different conventions don't compare. */
public enum Scoring {
    /** Hugging Face's: every token but the window's first. A leading token, if any, goes before the window, uncounted. */
    WHOLE_WINDOW("hf"),
    /** llama.cpp's: the second half of a window only. A leading token, if any, replaces the window's first. */
    SECOND_HALF("llama.cpp");

    private final String label;

    Scoring(String label) {
        this.label = label;
    }

    /** Its name in options and files. */
    public String label() {
        return label;
    }

    /**
     * The convention of this label.
     *
     * @throws IllegalArgumentException where there is none
     */
    public static Scoring of(String label) {
        for (Scoring scoring : values()) {
            if (scoring.label.equals(label)) {
                return scoring;
            }
        }
        throw new IllegalArgumentException("got %s, want hf or llama.cpp".formatted(label));
    }

    /** The largest window whose tokens, all but the last, fit into a context together with {@code leading} ones; no larger than that itself. */
    public int largestWindow(int context, int leading) {
        return this == WHOLE_WINDOW ? Math.min(context, context + 1 - leading) : context;
    }

    /** The first position of a window that is predicted, and counts. */
    int first(int window) {
        return this == WHOLE_WINDOW ? 1 : window / 2 + 1;
    }
}
