package dev.salient.generate;

import java.util.List;

/** Watches a stream of text for stop strings, and holds back what may be the beginning of one. */
final class StopStrings {
    private final List<String> stops;
    private final StringBuilder held = new StringBuilder();
    private boolean found;

    StopStrings(List<String> stops) {
        this.stops = stops;
    }

    /** Whether a stop string has come. */
    boolean found() {
        return found;
    }

    /** Takes more text; what of all text so far can be given out now. */
    String add(String text) {
        held.append(text);
        int end = firstStop();
        if (end >= 0) {
            found = true;
            held.setLength(end);
            return finish();
        }
        int free = held.length() - possibleStart();
        String given = held.substring(0, free);
        held.delete(0, free);
        return given;
    }

    /** What is held back still: nothing more will come. */
    String finish() {
        String given = held.toString();
        held.setLength(0);
        return given;
    }

    private int firstStop() {
        int first = -1;
        for (String stop : stops) {
            int at = held.indexOf(stop);
            if (at >= 0 && (first < 0 || at < first)) {
                first = at;
            }
        }
        return first;
    }

    /** The length of the longest end of the text that a stop string begins with. */
    private int possibleStart() {
        int longest = 0;
        for (String stop : stops) {
            for (int n = Math.min(stop.length() - 1, held.length()); n > longest; n--) {
                if (stop.startsWith(held.substring(held.length() - n))) {
                    longest = n;
                }
            }
        }
        return longest;
    }
}
