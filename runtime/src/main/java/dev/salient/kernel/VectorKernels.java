package dev.salient.kernel;

import dev.salient.packed.LowRank;
import dev.salient.packed.PackedWeight;
import dev.salient.packed.Reordered;
import dev.salient.packed.ScaleMixture;
import java.util.IdentityHashMap;
import java.util.List;

/**
 * The fast twins of {@link Scalar}: fp32 sums in vector registers, work split among a team of threads.
 *
 * <p>A weight with codes is rearranged once, when it is first used ({@link Strips}). A product with few tokens unpacks each
 * code into a register and uses it at once; a product with many unpacks a panel of rows into a small buffer first. No
 * result depends on the number of threads.
 */
final class VectorKernels implements Kernels {
    /** Channels that one item of elementwise work has at least. */
    private static final int MIN_CHANNELS = 8192;

    /** Tokens that panels pay for where rows of codebooks would be looked up. */
    private static final int LOOKED_UP_TOKENS = 8;

    /** Groups of attention rows that one thread brings together faster than several. */
    private static final int SMALL_FINISH = 16;

    /** Tokens that panels pay for. */
    private final int panelTokens;

    private final Team team;
    private final IdentityHashMap<PackedWeight, Prepared> prepared = new IdentityHashMap<>();
    private final TokenProduct few;
    private final Team.Work fillTables;
    private final Panel[] panels;
    private final VectorAttention[] attentions;
    private final TokenScales.Tokens scaledTokens = new TokenScales.Tokens();
    private float[] attentionStates = new float[0];
    private float[] inner = new float[0];
    private float[] adapted = new float[0];
    private float[] reordered = new float[0];

    VectorKernels(int threads, Activations activations) {
        team = new Team(threads);
        few = new TokenProduct(activations, threads);
        fillTables = few::fillTables;
        panelTokens = activations == Activations.F32 ? MicroKernel.ROWS : activations.mostTokens() + 1;
        panels = new Panel[threads];
        attentions = new VectorAttention[threads];
        for (int i = 0; i < threads; i++) {
            panels[i] = new Panel();
            attentions[i] = new VectorAttention();
        }
    }

    @Override
    public void multiply(List<PackedWeight> weights, int tokens, float[] x, List<float[]> ys) {
        if (tokens >= panelTokens || hasAnyInputOfItsOwn(weights)) {
            for (int i = 0; i < weights.size(); i++) {
                multiply(prepare(weights.get(i)), tokens, x, ys.get(i));
            }
            return;
        }
        few.begin(tokens, weights.getFirst().in(), x);
        for (int i = 0; i < weights.size(); i++) {
            few.add(prepare(weights.get(i)), ys.get(i));
        }
        runFew();
    }

    /** Whether any weight is multiplied with something else than x itself. */
    private static boolean hasAnyInputOfItsOwn(List<PackedWeight> weights) {
        for (int i = 0; i < weights.size(); i++) {
            PackedWeight weight = weights.get(i);
            PackedWeight base = weight instanceof LowRank sum ? sum.base() : weight;
            if (base instanceof Reordered || base instanceof ScaleMixture) {
                return true;
            }
        }
        return false;
    }

    private void multiply(Prepared weight, int tokens, float[] x, float[] y) {
        TokenScales scales = weight.scales();
        if (scales != null) {
            multiplyScaled(weight, scales, tokens, x, y);
            return;
        }
        Reordered order = weight.order();
        float[] columns = order == null ? x : columns(order, tokens, x);
        Codebooks codebooks = weight.codebooks();
        boolean looksUp = codebooks != null && codebooks.usesTables() && tokens < LOOKED_UP_TOKENS;
        if (tokens >= panelTokens && !looksUp) {
            multiplyMany(weight, tokens, columns, y);
            return;
        }
        multiplyFew(weight, tokens, columns, y);
    }

    /** Signs whose scales follow the token: the adapter sees tokens as they are, the signs see them scaled. */
    private void multiplyScaled(Prepared weight, TokenScales scales, int tokens, float[] x, float[] y) {
        scaledTokens.begin(scales, tokens, x);
        forEachToken(tokens, weight.in(), scaledTokens::enter);
        multiplyAny(weight.bare(), tokens, scaledTokens.scaled(), y);
        forEachToken(tokens, weight.out(), t -> scaledTokens.leave(t, y));
        addAdapter(weight, tokens, x, y);
    }

    private void multiplyAny(Prepared bare, int tokens, float[] x, float[] y) {
        if (tokens >= panelTokens) {
            multiplyPanels(bare, tokens, x, y);
        } else {
            multiplyFew(bare, tokens, x, y);
        }
    }

