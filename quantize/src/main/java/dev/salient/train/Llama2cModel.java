package dev.salient.train;

import static java.nio.ByteOrder.LITTLE_ENDIAN;

import dev.salient.format.FormatException;
import dev.salient.model.BlockWeights;
import dev.salient.model.Linear;
import dev.salient.model.ModelConfig;
import dev.salient.model.ModelWeights;
import dev.salient.packed.Dense;
import dev.salient.packed.PackedWeight;
import dev.salient.tensor.Shape;
import dev.salient.tensor.Tensor;
import dev.salient.tokenizer.GgufVocabulary;
import dev.salient.tokenizer.Tokenizer;
import dev.salient.tokenizer.Tokenizers;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;

/**
 * A model in the first format of llama2.c: seven sizes, then fp32 weights, one kind after the other; and its vocabulary
 * in a file of its own. Only to let such a model write stories.
 */
record Llama2cModel(ModelWeights weights, Tokenizer tokenizer) {
    private static final String WEIGHTS = ".bin";
    private static final String VOCABULARY = "tok";
    private static final double NORM_EPSILON = 1e-5;
    private static final double ROPE_BASE = 10000;
    private static final int HEADER_BYTES = 7 * Integer.BYTES;
    /** SentencePiece's letter for a blank. */
    private static final char BLANK = '\u2581';

    private static final int FIRST_BYTE = 3;
    private static final int LAST_BYTE = 258;

    /** Whether a folder holds a model in this format: two files, {@code X.bin} and {@code tokN.bin}. */
    static boolean isIn(Path folder) throws IOException {
        return Files.isDirectory(folder)
                && files(folder, true).size() == 1
                && files(folder, false).size() == 1;
    }

    private static List<Path> files(Path folder, boolean vocabulary) throws IOException {
        try (var all = Files.list(folder)) {
            return all.filter(file -> file.toString().endsWith(WEIGHTS))
                    .filter(file -> String.valueOf(file.getFileName()).startsWith(VOCABULARY) == vocabulary)
                    .toList();
        }
    }

