package dev.salient.format.gptq;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.salient.format.Checkpoint;
import dev.salient.format.Checkpoints;
import dev.salient.format.FormatException;
import dev.salient.format.gptq.RandomModel.Grid;
import dev.salient.format.json.JsonFiles;
import dev.salient.format.json.JsonObject;
import dev.salient.format.safetensors.SafetensorsFile;
import dev.salient.format.safetensors.SafetensorsWriter;
import dev.salient.format.safetensors.SafetensorsWriter.Payload;
import dev.salient.format.safetensors.StoredType;
import dev.salient.model.Linear;
import dev.salient.model.LinearId;
import dev.salient.model.ModelConfig;
import dev.salient.model.ModelWeights;
import dev.salient.packed.GroupAffine;
import dev.salient.packed.LowRank;
import dev.salient.packed.PackedWeight;
import dev.salient.packed.SuperBlocks;
import dev.salient.packed.SuperFormat;
import dev.salient.tensor.Shape;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Arrays;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class QuantizedFolderTest {
    private static final String CONFIG = """
            {"architectures": ["LlamaForCausalLM"], "hidden_size": 64, "intermediate_size": 96,
             "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 40,
             "max_position_embeddings": 128, "rms_norm_eps": 1e-5, "eos_token_id": 2}
            """;

    @TempDir
    Path temporary;

    private Path source;

    @BeforeEach
    void makeSource() throws IOException {
        source = Files.createDirectory(temporary.resolve("source"));
        JsonFiles.writeText(source.resolve("config.json"), CONFIG);
        JsonFiles.writeText(source.resolve("LICENSE"), "Do what you like.\n");
        JsonFiles.writeText(source.resolve("README.md"), "---\nlicense: mit\n---\n# A model\n");
    }

    private Path write(String name, ModelWeights weights) throws IOException {
        Path target = temporary.resolve(name);
        QuantizedFolder folder = QuantizedFolder.open(target, RandomModel.checkpoint(source, weights));
        for (int b = 0; b < 2; b++) {
            folder.writeBlock(b, weights.blocks().get(b));
        }
        folder.finish("Rounded at random.");
        return target;
    }

    private static void assertSame(ModelWeights got, ModelWeights want) {
        assertSame(got.embedding(), want.embedding(), "embedding");
        assertSame(got.head(), want.head(), "head");
        assertThat(got.finalNorm().toFloats()).isEqualTo(want.finalNorm().toFloats());
        for (int b = 0; b < want.blocks().size(); b++) {
            for (Linear linear : Linear.values()) {
                assertSame(
                        got.blocks().get(b).linear(linear),
                        want.blocks().get(b).linear(linear),
                        new LinearId(b, linear).toString());
            }
        }
    }

    private static void assertSame(PackedWeight got, PackedWeight want, String what) {
        float[] gotRow = new float[want.in()];
        float[] wantRow = new float[want.in()];
        for (int row = 0; row < want.out(); row++) {
            got.decodeRow(row, gotRow, 0);
            want.decodeRow(row, wantRow, 0);
            for (int i = 0; i < wantRow.length; i++) {
                // 0.0 and -0.0 count as one value
                assertThat(gotRow[i] == wantRow[i])
                        .as("%s [%d, %d]", what, row, i)
                        .isTrue();
            }
        }
    }

    @ParameterizedTest(name = "{0} bits")
    @ValueSource(ints = {2, 3, 4, 8})
    void foldersOfAnyGridAreReadBackValueByValue(int bits) throws IOException {
        RandomModel model = new RandomModel(bits);
        ModelWeights weights =
                model.weights(RandomModel.CONFIG, (b, l, out, in) -> model.affine(out, in, Grid.any(bits, 16)));
        try (Checkpoint read = Checkpoints.open(write("q", weights))) {
            assertSame(read.weights(), weights);
            assertThat(read.weights().blocks().getFirst().linear(Linear.Q)).isInstanceOf(GroupAffine.class);
        }
    }

    private static SuperBlocks blocks(SuperFormat format, int out, int in, Random random) {
        byte[] data = new byte[out * in / format.blockSize() * format.byteCount()];
        random.nextBytes(data);
        for (int at = 0; at < data.length; at++) {
            data[at] &= 0x3F; // no half of 16 bits that is infinite or no number
        }
        return new SuperBlocks(out, in, format, MemorySegment.ofArray(data));
    }

    /** GGUF's blocks go in and out byte for byte, some linears in groups beside them. */
    @ParameterizedTest
    @EnumSource(
            value = SuperFormat.class,
            names = {"Q2_K", "Q6_K"})
    void blocksAreReadBackByteForByte(SuperFormat format) throws IOException {
        JsonFiles.writeText(
                source.resolve("config.json"),
                CONFIG.replace("\"hidden_size\": 64", "\"hidden_size\": 256")
                        .replace("\"intermediate_size\": 96", "\"intermediate_size\": 512"));
        ModelConfig wide = new ModelConfig(256, 512, 2, 4, 2, 64, 40, 128, 10000, null, 1e-5, false);
        RandomModel model = new RandomModel(17);
        Random random = new Random(18);
        ModelWeights all = model.weights(wide, (b, l, out, in) -> blocks(format, out, in, random));
        Path folder = write("all", all);
        try (Checkpoint read = Checkpoints.open(folder)) {
            for (Linear linear : Linear.values()) {
                SuperBlocks got =
                        (SuperBlocks) read.weights().blocks().getLast().linear(linear);
                SuperBlocks want = (SuperBlocks) all.blocks().getLast().linear(linear);
                assertThat(got.data().mismatch(want.data())).isEqualTo(-1);
            }
        }
        assertThat(JsonObject.read(folder.resolve("config.json"))
                        .expectObject("quantization_config")
                        .toNode())
                .hasToString("{\"quant_method\":\"gguf-blocks\"}");
        ModelWeights mixed = model.weights(
                wide,
                (b, l, out, in) ->
                        l == Linear.DOWN ? blocks(format, out, in, random) : model.affine(out, in, Grid.signed2(64)));
        try (Checkpoint read = Checkpoints.open(write("mixed", mixed))) {
            assertSame(read.weights(), mixed);
            assertThat(read.weights().blocks().getFirst().linear(Linear.DOWN)).isInstanceOf(SuperBlocks.class);
            assertThat(read.weights().blocks().getFirst().linear(Linear.UP)).isInstanceOf(GroupAffine.class);
        }
        assertThat(JsonObject.read(temporary.resolve("mixed/config.json"))
                        .expectObject("quantization_config")
                        .findString("quant_method"))
                .isEqualTo("gguf-blocks");
        QuantizedFolder unfinished =
                QuantizedFolder.open(temporary.resolve("part"), RandomModel.checkpoint(source, all));
        unfinished.writeBlock(1, all.blocks().get(1));
        try (Arena arena = Arena.ofShared()) {
            PackedWeight up = unfinished.readBlock(1, arena).linear(Linear.UP);
            assertSame(up, all.blocks().get(1).linear(Linear.UP), "up");
        }
    }

    /** A file whose blocks are of another size than the model's rows. */
    @Test
    void blocksOfAnotherSizeAreRefused() throws IOException {
        RandomModel model = new RandomModel(19);
        Path folder = write("q", model.weights(RandomModel.CONFIG, (b, l, out, in) -> model.dense(out, in)));
        Path shard = folder.resolve("model-00001-of-00003.safetensors");
        String name = "model.layers.0.self_attn.q_proj.q2_k";
        try (Arena arena = Arena.ofShared()) {
            Map<String, Payload> tensors = new TreeMap<>();
            SafetensorsFile.open(shard, arena)
                    .tensors()
                    .forEach((old, tensor) ->
                            tensors.put(old, Payload.of(tensor.type(), tensor.shape(), tensor.data())));
            tensors.put(name, Payload.of(StoredType.U8, Shape.of(64, 84), MemorySegment.ofArray(new byte[64 * 84])));
            SafetensorsWriter.write(folder.resolve("spoilt"), QuantizedFolder.METADATA, tensors);
        }
        Files.move(folder.resolve("spoilt"), shard, StandardCopyOption.REPLACE_EXISTING);
        Path index = folder.resolve("model.safetensors.index.json");
        Files.writeString(
                index,
                Files.readString(index)
                        .replaceFirst(
                                "(\"weight_map\"\\s*:\\s*\\{)",
                                "$1\"%s\":\"%s\",".formatted(name, shard.getFileName())));
        assertThatThrownBy(() -> Checkpoints.open(folder))
                .isInstanceOf(FormatException.class)
                .hasMessageContaining("q_proj.q2_k: got rows of 64 channels, want a multiple of 256");
    }

    @Test
    void signedScalesBecomePositiveOnesWithMirroredCodes() throws IOException {
        RandomModel model = new RandomModel(7);
        ModelWeights weights =
                model.weights(RandomModel.CONFIG, (b, l, out, in) -> model.affine(out, in, Grid.signed2(32)));
        Path folder = write("q", weights);
        try (Checkpoint read = Checkpoints.open(folder)) {
            assertSame(read.weights(), weights);
            GroupAffine q = (GroupAffine) read.weights().blocks().getFirst().linear(Linear.Q);
            GroupAffine original = (GroupAffine) weights.blocks().getFirst().linear(Linear.Q);
            for (int row = 0; row < q.out(); row++) {
                for (int g = 0; g < q.groupsPerRow(); g++) {
                    assertThat(q.scale(row, g)).isNotNegative();
                    assertThat(q.zero(row, g)).isEqualTo(original.scale(row, g) < 0 ? 2 : 1);
                }
            }
            assertThat(q.bitsPerWeight()).isEqualTo(2.5);
        }
        JsonObject quantization = JsonObject.read(folder.resolve("config.json")).expectObject("quantization_config");
        assertThat(quantization.toNode())
                .hasToString("{\"quant_method\":\"gptq\",\"checkpoint_format\":\"gptq_v2\",\"bits\":2,"
                        + "\"group_size\":32,\"desc_act\":false,\"sym\":false,\"lm_head\":false,"
                        + "\"pack_dtype\":\"int32\"}");
    }

    @Test
    void zeroPointsInTheMiddleAreStoredLess1AsTheFirstVersionWantsIt() throws IOException {
        RandomModel model = new RandomModel(8);
        ModelWeights weights = model.weights(RandomModel.CONFIG, (b, l, out, in) -> {
            GroupAffine drawn = model.affine(out, in, new Grid(4, 16, 8, 8));
            byte[] positive = new byte[(int) drawn.scales().byteSize()];
            for (int i = 0; i < positive.length; i++) {
                byte value = drawn.scales().get(java.lang.foreign.ValueLayout.JAVA_BYTE, i);
                positive[i] = (byte) (i % 2 == 1 ? value & 0x7F : value);
            }
            return new GroupAffine(
                    out, in, 4, 16, drawn.codes(), java.lang.foreign.MemorySegment.ofArray(positive), drawn.zeros());
        });
        Path folder = write("q", weights);
        JsonObject quantization = JsonObject.read(folder.resolve("config.json")).expectObject("quantization_config");
        assertThat(quantization.findString("checkpoint_format")).isEqualTo("gptq");
        assertThat(quantization.isTrue("sym")).isTrue();
        try (Checkpoint read = Checkpoints.open(folder)) {
            assertSame(read.weights(), weights);
        }
    }

    @Test
    void mixedGridsPlainLinearsAndAdaptersAreReadBack() throws IOException {
        RandomModel model = new RandomModel(9);
        ModelWeights weights = model.weights(RandomModel.CONFIG, (b, linear, out, in) -> {
            PackedWeight base = switch (linear) {
                case Q, K, V -> model.affine(out, in, Grid.any(b == 0 ? 2 : 8, b == 0 ? 32 : 64));
                case O, GATE -> model.affine(out, in, Grid.signed2(32));
                case UP -> b == 0 ? model.dense(out, in) : model.affine(out, in, Grid.signed2(32));
                case DOWN -> model.affine(out, in, Grid.any(3, 96));
            };
            return switch (linear) {
                case O -> model.adapted(base, 4, 2);
                case GATE -> model.adapted(base, b == 0 ? 4 : 3, b == 0 ? 2 : 16f / 3);
                case UP -> b == 0 ? model.adapted(base, 4, 0.3f) : base;
                default -> base;
            };
        });
        Path folder = write("q", weights);
        try (Checkpoint read = Checkpoints.open(folder)) {
            assertSame(read.weights(), weights);
            assertThat(read.weights().blocks().get(1).linear(Linear.GATE)).isInstanceOf(LowRank.class);
        }
        JsonObject dynamic = JsonObject.read(folder.resolve("config.json"))
                .expectObject("quantization_config")
                .expectObject("dynamic");
        assertThat(dynamic.toNode())
                .hasToString("{\"-:^model\\\\.layers\\\\.0\\\\.mlp\\\\.up_proj$\":{},"
                        + "\"+:^model\\\\.layers\\\\.0\\\\.mlp\\\\.down_proj$\":{\"bits\":3,\"group_size\":96},"
                        + "\"+:^model\\\\.layers\\\\.1\\\\.self_attn\\\\.q_proj$\":{\"bits\":8,\"group_size\":64},"
                        + "\"+:^model\\\\.layers\\\\.1\\\\.self_attn\\\\.k_proj$\":{\"bits\":8,\"group_size\":64},"
                        + "\"+:^model\\\\.layers\\\\.1\\\\.self_attn\\\\.v_proj$\":{\"bits\":8,\"group_size\":64},"
                        + "\"+:^model\\\\.layers\\\\.1\\\\.mlp\\\\.down_proj$\":{\"bits\":3,\"group_size\":96},"
                        + "\"+:^model\\\\.layers\\\\.1\\\\.self_attn\\\\.qkv_proj$\":{\"bits\":8,\"group_size\":64}}");
        assertThat(JsonObject.read(folder.resolve("adapter/adapter_config.json"))
                        .toNode())
                .hasToString("{\"peft_type\":\"LORA\",\"task_type\":\"CAUSAL_LM\",\"base_model_name_or_path\":null,"
                        + "\"inference_mode\":true,\"r\":4,\"lora_alpha\":8,\"lora_dropout\":0.0,\"bias\":\"none\","
                        + "\"fan_in_fan_out\":false,\"use_dora\":false,\"use_rslora\":false,"
                        + "\"modules_to_save\":null,\"target_modules\":[\"o_proj\",\"gate_proj\","
                        + "\"model.layers.0.mlp.up_proj\"],"
                        + "\"rank_pattern\":{\"model.layers.1.mlp.gate_proj\":3},"
                        + "\"alpha_pattern\":{\"model.layers.0.mlp.up_proj\":1.2000000476837158,"
                        + "\"model.layers.1.mlp.gate_proj\":16}}");
    }

    @Test
    void doraIsReadBack() throws IOException {
        RandomModel model = new RandomModel(13);
        ModelWeights weights = model.weights(
                RandomModel.CONFIG,
                (b, l, out, in) -> model.stretched(model.adapted(model.affine(out, in, Grid.any(2, 32)), 2, 1)));
        Path folder = write("q", weights);
        assertThat(JsonObject.read(folder.resolve("adapter/adapter_config.json"))
                        .isTrue("use_dora"))
                .isTrue();
        try (Checkpoint read = Checkpoints.open(folder)) {
            assertSame(read.weights(), weights);
            LowRank adapted = (LowRank) read.weights().blocks().get(1).linear(Linear.GATE);
            LowRank wanted = (LowRank) weights.blocks().get(1).linear(Linear.GATE);
            assertThat(adapted.stretches()).isEqualTo(wanted.stretches()).isNotEmpty();
        }
    }

    @Test
    void folderLeftBetweenBlocksAndTakenUpEndsInTheSameBytes() throws IOException {
        RandomModel model = new RandomModel(10);
        ModelWeights weights = model.weights(
                RandomModel.CONFIG, (b, l, out, in) -> model.adapted(model.affine(out, in, Grid.any(2, 32)), 2, 1));
        Path whole = write("whole", weights);
        Path target = temporary.resolve("taken-up");
        Checkpoint original = RandomModel.checkpoint(source, weights);
        QuantizedFolder.open(target, original).writeBlock(0, weights.blocks().getFirst());
        Files.write(target.resolve("model-00002-of-00003.safetensors.tmp"), new byte[] {1, 2, 3});
        QuantizedFolder again = QuantizedFolder.open(target, original);
        assertThat(again.hasBlock(0)).isTrue();
        assertThat(again.hasBlock(1)).isFalse();
        try (Arena arena = Arena.ofShared()) {
            for (Linear linear : Linear.values()) {
                assertSame(
                        again.readBlock(0, arena).linear(linear),
                        weights.blocks().getFirst().linear(linear),
                        linear.label());
            }
        }
        again.writeBlock(1, weights.blocks().get(1));
        again.finish("Rounded at random.");
        again.finish("Rounded at random.");
        assertThat(bytes(target)).isEqualTo(bytes(whole));
    }

    private static Map<String, Integer> bytes(Path folder) throws IOException {
        Map<String, Integer> hashes = new TreeMap<>();
        try (var files = Files.walk(folder)) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                hashes.put(folder.relativize(file).toString(), Arrays.hashCode(Files.readAllBytes(file)));
            }
        }
        return hashes;
    }

    @Test
    void licenceIsCopiedAndTheModelCardSaysWhatWasDone() throws IOException {
        RandomModel model = new RandomModel(11);
        Path folder = write("q", model.weights(RandomModel.CONFIG, (b, l, out, in) -> model.dense(out, in)));
        assertThat(folder.resolve("LICENSE")).hasContent("Do what you like.\n");
        assertThat(Files.readString(folder.resolve("README.md")))
                .isEqualTo(
                        "---\nlicense: mit\n---\n\n> **Changed from the original:** Rounded at random.\n\n# A model\n");
        assertThat(folder.resolve("adapter")).doesNotExist();
        assertThat(folder.resolve("quantize_config.json")).doesNotExist();
    }

    @Test
    void finishingWithABlockMissingSaysWhichOne() throws IOException {
        RandomModel model = new RandomModel(12);
        ModelWeights weights = model.weights(RandomModel.CONFIG, (b, l, out, in) -> model.dense(out, in));
        QuantizedFolder folder = QuantizedFolder.open(temporary.resolve("q"), RandomModel.checkpoint(source, weights));
        folder.writeBlock(0, weights.blocks().getFirst());
        assertThatThrownBy(() -> folder.finish(""))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage(temporary.resolve("q") + ": got no block 1, want all 2 blocks");
    }
}
