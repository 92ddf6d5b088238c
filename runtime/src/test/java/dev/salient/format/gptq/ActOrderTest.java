package dev.salient.format.gptq;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.salient.format.Checkpoint;
import dev.salient.format.Checkpoints;
import dev.salient.format.gptq.RandomModel.Grid;
import dev.salient.format.hf.HfNames;
import dev.salient.format.json.JsonFiles;
import dev.salient.format.safetensors.SafetensorsFile;
import dev.salient.format.safetensors.SafetensorsWriter;
import dev.salient.format.safetensors.SafetensorsWriter.Payload;
import dev.salient.model.BlockWeights;
import dev.salient.model.LanguageModel.KvCache;
import dev.salient.model.Linear;
import dev.salient.model.LinearId;
import dev.salient.model.ModelWeights;
import dev.salient.model.PackedLanguageModel;
import dev.salient.packed.Dense;
import dev.salient.packed.PackedWeight;
import dev.salient.packed.Reordered;
import dev.salient.tensor.DType;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** GPTQ folders whose groups are of channels that do not lie beside each other. */
class ActOrderTest {
    private static final int GROUP = 32;

    @TempDir
    Path temporary;

    private final Map<String, int[]> orders = new HashMap<>();

    /** Writes a folder, and then its columns of codes into a random order, one for each linear. */
    private ModelWeights write(int bits, boolean adapters) throws IOException {
        Path source = Files.createDirectory(temporary.resolve("source"));
        JsonFiles.writeText(source.resolve("config.json"), """
                {"architectures": ["LlamaForCausalLM"], "hidden_size": 64, "intermediate_size": 96,
                 "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 40,
                 "max_position_embeddings": 128, "rms_norm_eps": 1e-5}
                """);
        RandomModel model = new RandomModel(30);
        ModelWeights inOrder = model.weights(RandomModel.CONFIG, (b, l, out, in) -> {
            PackedWeight base = model.affine(out, in, Grid.any(bits, GROUP));
            return adapters ? model.adapted(base, 2, 1) : base;
        });
        Path folder = temporary.resolve("q");
        QuantizedFolder quantized = QuantizedFolder.open(folder, RandomModel.checkpoint(source, inOrder));
        for (int block = 0; block < 2; block++) {
            quantized.writeBlock(block, inOrder.blocks().get(block));
        }
        quantized.finish("");
        try (var files = Files.list(folder)) {
            for (Path file : files.filter(file -> file.toString().endsWith(".safetensors"))
                    .toList()) {
                reorder(file, bits);
            }
        }
        return inOrder;
    }

    /** What was in column j is moved to channel orders[j], and that channel is said to be in the group of column j. */
    private void reorder(Path file, int bits) throws IOException {
        try (Arena arena = Arena.ofShared()) {
            Map<String, Payload> tensors = new LinkedHashMap<>();
            SafetensorsFile.open(file, arena).tensors().forEach((name, tensor) -> {
                MemorySegment data = MemorySegment.ofArray(tensor.data().toArray(ValueLayout.JAVA_BYTE));
                if (name.endsWith(".qweight")) {
                    int out = tensor.shape().dimension(1);
                    int[] order = order(name, tensor.shape().dimension(0) * 32 / bits);
                    data = MemorySegment.ofArray(moved(data, out, order, bits));
                } else if (name.endsWith(".g_idx")) {
                    int[] order = order(name, tensor.shape().dimension(0));
                    int[] groups = new int[order.length];
                    for (int j = 0; j < order.length; j++) {
                        groups[order[j]] = j / GROUP;
                    }
                    data = MemorySegment.ofArray(groups);
                }
                tensors.put(name, Payload.of(tensor.type(), tensor.shape(), data));
            });
            SafetensorsWriter.write(file, Map.of("format", "pt"), tensors);
        }
    }

    private int[] order(String tensor, int in) {
        return orders.computeIfAbsent(tensor.substring(0, tensor.lastIndexOf('.')), module -> {
            List<Integer> channels =
                    new ArrayList<>(IntStream.range(0, in).boxed().toList());
            Collections.shuffle(channels, new Random(module.hashCode()));
            return channels.stream().mapToInt(Integer::intValue).toArray();
        });
    }

    /** Bit by bit, as the format defines it. */
    private static byte[] moved(MemorySegment words, int out, int[] order, int bits) {
        byte[] moved = new byte[(int) words.byteSize()];
        for (int o = 0; o < out; o++) {
            for (int j = 0; j < order.length; j++) {
                for (int b = 0; b < bits; b++) {
                    int from = j * bits + b;
                    int to = order[j] * bits + b;
                    int fromByte = (from / 32 * out + o) * 4 + from % 32 / 8;
                    int toByte = (to / 32 * out + o) * 4 + to % 32 / 8;
                    int bit = words.get(ValueLayout.JAVA_BYTE, fromByte) >>> (from % 8) & 1;
                    moved[toByte] |= (byte) (bit << (to % 8));
                }
            }
        }
        return moved;
    }