    /** Reads the model of a folder. */
    static Llama2cModel read(Path folder) throws IOException {
        Path file = files(folder, false).getFirst();
        ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(file)).order(LITTLE_ENDIAN);
        if (bytes.remaining() < HEADER_BYTES) {
            throw new FormatException("%s: got %d bytes, want at least %d", file, bytes.remaining(), HEADER_BYTES);
        }
        ModelConfig config = config(file, bytes);
        ModelWeights weights;
        try {
            weights = new Reader(config, bytes).read();
        } catch (java.nio.BufferUnderflowException e) {
            throw new FormatException("%s: got %d bytes, want more: the weights don't fit", file, bytes.capacity());
        }
        return new Llama2cModel(weights, tokenizer(files(folder, true).getFirst(), config.vocabSize()));
    }

    private static ModelConfig config(Path file, ByteBuffer bytes) throws FormatException {
        int hidden = bytes.getInt();
        int ffn = bytes.getInt();
        int blocks = bytes.getInt();
        int heads = bytes.getInt();
        int kvHeads = bytes.getInt();
        int vocab = bytes.getInt();
        int context = bytes.getInt();
        if (heads <= 0 || vocab <= 0 || hidden > 1 << 14 || vocab > 1 << 18) {
            throw new FormatException("%s: got %d heads, hidden %d, vocabulary %d", file, heads, hidden, vocab);
        }
        return new ModelConfig(
                hidden,
                ffn,
                blocks,
                heads,
                kvHeads,
                hidden / heads,
                vocab,
                context,
                ROPE_BASE,
                null,
                NORM_EPSILON,
                true);
    }

    /** Weights in the order of the file: all blocks of one kind, then the next kind. */
    private record Reader(ModelConfig config, ByteBuffer bytes) {
        ModelWeights read() {
            PackedWeight embedding = matrix(config.vocabSize(), config.hiddenSize());
            List<Tensor> attentionNorms = norms();
            List<Map<Linear, PackedWeight>> linears = new ArrayList<>();
            for (int b = 0; b < config.blockCount(); b++) {
                linears.add(new EnumMap<>(Linear.class));
            }
            for (Linear linear : List.of(Linear.Q, Linear.K, Linear.V, Linear.O)) {
                linears.forEach(block -> block.put(linear, linear(linear)));
            }
            List<Tensor> mlpNorms = norms();
            for (Linear linear : List.of(Linear.GATE, Linear.DOWN, Linear.UP)) {
                linears.forEach(block -> block.put(linear, linear(linear)));
            }
            List<BlockWeights> blocks = new ArrayList<>();
            for (int b = 0; b < config.blockCount(); b++) {
                blocks.add(new BlockWeights(attentionNorms.get(b), mlpNorms.get(b), linears.get(b)));
            }
            return new ModelWeights(config, embedding, blocks, norm(), embedding);
        }

        private List<Tensor> norms() {
            List<Tensor> norms = new ArrayList<>();
            for (int b = 0; b < config.blockCount(); b++) {
                norms.add(norm());
            }
            return norms;
        }

        private Tensor norm() {
            return Tensor.ofFloats(Shape.of(config.hiddenSize()), floats(config.hiddenSize()));
        }

        private PackedWeight linear(Linear linear) {
            int out = linear.out(config);
            int in = linear.in(config);
            float[] values = floats(out * in);
            if (linear == Linear.Q || linear == Linear.K) {
                values = halves(values, out, in);
            }
            return new Dense(Tensor.ofFloats(Shape.of(out, in), values));
        }

        /** Rows of each head from turned pairs, (0, 1), (2, 3) ..., to turned halves, as we store them. */
        private float[] halves(float[] values, int out, int in) {
            int size = config.headSize();
            float[] ordered = new float[values.length];
            for (int row = 0; row < out; row++) {
                int within = row % size;
                int to = row - within + within / 2 + (within % 2) * (size / 2);
                System.arraycopy(values, row * in, ordered, to * in, in);
            }
            return ordered;
        }

        private PackedWeight matrix(int out, int in) {
            return new Dense(Tensor.ofFloats(Shape.of(out, in), floats(out * in)));
        }

        private float[] floats(int count) {
            float[] values = new float[count];
            bytes.asFloatBuffer().get(values);
            bytes.position(bytes.position() + count * Float.BYTES);
            return values;
        }
    }

    /** A SentencePiece vocabulary: its longest token, then score, length and text of each. */
    private static Tokenizer tokenizer(Path file, int vocabSize) throws IOException {
        ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(file)).order(LITTLE_ENDIAN);
        List<String> tokens = new ArrayList<>();
        List<Float> scores = new ArrayList<>();
        List<Integer> types = new ArrayList<>();
        try {
            bytes.getInt();
            for (int id = 0; id < vocabSize; id++) {
                scores.add(bytes.getFloat());
                byte[] text = new byte[bytes.getInt()];
                bytes.get(text);
                String token = new String(text, StandardCharsets.UTF_8);
                tokens.add(id < FIRST_BYTE ? token.strip() : token.replace(' ', BLANK));
                types.add(id == 0 ? 2 : id < FIRST_BYTE ? 3 : id <= LAST_BYTE ? 6 : 1);
            }
        } catch (java.nio.BufferUnderflowException | NegativeArraySizeException e) {
            throw new FormatException("%s: got %d bytes, want %d tokens", file, bytes.capacity(), vocabSize);
        }
        return Tokenizers.fromGguf(new GgufVocabulary(
                "llama",
                "",
                tokens,
                scores,
                types,
                List.of(),
                OptionalInt.of(1),
                OptionalInt.of(2),
                OptionalInt.of(0),
                true,
                true));
    }
}
