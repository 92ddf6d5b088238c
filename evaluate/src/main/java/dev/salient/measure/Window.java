package dev.salient.measure;

/** One window of a text: what a model is fed, and which of its tokens count. */
final class Window {
    private final int[] ids;
    private final int first;
    private final int[] seen;

    /**
     * A window.
     *
     * @param first position of the first token that counts
     * @param leading tokens that go before its own, or in place of its first
     */
    Window(int[] ids, int first, int[] leading, Scoring scoring) {
        this.ids = ids;
        this.first = Math.min(first, ids.length - 1);
        this.seen = seen(ids, leading, scoring);
    }

    private static int[] seen(int[] ids, int[] leading, Scoring scoring) {
        int shift = scoring == Scoring.WHOLE_WINDOW ? leading.length : 0;
        int[] seen = new int[ids.length - 1 + shift];
        System.arraycopy(ids, 0, seen, shift, ids.length - 1);
        System.arraycopy(leading, 0, seen, 0, leading.length);
        return seen;
    }

    int length() {
        return ids.length;
    }

    /** The position of the first token that counts. */
    int first() {
        return first;
    }

    /** Tokens that count: all from {@link #first} on. */
    int counted() {
        return ids.length - first;
    }

    /** What a model sees: all but the last token, the leading token where it belongs. */
    int[] seen() {
        return seen.clone();
    }

    /** Which counted token the logits after a seen one predict, from 0; negative where that token doesn't count. */
    int countedAfter(int position) {
        return position - (seen.length - counted());
    }

    /** The id of a counted token. */
    int countedId(int index) {
        return ids[first + index];
    }

    /** The window's tokens, the reader's own. */
    int[] ids() {
        return ids.clone();
    }
}
