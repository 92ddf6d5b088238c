package dev.salient.pipeline;

/** Hears what a run does. Events come from the run's own thread. */
public interface RunListener {
    /** The plan, before anything long begins. */
    void planned(Plan plan);

    /**
     * A long part begins.
     *
     * @param part in the user's words: {@code saliency}
     * @param steps in all
     */
    void began(String part, long steps);

    /** So many steps of the present part are done in all. */
    void reached(long steps);

    /** Something worth a line. */
    void note(String line);
}
