package dev.salient.hub;

/** Hears how a pull goes on; its methods are called from several threads. */
public interface PullListener {
    /**
     * What is to be fetched is known.
     *
     * @param bytes of all files that are not here yet
     * @param here bytes of them that an earlier pull left
     */
    void onStart(long bytes, long here);

    /** More bytes have come; fewer than none where a file begins again. */
    void onBytes(long bytes);

    /** Something to know: a wait, a choice that was made. */
    void onNote(String line);
}
