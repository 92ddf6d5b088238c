package dev.salient.kernel;

import dev.salient.packed.PackedWeight;
import java.util.List;

/**
 * The arithmetic of a transformer's forward pass on fp32 activations and packed weights.
 *
 * <p>Activations are row-major and tight: token t's row of n channels starts at {@code t * n}. An object is used by one
 * thread at a time and splits the work among its own.
 */
public sealed interface Kernels extends AutoCloseable permits Scalar, VectorKernels {
    /** The fastest kernels that this JVM runs; says on the log when those are only the scalar ones, which know F32 alone. */
    static Kernels best(int threads, Activations activations) {
        String obstacle = VectorSupport.findObstacle();
        if (obstacle == null) {
            return new VectorKernels(threads, activations);
        }
        System.getLogger("dev.salient")
                .log(System.Logger.Level.WARNING, "vector kernels are off, everything will be very slow: " + obstacle);
        return new Scalar();
    }

    /** The definition of all of it: slow, one thread. */
    static Kernels scalar() {
        return new Scalar();
    }

    /**
     * Multiplies every token's row with a weight: {@code y = x w^T}.
     *
     * @param x [tokens, in]
     * @param y [tokens, out], overwritten
     */
    default void multiply(PackedWeight weight, int tokens, float[] x, float[] y) {
        multiply(List.of(weight), tokens, x, List.of(y));
    }

    /**
     * Multiplies every token's row with several weights, which may share work on the activations.
     *
     * <p>A weight is recognized when it comes again: what was made of it is kept as long as this object is open.
     *
     * @param x [tokens, in]
     * @param ys [tokens, out] of each weight, overwritten
     */
    void multiply(List<PackedWeight> weights, int tokens, float[] x, List<float[]> ys);

    /**
     * Scales every token's row to mean square 1, then by the norm's gain.
     *
     * @param x [tokens, channels]
     * @param y [tokens, channels], overwritten; may be x
     */
    void normalize(RmsNorm norm, int tokens, float[] x, float[] y);

    /**
     * Rotates channel pairs (i, i + headSize / 2) of every head by the token's position.
     *
     * @param sequences whose tokens follow one another in x
     * @param x [tokens, heads * headSize], overwritten
     */
    void rotate(Rope rope, List<Positions> sequences, int heads, float[] x);

    /** An empty cache of keys and values in the layout that {@link #attend} reads fastest. */
    KvBlock newKvBlock(KvShape shape, CacheType type);

    /**
     * Causal attention of tokens of some sequences, each over the cached ones of its own up to itself, as the caches'
     * rule has it.
     *
     * @param caches one a sequence; it holds at least {@code end()} tokens
     * @param sequences whose tokens follow one another in query and mixed
     * @param query [tokens, heads * headSize], rotated
     * @param mixed [tokens, heads * headSize], overwritten: the values, averaged by attention
     */
    void attend(List<KvBlock> caches, List<Positions> sequences, float[] query, float[] mixed);

    /**
     * The gated activation of the MLP: {@code gate = activation(gate) * up}.
     *
     * @param gate [count], overwritten
     * @param up [count]
     */
    void gate(Gate activation, int count, float[] gate, float[] up);

    /**
     * Adds a row to every token's.
     *
     * @param row [channels], a bias
     * @param x [tokens, channels], overwritten
     */
    void addRow(float[] row, int tokens, float[] x);

    /**
     * Bounds numbers smoothly: {@code x = cap tanh(x / cap)}.
     *
     * @param cap above 0
     * @param x [count], overwritten
     */
    void cap(double cap, int count, float[] x);

    /**
     * Adds element by element.
     *
     * @param sum [count], overwritten
     * @param x [count]
     */
    void add(int count, float[] sum, float[] x);

    @Override
    void close();
}
