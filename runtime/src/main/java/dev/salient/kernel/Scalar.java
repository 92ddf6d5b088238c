package dev.salient.kernel;

import dev.salient.packed.Dense;
import dev.salient.packed.LowRank;
import dev.salient.packed.PackedWeight;
import dev.salient.packed.ScaleMixture;
import dev.salient.tensor.Tensor;
import java.util.Arrays;
import java.util.List;

/** The definition of every kernel: plain loops, sums in double, one thread. */
final class Scalar implements Kernels {
    @Override
    public void multiply(List<PackedWeight> weights, int tokens, float[] x, List<float[]> ys) {
        for (int i = 0; i < weights.size(); i++) {
            multiply(weights.get(i), tokens, x, ys.get(i));
        }
    }

    @Override
    public void multiply(PackedWeight weight, int tokens, float[] x, float[] y) {
        if (weight instanceof ScaleMixture mixture) {
            multiply(mixture, tokens, x, y);
            return;
        }
        if (weight instanceof LowRank sum && sum.base() instanceof ScaleMixture mixture) {
            multiply(mixture, tokens, x, y);
            addAdapter(sum, tokens, x, y);
            return;
        }
        int in = weight.in();
        int out = weight.out();
        float[] row = new float[in];
        for (int o = 0; o < out; o++) {
            weight.decodeRow(o, row, 0);
            for (int t = 0; t < tokens; t++) {
                double sum = 0;
                for (int i = 0; i < in; i++) {
                    sum += (double) row[i] * x[t * in + i];
                }
                y[t * out + o] = (float) sum;
            }
        }
    }

    /** {@code r = softmax(x R^T), y = ((x * (r S_in)) B^T) * (r S_out)}. */
    private static void multiply(ScaleMixture weight, int tokens, float[] x, float[] y) {
        int in = weight.in();
        int out = weight.out();
        for (int t = 0; t < tokens; t++) {
            double[] shares = shares(weight.router(), x, t * in);
            double[] scaled = new double[in];
            for (int i = 0; i < in; i++) {
                scaled[i] = x[t * in + i] * mixed(weight.inScales(), shares, i);
            }
            for (int o = 0; o < out; o++) {
                double sum = 0;
                for (int i = 0; i < in; i++) {
                    sum += weight.sign(o, i) * scaled[i];
                }
                y[t * out + o] = (float) (sum * mixed(weight.outScales(), shares, o));
            }
        }
    }

    /** {@code softmax(x R^T)} of the token that starts at {@code at}. */
    private static double[] shares(Tensor router, float[] x, int at) {
        int in = router.shape().dimension(1);
        double[] shares = new double[router.shape().dimension(0)];
        for (int expert = 0; expert < shares.length; expert++) {
            for (int i = 0; i < in; i++) {
                shares[expert] += (double) router.get((long) expert * in + i) * x[at + i];
            }
        }
        double largest = Arrays.stream(shares).max().orElse(0);
        double total = 0;
        for (int expert = 0; expert < shares.length; expert++) {
            shares[expert] = Math.exp(shares[expert] - largest);
            total += shares[expert];
        }
        for (int expert = 0; expert < shares.length; expert++) {
            shares[expert] /= total;
        }
        return shares;
    }

    /** {@code (r S)} of a channel. */
    private static double mixed(Tensor scales, double[] shares, int channel) {
        double sum = 0;
        for (int expert = 0; expert < shares.length; expert++) {
            sum += shares[expert] * scales.get((long) expert * scales.shape().dimension(1) + channel);
        }
        return sum;
    }

    private void addAdapter(LowRank adapted, int tokens, float[] x, float[] y) {
        float[] inner = new float[tokens * adapted.rank()];
        float[] outer = new float[tokens * adapted.out()];
        multiply(new Dense(adapted.a()), tokens, x, inner);
        multiply(new Dense(adapted.b()), tokens, inner, outer);
        for (int i = 0; i < outer.length; i++) {
            y[i] += adapted.scaling() * outer[i];
        }
    }