    @ParameterizedTest(name = "{0} bits")
    @ValueSource(ints = {2, 3, 4, 8})
    void valuesAreThoseOfEachChannelsGroup(int bits) throws IOException {
        ModelWeights inOrder = write(bits, false);
        try (Checkpoint checkpoint = Checkpoints.open(temporary.resolve("q"))) {
            for (int b = 0; b < 2; b++) {
                for (Linear linear : Linear.values()) {
                    PackedWeight want = inOrder.blocks().get(b).linear(linear);
                    PackedWeight got = checkpoint.weights().blocks().get(b).linear(linear);
                    assertThat(got).isInstanceOf(Reordered.class);
                    int[] order = order(HfNames.module(new LinearId(b, linear)) + ".qweight", want.in());
                    assertScattered(want, got, order);
                }
            }
        }
    }

    private static void assertScattered(PackedWeight want, PackedWeight got, int[] order) {
        float[] columns = new float[want.in()];
        float[] channels = new float[want.in()];
        for (int row = 0; row < want.out(); row++) {
            want.decodeRow(row, columns, 0);
            got.decodeRow(row, channels, 0);
            for (int j = 0; j < order.length; j++) {
                assertThat(channels[order[j]] == columns[j])
                        .as("[%d, %d]", row, j)
                        .isTrue();
            }
        }
    }

    @ParameterizedTest(name = "{0} bits, adapters: {1}")
    @CsvSource({"2, false", "2, true", "4, true", "8, false"})
    void logitsAreThoseOfTheSameNumbersUnpacked(int bits, boolean adapters) throws IOException {
        write(bits, adapters);
        try (Checkpoint checkpoint = Checkpoints.open(temporary.resolve("q"))) {
            ModelWeights packed = checkpoint.weights();
            int[] ids = new Random(3).ints(21, 0, 40).toArray();
            float[][] want = logits(unpacked(packed, 0), ids);
            // a product in another order is off as if each weight were off by (in + 32) roundings at most
            float[][] off = logits(unpacked(packed, 0x1p-24f), ids);
            float[][] got = logits(packed, ids);
            float limit = 0;
            for (int t = 0; t < ids.length; t++) {
                for (int i = 0; i < want[t].length; i++) {
                    limit = Math.max(limit, Math.abs(off[t][i] - want[t][i]));
                }
            }
            assertThat(limit).as("what the roundings make of logits").isBetween(1e-5f, 1e-2f);
            for (int t = 0; t < ids.length; t++) {
                assertThat(got[t]).as("token %d", t).containsExactly(want[t], within(limit));
            }
        }
    }

    /**
     * The same numbers as plain weights.
     *
     * @param unit by so much of itself each weight is off, up or down by chance, (in + 32) times
     */
    private static ModelWeights unpacked(ModelWeights packed, float unit) {
        Random random = new Random(4);
        List<BlockWeights> blocks = packed.blocks().stream()
                .map(block -> block.withLinears(unpacked(block, unit, random)))
                .toList();
        return new ModelWeights(packed.config(), packed.embedding(), blocks, packed.finalNorm(), packed.head());
    }

    private static Map<Linear, PackedWeight> unpacked(BlockWeights block, float unit, Random random) {
        Map<Linear, PackedWeight> linears = new EnumMap<>(Linear.class);
        for (Linear linear : Linear.values()) {
            PackedWeight weight = block.linear(linear);
            float[] values = new float[weight.out() * weight.in()];
            for (int row = 0; row < weight.out(); row++) {
                weight.decodeRow(row, values, row * weight.in());
            }
            float most = unit * (weight.in() + 32);
            for (int i = 0; i < values.length; i++) {
                values[i] *= random.nextBoolean() ? 1 + most : 1 - most;
            }
            linears.put(linear, Dense.ofFloats(weight.out(), weight.in(), values));
        }
        return linears;
    }

    /** Seventeen tokens at once, then one at a time. */
    private static float[][] logits(ModelWeights weights, int[] ids) {
        float[][] logits = new float[ids.length][];
        try (PackedLanguageModel model = new PackedLanguageModel(weights, 2);
                KvCache cache = model.newCache(ids.length)) {
            model.forward(Arrays.copyOf(ids, 17), cache, (position, row) -> logits[position] = row.clone());
            for (int t = 17; t < ids.length; t++) {
                model.forward(new int[] {ids[t]}, cache, (position, row) -> logits[position] = row.clone());
            }
        }
        return logits;
    }

    /** Byte for byte what the folder has that was brought into that order bit by bit, and said in its configuration. */
    @ParameterizedTest(name = "{0} bits, adapters: {1}")
    @CsvSource({"2, false", "3, false", "4, true", "8, false"})
    void itIsWrittenAsItWasRead(int bits, boolean adapters) throws IOException {
        write(bits, adapters);
        Path again = temporary.resolve("again");
        try (Checkpoint checkpoint = Checkpoints.open(temporary.resolve("q"))) {
            GptqExport.of(checkpoint, ZeroPoints.GPTQ_V2, DType.F16).write(again, "", block -> {});
        }
        for (int block = 0; block < 2; block++) {
            Path shard = Path.of("model-%05d-of-00003.safetensors".formatted(block + 1));
            assertThat(again.resolve(shard))
                    .hasSameBinaryContentAs(temporary.resolve("q").resolve(shard));
        }
        assertThat(again.resolve("config.json")).content().containsPattern("\"desc_act\"\\s*:\\s*true");
        try (Checkpoint want = Checkpoints.open(temporary.resolve("q"));
                Checkpoint got = Checkpoints.open(again)) {
            int[] ids = new Random(3).ints(21, 0, 40).toArray();
            assertThat(logits(got.weights(), ids)).isDeepEqualTo(logits(want.weights(), ids));
        }
    }
}
