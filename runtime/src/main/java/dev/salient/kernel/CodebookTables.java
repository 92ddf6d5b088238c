package dev.salient.kernel;

import static dev.salient.kernel.MicroKernel.WIDTH;

/**
 * One token's activations as tables for a weight of codebooks: for each group of channels its product with every vector. A row is then
 * a sum of numbers that are looked up, one for each code.
 */
final class CodebookTables {
    /** Vectors of a codebook. */
    static final int ENTRIES = 256;

    /** Groups of an item of work. */
    private static final int ITEM = 16;

    /** [groups, count, 256]. */
    float[] products = new float[0];

    /** In how many items the tables of a weight are filled. */
    static int items(Codebooks weight) {
        return (weight.groups() + ITEM - 1) / ITEM;
    }

    /** Makes room for a weight's tables and says in how many items they are filled. */
    int begin(Codebooks weight) {
        int size = Math.multiplyExact(weight.rowCodes(), ENTRIES);
        if (products.length < size) {
            products = new float[size];
        }
        return items(weight);
    }

    /**
     * Fills the tables of some groups.
     *
     * @param x [in] from {@code xAt}
     */
    void fill(Codebooks weight, int item, MicroKernel kernel, float[] x, int xAt) {
        int size = weight.groupSize();
        int stride = weight.count() * ENTRIES;
        kernel.depth = size;
        kernel.a = x;
        kernel.aStride = size;
        kernel.b = weight.panels();
        kernel.c = products;
        kernel.cStride = stride;
        int last = weight.groups() - MicroKernel.ROWS;
        int end = Math.min(weight.groups(), (item + 1) * ITEM);
        for (int g = item * ITEM; g < end; g += MicroKernel.ROWS) {
            int group = Math.min(g, last); // the last ones overlap their neighbours and write the same numbers again
            kernel.aAt = xAt + group * size;
            for (int entry = 0; entry < stride; entry += WIDTH) {
                kernel.bAt = entry * size;
                kernel.cAt = group * stride + entry;
                kernel.run();
            }
        }
    }

    /** All vectors of a weight in panels of the micro-kernel: [count * 256 / WIDTH, groupSize, WIDTH]. */
    static float[] panels(Codebooks weight) {
        int size = weight.groupSize();
        float[] panels = new float[Math.multiplyExact(weight.count() * ENTRIES, size)];
        for (int v = 0; v < weight.count() * ENTRIES; v++) {
            float[] vectors = weight.floats(v / ENTRIES);
            for (int k = 0; k < size; k++) {
                panels[(v / WIDTH * size + k) * WIDTH + v % WIDTH] = vectors[Codebooks.SLACK + v % ENTRIES * size + k];
            }
        }
        return panels;
    }
}