    @Override
    public void normalize(RmsNorm norm, int tokens, float[] x, float[] y) {
        int channels = norm.channels();
        for (int at = 0; at < tokens * channels; at += channels) {
            double squares = 0;
            for (int i = 0; i < channels; i++) {
                squares += (double) x[at + i] * x[at + i];
            }
            double factor = 1 / Math.sqrt(squares / channels + norm.epsilon());
            for (int i = 0; i < channels; i++) {
                y[at + i] = (float) (norm.gain()[i] * (x[at + i] * factor));
            }
        }
    }

    @Override
    public void rotate(Rope rope, List<Positions> sequences, int heads, float[] x) {
        int pairs = rope.pairs();
        int at = 0;
        for (int position : Positions.places(sequences)) {
            rope.reach(position + 1);
            for (int head = 0; head < heads; head++, at += 2 * pairs) {
                for (int i = 0; i < pairs; i++) {
                    double cosine = rope.cosines()[position * pairs + i];
                    double sine = rope.sines()[position * pairs + i];
                    float first = x[at + i];
                    float second = x[at + pairs + i];
                    x[at + i] = (float) (first * cosine - second * sine);
                    x[at + pairs + i] = (float) (second * cosine + first * sine);
                }
            }
        }
    }

    @Override
    public KvBlock newKvBlock(KvShape shape, CacheType type) {
        return new KvBlock(shape, type, 1);
    }

    @Override
    public void attend(List<KvBlock> caches, List<Positions> sequences, float[] query, float[] mixed) {
        int row = 0;
        for (int s = 0; s < sequences.size(); s++) {
            attend(caches.get(s), sequences.get(s), row, query, mixed);
            row += sequences.get(s).count();
        }
    }

    /** One sequence, whose first token is at this row of query and mixed. */
    private static void attend(KvBlock cache, Positions positions, int row, float[] query, float[] mixed) {
        KvShape shape = cache.shape();
        for (int t = 0; t < positions.count(); t++) {
            for (int head = 0; head < shape.heads(); head++) {
                int at = ((row + t) * shape.heads() + head) * shape.headSize();
                int kvHead = head / shape.headsPerKv();
                float[] own = Arrays.copyOfRange(query, at, at + shape.headSize());
                double[] weights = attentionWeights(cache, kvHead, positions.first() + t + 1, own);
                for (int channel = 0; channel < shape.headSize(); channel++) {
                    double sum = 0;
                    for (int position = 0; position < weights.length; position++) {
                        sum += weights[position] * cache.value(kvHead, position, channel);
                    }
                    mixed[at + channel] = (float) sum;
                }
            }
        }
    }

    /** The softmax of one query's scores of the first keys. */
    private static double[] attentionWeights(KvBlock cache, int kvHead, int keys, float[] query) {
        int headSize = query.length;
        ScoreRule rule = cache.shape().rule();
        int first = rule.firstSeen(keys);
        double[] weights = new double[keys];
        double largest = Double.NEGATIVE_INFINITY;
        for (int position = first; position < keys; position++) {
            double sum = 0;
            for (int channel = 0; channel < headSize; channel++) {
                sum += (double) query[channel] * cache.key(kvHead, position, channel);
            }
            double score = sum * rule.scale();
            weights[position] = rule.cap() == 0 ? score : rule.cap() * Math.tanh(score / rule.cap());
            largest = Math.max(largest, weights[position]);
        }
        double total = 0;
        for (int position = first; position < keys; position++) {
            weights[position] = Math.exp(weights[position] - largest);
            total += weights[position];
        }
        for (int position = 0; position < keys; position++) {
            weights[position] /= total;
        }
        return weights;
    }

    @Override
    public void gate(Gate activation, int count, float[] gate, float[] up) {
        for (int i = 0; i < count; i++) {
            gate[i] = (float) (activation.of(gate[i]) * up[i]);
        }
    }

    @Override
    public void addRow(float[] row, int tokens, float[] x) {
        for (int i = 0; i < tokens * row.length; i++) {
            x[i] += row[i % row.length];
        }
    }

    @Override
    public void cap(double cap, int count, float[] x) {
        for (int i = 0; i < count; i++) {
            x[i] = (float) (cap * Math.tanh(x[i] / cap));
        }
    }

    @Override
    public void add(int count, float[] sum, float[] x) {
        for (int i = 0; i < count; i++) {
            sum[i] += x[i];
        }
    }

    @Override
    public void close() {}
}
