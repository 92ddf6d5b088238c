package dev.salient.kernel;

import dev.salient.packed.Dense;
import dev.salient.packed.GroupAffine;
import dev.salient.packed.LowRank;
import dev.salient.packed.PackedWeight;
import dev.salient.packed.ScaledGroups;

/**
 * The fast twins of {@link Scalar}: fp32 sums in vector registers, work split among a team of threads.
 *
 * <p>A product with few tokens unpacks each code into a register and uses it at once; a product with many unpacks a
 * panel of rows into a small buffer first. No result depends on the number of threads.
 */
final class VectorKernels implements Kernels {
    /** Bytes of codes that a tile of rows holds at most. */
    private static final int TILE_BYTES = 8192;

    /** Channels that one item of elementwise work has at least. */
    private static final int MIN_CHANNELS = 8192;

    private final Team team;
    private final Tile[] tiles;
    private final Panel[] panels;
    private final VectorAttention[] attentions;
    private final Input input = new Input();
    private float[] inner = new float[0];
    private float[] adapted = new float[0];

    VectorKernels(int threads) {
        team = new Team(threads);
        tiles = new Tile[threads];
        panels = new Panel[threads];
        attentions = new VectorAttention[threads];
        for (int i = 0; i < threads; i++) {
            tiles[i] = new Tile();
            panels[i] = new Panel();
            attentions[i] = new VectorAttention();
        }
    }

    @Override
    public void multiply(PackedWeight weight, int tokens, float[] x, float[] y) {
        switch (weight) {
            case Dense dense -> multiplyPlain(dense, tokens, x, y);
            case GroupAffine affine -> multiplyPlain(affine, tokens, x, y);
            case ScaledGroups groups -> multiplyPlain(groups, tokens, x, y);
            case LowRank sum -> {
                multiplyPlain(sum.base(), tokens, x, y);
                addAdapter(sum, tokens, x, y);
            }
        }
    }

    /** The adapter's part, as two thin products: {@code y += scaling * (x a^T) b^T}. */
    private void addAdapter(LowRank sum, int tokens, float[] x, float[] y) {
        int count = tokens * sum.out();
        if (inner.length < tokens * sum.rank()) {
            inner = new float[tokens * sum.rank()];
        }
        if (adapted.length < count) {
            adapted = new float[count];
        }
        multiplyPlain(new Dense(sum.a()), tokens, x, inner);
        multiplyPlain(new Dense(sum.b()), tokens, inner, adapted);
        Elementwise.addScaled(y, adapted, sum.scaling(), count);
    }

    private void multiplyPlain(PackedWeight weight, int tokens, float[] x, float[] y) {
        if (tokens < MicroKernel.ROWS) {
            for (int t = 0; t < tokens; t++) {
                input.load(CodeLayout.of(weight), weight.in(), x, t * weight.in());
                multiplyToken(weight, y, t * weight.out());
            }
            return;
        }
        Panel.Tokens all = new Panel.Tokens(tokens, x, y);
        int items = ceilDiv(weight.out(), Panel.ROWS);
        team.run(items, (item, member) -> panels[member].multiply(weight, item * Panel.ROWS, all));
    }

    private void multiplyToken(PackedWeight weight, float[] y, int at) {
        int out = weight.out();
        int rowBytes = Math.toIntExact(Math.max(1, weight.storedBytes() / out));
        int fair = Math.max(1, ceilDiv(out, 4 * team.size()));
        int rows = Math.max(1, Math.min(TILE_BYTES / rowBytes, fair));
        team.run(ceilDiv(out, rows), (item, member) -> {
            int first = item * rows;
            Tile tile = tiles[member];
            tile.load(weight, first, Math.min(rows, out - first));
            FusedProduct.multiply(tile, input, y, at + first);
        });
    }

    private static int ceilDiv(int a, int b) {
        return (a + b - 1) / b;
    }

    @Override
    public void normalize(RmsNorm norm, int tokens, float[] x, float[] y) {
        forEachToken(tokens, norm.channels(), t -> Elementwise.normalize(norm, x, y, t * norm.channels()));
    }

    @Override
    public void rotate(Rope rope, Positions positions, int heads, float[] x) {
        rope.reach(positions.end());
        int headSize = 2 * rope.pairs();
        forEachToken(positions.count(), heads * headSize, t -> {
            for (int head = 0; head < heads; head++) {
                Elementwise.rotate(rope, positions.first() + t, x, (t * heads + head) * headSize);
            }
        });
    }

    /** Runs something once per token, several tokens to an item where they are small. */
    private void forEachToken(int tokens, int channels, java.util.function.IntConsumer work) {
        int perItem = Math.max(1, MIN_CHANNELS / channels);
        team.run(ceilDiv(tokens, perItem), (item, member) -> {
            for (int t = item * perItem; t < Math.min(tokens, (item + 1) * perItem); t++) {
                work.accept(t);
            }
        });
    }

    @Override
    public KvBlock newKvBlock(KvShape shape) {
        return new KvBlock(shape, MicroKernel.WIDTH);
    }

    @Override
    public void attend(KvBlock cache, Positions positions, float[] query, float[] mixed) {
        VectorAttention.Task task = new VectorAttention.Task(cache, positions, query, mixed);
        int kvHeads = cache.shape().kvHeads();
        int tilesPerHead = ceilDiv(VectorAttention.rowCount(cache.shape(), positions.count()), MicroKernel.ROWS);
        // items are taken from the last: the longest rows first
        team.run(
                kvHeads * tilesPerHead,
                (item, member) -> attentions[member].attend(task, item % kvHeads, item / kvHeads * MicroKernel.ROWS));
    }

    @Override
    public void gate(int count, float[] gate, float[] up) {
        team.run(
                ceilDiv(count, MIN_CHANNELS),
                (item, member) ->
                        Elementwise.gate(gate, up, item * MIN_CHANNELS, Math.min(count, (item + 1) * MIN_CHANNELS)));
    }

    @Override
    public void add(int count, float[] sum, float[] x) {
        team.run(
                ceilDiv(count, MIN_CHANNELS),
                (item, member) ->
                        Elementwise.add(sum, x, item * MIN_CHANNELS, Math.min(count, (item + 1) * MIN_CHANNELS)));
    }

    @Override
    public void close() {
        team.close();
    }
}
