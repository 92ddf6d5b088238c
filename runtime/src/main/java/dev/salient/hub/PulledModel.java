package dev.salient.hub;

import java.nio.file.Path;
import java.util.List;

/**
 * A model that is in the cache.
 *
 * @param commit which it is of all its versions
 * @param folder with its files
 * @param files the chosen ones, below the folder
 * @param fetchedBytes that came over the network for it; 0 where all was here
 */
public record PulledModel(String commit, Path folder, List<Path> files, long fetchedBytes) {
    public PulledModel {
        files = List.copyOf(files);
    }

    /** What to open: the only chosen file where that is one, else the folder. */
    public Path source() {
        return files.size() == 1 ? files.getFirst() : folder;
    }
}