    private void multiplyFew(Prepared weight, int tokens, float[] x, float[] y) {
        few.begin(tokens, weight.in(), x);
        few.add(weight, y);
        runFew();
    }

    private void runFew() {
        int tables = few.tableItems();
        if (tables > 0) {
            team.run(tables, fillTables);
        }
        few.run(team);
    }

    /** Every token's channels in the order in which a weight's columns are stored. */
    private float[] columns(Reordered order, int tokens, float[] x) {
        int count = tokens * order.in();
        if (reordered.length < count) {
            reordered = new float[count];
        }
        for (int at = 0; at < count; at += order.in()) {
            order.toColumns(x, reordered, at);
        }
        return reordered;
    }

    private Prepared prepare(PackedWeight weight) {
        Prepared known = prepared.get(weight);
        if (known == null) {
            known = Prepared.of(weight, team);
            prepared.put(weight, known);
        }
        return known;
    }

    private void multiplyMany(Prepared weight, int tokens, float[] x, float[] y) {
        multiplyPanels(weight, tokens, x, y);
        addAdapter(weight, tokens, x, y);
    }

    private void addAdapter(Prepared weight, int tokens, float[] x, float[] y) {
        Adapter adapter = weight.adapter();
        if (adapter == null) {
            return;
        }
        if (inner.length < tokens * adapter.rank()) {
            inner = new float[tokens * adapter.rank()];
        }
        int count = tokens * weight.out();
        if (adapted.length < count) {
            adapted = new float[count];
        }
        multiplyAny(Prepared.of(adapter.a()), tokens, x, inner);
        multiplyAny(Prepared.of(adapter.b()), tokens, inner, adapted);
        Elementwise.addScaled(y, adapted, adapter.scaling(), count);
        adapter.stretch(tokens, weight.out(), y);
    }

    private void multiplyPanels(Prepared weight, int tokens, float[] x, float[] y) {
        Panel.Tokens all = new Panel.Tokens(tokens, x, y);
        team.run(
                ceilDiv(weight.out(), Panel.ROWS),
                (item, member) -> panels[member].multiply(weight, item * Panel.ROWS, all));
    }

    private static int ceilDiv(int a, int b) {
        return (a + b - 1) / b;
    }

    @Override
    public void normalize(RmsNorm norm, int tokens, float[] x, float[] y) {
        forEachToken(tokens, norm.channels(), t -> Elementwise.normalize(norm, x, y, t * norm.channels()));
    }

    @Override
    public void rotate(Rope rope, List<Positions> sequences, int heads, float[] x) {
        int[] places = Positions.places(sequences);
        for (Positions positions : sequences) {
            rope.reach(positions.end());
        }
        int headSize = 2 * rope.pairs();
        forEachToken(places.length, heads * headSize, t -> {
            for (int head = 0; head < heads; head++) {
                Elementwise.rotate(rope, places[t], x, (t * heads + head) * headSize);
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
    public KvBlock newKvBlock(KvShape shape, CacheType type) {
        return new KvBlock(shape, type, MicroKernel.WIDTH);
    }

    @Override
    public void attend(List<KvBlock> caches, List<Positions> sequences, float[] query, float[] mixed) {
        AttentionBatch batch = new AttentionBatch(caches, sequences, query, mixed);
        if (attentionStates.length < batch.stateSize()) {
            attentionStates = new float[batch.stateSize() + batch.stateSize() / 2];
        }
        float[] states = attentionStates;
        // items are taken from the last: the longest rows first
        team.run(batch.items(), (item, member) -> batch.attend(item, attentions[member], states));
        if (batch.groups() <= SMALL_FINISH) { // a few vectors: handing them over takes longer
            for (int group = 0; group < batch.groups(); group++) {
                batch.finish(group, states);
            }
        } else {
            team.run(batch.groups(), (group, member) -> batch.finish(group, states));
        }
    }

    @Override
    public void gate(Gate activation, int count, float[] gate, float[] up) {
        team.run(
                ceilDiv(count, MIN_CHANNELS),
                (item, member) -> Elementwise.gate(
                        activation, gate, up, item * MIN_CHANNELS, Math.min(count, (item + 1) * MIN_CHANNELS)));
    }

    @Override
    public void addRow(float[] row, int tokens, float[] x) {
        forEachToken(tokens, row.length, t -> Elementwise.addRow(row, x, t * row.length));
    }

    @Override
    public void cap(double cap, int count, float[] x) {
        team.run(
                ceilDiv(count, MIN_CHANNELS),
                (item, member) -> Elementwise.cap(
                        (float) cap, x, item * MIN_CHANNELS, Math.min(count, (item + 1) * MIN_CHANNELS)));
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
