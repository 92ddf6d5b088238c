package dev.salient.quantizer;

import java.util.Arrays;
import java.util.stream.IntStream;

/**
 * AQLM's search for codes (arXiv 2401.06118, section 3.2): codebooks stay, and each row's codes go where
 *
 * <pre>
 * e^T H e,   e = what the codes stand for - the original row,   H = X^T X
 * </pre>
 *
 * is least, as far as a beam search finds that. It goes through a row's codes in order; each of the assignments in the beam is tried
 * with every vector at that place, and the best few become the next beam. Since no place is met twice, none is in it twice.
 */
final class BeamSearch {
    private final AdditiveCodes codes;
    private final int width;
    private final float[] h;
    /** Of each codebook, [size, entries]. */
    private final float[][] transposed;
    /** c^T H_gg c of each group and vector, [groups, count, entries]. */
    private final float[] squares;

    private BeamSearch(AdditiveCodes codes, float[] h, int width) {
        this.codes = codes;
        this.h = h;
        this.width = width;
        int count = codes.grid.count();
        transposed = new float[count][];
        for (int m = 0; m < count; m++) {
            transposed[m] = ResidualKMeans.transposed(codes, m);
        }
        squares = new float[codes.groups() * count * codes.grid.entries()];
        IntStream.range(0, codes.groups()).parallel().forEach(this::fillSquares);
    }

    private void fillSquares(int group) {
        int size = codes.grid.groupSize();
        for (int m = 0; m < codes.grid.count(); m++) {
            for (int k = 0; k < codes.grid.entries(); k++) {
                int vector = codes.vector(m, k);
                double sum = 0;
                for (int i = 0; i < size; i++) {
                    double inner = 0;
                    for (int j = 0; j < size; j++) {
                        inner += (double) block(group, i, j) * codes.vectors[vector + j];
                    }
                    sum += inner * codes.vectors[vector + i];
                }
                squares[squaresAt(group, m) + k] = (float) sum;
            }
        }
    }

    private int squaresAt(int group, int m) {
        return (group * codes.grid.count() + m) * codes.grid.entries();
    }

    private float block(int group, int i, int j) {
        int first = group * codes.grid.groupSize();
        return h[(first + i) * codes.in + first + j];
    }

    /**
     * One pass over all codes.
     *
     * @param codes overwritten
     * @param h H, [in, in]
     * @param pull H e of each row, [out, in]
     */
    static void improve(AdditiveCodes codes, float[] h, float[] pull, int width) {
        BeamSearch search = new BeamSearch(codes, h, width);
        IntStream.range(0, codes.out).parallel().forEach(row -> search.new Row(row, pull).run());
    }

    /** One assignment of a row's codes. */
    private static final class Assignment {
        final int[] codes;
        /** H e. */
        final float[] pull;
        /** e^T H e, less what it was before the pass. */
        double loss;

        Assignment(int codes, int in) {
            this.codes = new int[codes];
            this.pull = new float[in];
        }

        void copyFrom(Assignment other) {
            System.arraycopy(other.codes, 0, codes, 0, codes.length);
            System.arraycopy(other.pull, 0, pull, 0, pull.length);
            loss = other.loss;
        }
    }

    private final class Row {
        private final int row;
        private final float scale;
        private final int places = codes.groups() * codes.grid.count();
        private Assignment[] beam = assignments();
        private Assignment[] next = assignments();
        private int used = 1;
        private final float[] losses = new float[codes.grid.entries()];
        private final Best best = new Best(width);

        Row(int row, float[] pull) {
            this.row = row;
            this.scale = codes.scales[row];
            System.arraycopy(codes.codes, row * places, beam[0].codes, 0, places);
            System.arraycopy(pull, row * codes.in, beam[0].pull, 0, codes.in);
        }

        private Assignment[] assignments() {
            return IntStream.range(0, width)
                    .mapToObj(n -> new Assignment(places, codes.in))
                    .toArray(Assignment[]::new);
        }

        void run() {
            for (int group = 0; group < codes.groups(); group++) {
                for (int m = 0; m < codes.grid.count(); m++) {
                    extend(group, m);
                }
            }
            System.arraycopy(beam[0].codes, 0, codes.codes, row * places, places); // the best comes first
        }

        private void extend(int group, int m) {
            int place = group * codes.grid.count() + m;
            best.clear();
            for (int b = 0; b < used; b++) {
                int present = beam[b].codes[place];
                tryAll(beam[b], group, m);
                double without = beam[b].loss - losses[present];
                for (int k = 0; k < losses.length; k++) {
                    if (without + losses[k] < best.limit) {
                        best.add(without + losses[k], b, k);
                    }
                }
            }
            for (int n = 0; n < best.count; n++) {
                next[n].copyFrom(beam[best.parents[n]]);
                int present = next[n].codes[place];
                if (present != best.codes[n]) {
                    move(next[n], group, codes.vector(m, present), codes.vector(m, best.codes[n]));
                    next[n].codes[place] = best.codes[n];
                    next[n].loss = best.losses[n];
                }
            }
            used = best.count;
            Assignment[] swap = beam;
            beam = next;
            next = swap;
        }

        /** Losses of an assignment with each vector at a place, but for what is the same for all. */
        private void tryAll(Assignment assignment, int group, int m) {
            int size = codes.grid.groupSize();
            int entries = losses.length;
            int present = codes.vector(m, assignment.codes[group * codes.grid.count() + m]);
            int squaresAt = squaresAt(group, m);
            for (int k = 0; k < entries; k++) {
                losses[k] = scale * scale * squares[squaresAt + k];
            }
            for (int i = 0; i < size; i++) {
                float pull = assignment.pull[group * size + i]; // of the row without the present vector:
                for (int j = 0; j < size; j++) {
                    pull -= scale * block(group, i, j) * codes.vectors[present + j];
                }
                addTimes(losses, 2 * scale * pull, transposed[m], i * entries);
            }
        }

        private void move(Assignment assignment, int group, int from, int to) {
            int size = codes.grid.groupSize();
            for (int i = 0; i < size; i++) {
                float off = scale * (codes.vectors[to + i] - codes.vectors[from + i]);
                addTimes(assignment.pull, off, h, (group * size + i) * codes.in); // H is symmetric
            }
        }
    }

    private static void addTimes(float[] sums, float factor, float[] values, int from) {
        for (int k = 0; k < sums.length; k++) {
            sums[k] += factor * values[from + k];
        }
    }

    /** The least few of many losses, least first. */
    private static final class Best {
        final double[] losses;
        final int[] parents;
        final int[] codes;
        int count;
        /** A loss has to be below. */
        double limit;

        Best(int width) {
            losses = new double[width];
            parents = new int[width];
            codes = new int[width];
        }

        void clear() {
            count = 0;
            limit = Double.POSITIVE_INFINITY;
            Arrays.fill(losses, limit);
        }

        void add(double loss, int parent, int code) {
            int at = Math.min(count, losses.length - 1);
            for (; at > 0 && losses[at - 1] > loss; at--) {
                losses[at] = losses[at - 1];
                parents[at] = parents[at - 1];
                codes[at] = codes[at - 1];
            }
            losses[at] = loss;
            parents[at] = parent;
            codes[at] = code;
            count = Math.min(count + 1, losses.length);
            limit = losses[losses.length - 1];
        }
    }
}
