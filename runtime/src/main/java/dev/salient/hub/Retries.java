package dev.salient.hub;

import java.time.Duration;

/** How often the same thing is tried, and the pauses between: each twice as long, or as long as the hub asks for. */
final class Retries {
    static final int TRIES = 5;

    private static final Duration FIRST_PAUSE = Duration.ofSeconds(1);
    private static final Duration LONGEST_PAUSE = Duration.ofMinutes(10);

    private final String place;
    private final HubSettings.Pauses pauses;
    private final PullListener listener;
    private int failures;

    /** @param place begins every message */
    Retries(String place, HubSettings.Pauses pauses, PullListener listener) {
        this.place = place;
        this.pauses = pauses;
        this.listener = listener;
    }

    /** The last try brought something: the next failure is a first one again. */
    void reset() {
        failures = 0;
    }

    /**
     * Pauses after a failure.
     *
     * @throws HubException where there were too many in a row
     */
    void pauseAfter(TransientException failure) throws HubException, InterruptedException {
        failures++;
        if (failures >= TRIES) {
            throw HubException.unreachable(
                    "%s: %s; gave up after %d tries".formatted(place, failure.getMessage(), TRIES),
                    "try again later: what has come is kept; HF_HUB_OFFLINE=1 uses what is complete");
        }
        Duration pause = failure.findWait();
        if (pause == null) {
            pause = FIRST_PAUSE.multipliedBy(1L << (failures - 1));
        } else if (pause.compareTo(LONGEST_PAUSE) > 0) {
            throw HubException.unreachable(
                    "%s: %s and asks to wait %d minutes".formatted(place, failure.getMessage(), pause.toMinutes()),
                    "try again then: what has come is kept");
        }
        listener.onNote("%s: %s; again in %d s".formatted(place, failure.getMessage(), pause.toSeconds()));
        pauses.pause(pause);
    }
}
