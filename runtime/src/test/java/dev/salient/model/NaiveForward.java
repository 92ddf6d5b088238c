package dev.salient.model;

import dev.salient.packed.PackedWeight;
import dev.salient.tensor.Tensor;

/** A LLaMA forward pass written from the definition, in double, without cache or chunks: all tokens, every time. */
final class NaiveForward {
    private final ModelWeights weights;
    private final ModelConfig config;

    NaiveForward(ModelWeights weights) {
        this.weights = weights;
        this.config = weights.config();
    }

    /** The logits after every token, [tokens, vocab]. */
    double[][] logits(int[] tokens) {
        double[][] embedding = values(weights.embedding());
        double[][] hidden = new double[tokens.length][];
        for (int t = 0; t < tokens.length; t++) {
            hidden[t] = embedding[tokens[t]].clone();
        }
        IntactKv kept = weights.intact();
        int intact = 0;
        while (kept != null
                && intact < Math.min(tokens.length, kept.tokens().size())
                && tokens[intact] == kept.tokens().get(intact)) {
            intact++;
        }
        for (int b = 0; b < config.blockCount(); b++) {
            BlockWeights block = weights.blocks().get(b);
            addTo(hidden, attention(b, intact, normed(hidden, block.norm(Norm.ATTENTION))));
            double[][] x = normed(hidden, block.norm(Norm.MLP));
            double[][] gate = product(block.linear(Linear.GATE), x);
            double[][] up = product(block.linear(Linear.UP), x);
            for (int t = 0; t < gate.length; t++) {
                for (int i = 0; i < gate[t].length; i++) {
                    gate[t][i] *= up[t][i] / (1 + Math.exp(-gate[t][i]));
                }
            }
            addTo(hidden, product(block.linear(Linear.DOWN), gate));
        }
        return product(weights.head(), normed(hidden, weights.finalNorm()));
    }

    /** Attention in which the first tokens have the intact keys and values. */
    private double[][] attention(int index, int intact, double[][] x) {
        BlockWeights block = weights.blocks().get(index);
        double[][] query = rotated(product(block.linear(Linear.Q), x));
        double[][] key = rotated(product(block.linear(Linear.K), x));
        double[][] value = product(block.linear(Linear.V), x);
        int size = config.headSize();
        IntactKv kept = weights.intact();
        for (int t = 0; kept != null && t < intact; t++) {
            for (int c = 0; c < key[t].length; c++) {
                int at = (index * kept.tokens().size() + t) * key[t].length + c;
                key[t][c] = kept.keys().get(at);
                value[t][c] = kept.values().get(at);
            }
        }
        double[][] mixed = new double[x.length][config.headCount() * size];
        for (int t = 0; t < x.length; t++) {
            for (int head = 0; head < config.headCount(); head++) {
                int kv = head * config.kvHeadCount() / config.headCount();
                double[] share = new double[t + 1];
                double total = 0;
                for (int s = 0; s <= t; s++) {
                    double dot = 0;
                    for (int i = 0; i < size; i++) {
                        dot += query[t][head * size + i] * key[s][kv * size + i];
                    }
                    share[s] = Math.exp(dot / Math.sqrt(size));
                    total += share[s];
                }
                for (int s = 0; s <= t; s++) {
                    for (int i = 0; i < size; i++) {
                        mixed[t][head * size + i] += share[s] / total * value[s][kv * size + i];
                    }
                }
            }
        }
        return product(block.linear(Linear.O), mixed);
    }

    /** Hugging Face's rotation: channel i pairs with channel i + size / 2. */
    private double[][] rotated(double[][] x) {
        int size = config.headSize();
        double[][] y = new double[x.length][x[0].length];
        for (int t = 0; t < x.length; t++) {
            for (int c = 0; c < x[t].length; c++) {
                int i = c % size;
                double angle = t * config.ropeFrequencies()[i % (size / 2)];
                double partner = i < size / 2 ? -x[t][c + size / 2] : x[t][c - size / 2];
                y[t][c] = x[t][c] * Math.cos(angle) + partner * Math.sin(angle);
            }
        }
        return y;
    }

    private double[][] normed(double[][] x, Tensor gain) {
        double[][] y = new double[x.length][x[0].length];
        for (int t = 0; t < x.length; t++) {
            double squares = 0;
            for (double v : x[t]) {
                squares += v * v;
            }
            for (int i = 0; i < x[t].length; i++) {
                y[t][i] = gain.get(i) * x[t][i] / Math.sqrt(squares / x[t].length + config.normEpsilon());
            }
        }
        return y;
    }

    private static double[][] product(PackedWeight weight, double[][] x) {
        double[][] w = values(weight);
        double[][] y = new double[x.length][w.length];
        for (int t = 0; t < x.length; t++) {
            for (int o = 0; o < w.length; o++) {
                for (int i = 0; i < w[o].length; i++) {
                    y[t][o] += w[o][i] * x[t][i];
                }
            }
        }
        return y;
    }

    private static double[][] values(PackedWeight weight) {
        double[][] values = new double[weight.out()][weight.in()];
        float[] row = new float[weight.in()];
        for (int o = 0; o < weight.out(); o++) {
            weight.decodeRow(o, row, 0);
            for (int i = 0; i < row.length; i++) {
                values[o][i] = row[i];
            }
        }
        return values;
    }

    private static void addTo(double[][] sum, double[][] x) {
        for (int t = 0; t < sum.length; t++) {
            for (int i = 0; i < sum[t].length; i++) {
                sum[t][i] += x[t][i];
            }
        }
    }
}
