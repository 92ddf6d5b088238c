package dev.salient.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.salient.format.Checkpoint;
import dev.salient.model.ModelWeights;
import java.io.IOException;
import java.nio.file.Path;

/** One of the formats that {@code export} writes. */
interface ExportTarget {
    /** The file or folder that is written. */
    Path out();

    /** Refuses what makes no sense, and what would replace something, before any work. */
    void check() throws IOException;

    /**
     * Writes, and says what became of what.
     *
     * @param json gets the same for machines
     */
    void write(Checkpoint checkpoint, Console console, ObjectNode json) throws IOException;

    /** What a program that opens {@link #out} alone is to find there. */
    default ModelWeights expected(ModelWeights weights) {
        return weights;
    }
}
