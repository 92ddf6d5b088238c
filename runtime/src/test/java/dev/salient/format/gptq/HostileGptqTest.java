package dev.salient.format.gptq;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.salient.format.Checkpoint;
import dev.salient.format.Checkpoints;
import dev.salient.format.FormatException;
import dev.salient.format.gptq.RandomModel.Grid;
import dev.salient.format.json.JsonFiles;
import dev.salient.format.safetensors.SafetensorsFile;
import dev.salient.format.safetensors.SafetensorsWriter;
import dev.salient.format.safetensors.SafetensorsWriter.Payload;
import dev.salient.format.safetensors.StoredType;
import dev.salient.model.Linear;
import dev.salient.model.ModelWeights;
import dev.salient.packed.GroupAffine;
import dev.salient.packed.LowRank;
import dev.salient.packed.PackedWeight;
import dev.salient.tensor.Shape;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is wrong with a GPTQ-format folder, one message for each. */
class HostileGptqTest {
    private static final String SHARD = "model-00001-of-00003.safetensors";
    private static final String Q = "model.layers.0.self_attn.q_proj.";

    @TempDir
    Path temporary;

    private Path folder;

    @BeforeEach
    void writeFolder() throws IOException {
        Path source = Files.createDirectory(temporary.resolve("source"));
        JsonFiles.writeText(source.resolve("config.json"), """
                {"architectures": ["LlamaForCausalLM"], "hidden_size": 64, "intermediate_size": 96,
                 "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 40,
                 "max_position_embeddings": 128, "rms_norm_eps": 1e-5}
                """);
        RandomModel model = new RandomModel(30);
        ModelWeights weights = model.weights(
                RandomModel.CONFIG, (b, l, out, in) -> model.adapted(model.affine(out, in, Grid.signed2(32)), 2, 1));
        folder = temporary.resolve("q");
        QuantizedFolder quantized = QuantizedFolder.open(folder, RandomModel.checkpoint(source, weights));
        quantized.writeBlock(0, weights.blocks().get(0));
        quantized.writeBlock(1, weights.blocks().get(1));
        quantized.finish("");
    }

    private void assertRefused(String message) {
        assertThatThrownBy(() -> Checkpoints.open(folder))
                .isInstanceOf(FormatException.class)
                .hasMessage(message);
    }

    private void edit(String name, String from, String to) throws IOException {
        Path file = folder.resolve(name);
        String text = Files.readString(file);
        assertThat(text).contains(from);
        Files.writeString(file, text.replace(from, to));
    }

    private void replace(String name, StoredType type, byte[] data, int... dimensions) throws IOException {
        Path file = folder.resolve(SHARD);
        try (Arena arena = Arena.ofShared()) {
            Map<String, Payload> tensors = new LinkedHashMap<>();
            SafetensorsFile.open(file, arena)
                    .tensors()
                    .forEach((key, tensor) ->
                            tensors.put(key, Payload.of(tensor.type(), tensor.shape(), tensor.data())));
            assertThat(tensors).containsKey(name);
            tensors.put(name, Payload.of(type, Shape.of(dimensions), MemorySegment.ofArray(data)));
            SafetensorsWriter.write(file, Map.of(), tensors);
        }
    }

    @Test
    void groupSizeThatDoesNotDivide() throws IOException {
        edit("config.json", "\"group_size\" : 32", "\"group_size\" : 48");
        assertRefused(SHARD + ": " + Q + "qweight: got groups of 48 in 2 bits,"
                + " want groups that divide [64, 64] and fill 32-bit words");
    }

    @Test
    void bitsThatDoNotFitTheCodes() throws IOException {
        edit("config.json", "\"bits\" : 2", "\"bits\" : 4");
        assertRefused(SHARD + ": " + Q + "qweight: got [4, 64], want [8, 64]");
    }

    @Test
    void bitsThatNobodyPacks() throws IOException {
        edit("config.json", "\"bits\" : 2", "\"bits\" : 5");
        assertRefused("config.json: quantization_config: bits: got 5, want 2, 3, 4 or 8");
    }

    @Test
    void otherLayoutOfCodes() throws IOException {
        edit("config.json", "gptq_v2", "marlin");
        assertRefused("config.json: quantization_config: checkpoint_format: got \"marlin\","
                + " want \"gptq\" or \"gptq_v2\"");
    }

    @Test
    void codesOfTheWrongType() throws IOException {
        replace(Q + "qweight", StoredType.F32, new byte[4 * 64 * 4], 4, 64);
        assertRefused(SHARD + ": " + Q + "qweight: got dtype F32, want I32");
    }

    @Test
    void groupsOfDifferentSizes() throws IOException {
        byte[] order = new byte[64 * 4];
        order[8] = 1;
        replace(Q + "g_idx", StoredType.I32, order, 64);
        assertRefused(SHARD + ": " + Q + "g_idx: got more than 32 channels in group 0, want as many in each");
    }

    @Test
    void groupsThatDoNotExist() throws IOException {
        byte[] order = new byte[64 * 4];
        order[8] = 2;
        replace(Q + "g_idx", StoredType.I32, order, 64);
        assertRefused(SHARD + ": " + Q + "g_idx: got group 2 for channel 2, want 0 to 1");
        order[8] = -1;
        order[9] = order[10] = order[11] = -1;
        replace(Q + "g_idx", StoredType.I32, order, 64);
        assertRefused(SHARD + ": " + Q + "g_idx: got group -1 for channel 2, want 0 to 1");
    }

    @Test
    void scalesInAnotherType() throws IOException {
        byte[] scales = new byte[2 * 64 * 2]; // BF16
        for (int i = 0; i < 2 * 64; i++) {
            scales[2 * i + 1] = 0x3F; // 0.5
        }
        replace(Q + "scales", StoredType.BF16, scales, 2, 64);
        try (Checkpoint checkpoint = Checkpoints.open(folder)) {
            PackedWeight q = checkpoint.weights().blocks().getFirst().linear(Linear.Q);
            assertThat(((GroupAffine) ((LowRank) q).base()).scale(63, 1)).isEqualTo(0.5f);
        }
        scales[7] = 0x01; // 2.4e-38, far below what fp16 holds
        replace(Q + "scales", StoredType.BF16, scales, 2, 64);
        assertRefused(SHARD + ": " + Q + "scales: got 2.3509887E-38 at 3, want a number that F16 holds");
    }

    @Test
    void scaleThatIsNoNumber() throws IOException {
        byte[] scales = new byte[2 * 64 * 2];
        Arrays.fill(scales, 6, 8, (byte) 0xFF);
        replace(Q + "scales", StoredType.F16, scales, 2, 64);
        assertRefused(SHARD + ": " + Q + "scales: got NaN at 3, want a finite number");
    }

    @Test
    void zeroPointThatTheFirstVersionCannotHold() throws IOException {
        storeThreeLess1();
        assertRefused(SHARD + ": " + Q + "qzeros: got zero point 4 at 5, want 1 to 3");
    }

    private void storeThreeLess1() throws IOException {
        edit("config.json", "gptq_v2", "gptq");
        byte[] zeros = new byte[2 * 4 * 4];
        zeros[1] = (byte) 0b00001100;
        replace(Q + "qzeros", StoredType.I32, zeros, 2, 4);
    }

    /** Of the same numbers GPTQModel says that it borrowed. */
    @Test
    void zeroPointThatBorrowed() throws IOException {
        storeThreeLess1();
        edit("config.json", "\"pack_dtype\"", "\"meta\": {\"quantizer\": [\"gptqmodel:7.7.0\"]}, \"pack_dtype\"");
        try (Checkpoint read = Checkpoints.open(folder)) {
            LowRank adapted = (LowRank) read.weights().blocks().getFirst().linear(Linear.Q);
            GroupAffine q = (GroupAffine) adapted.base();
            assertThat(List.of(q.zero(4, 0), q.zero(5, 0), q.zero(6, 0))).containsExactly(1, 0, 2);
        }
    }

    @Test
    void packedWeightWhereAPlainOneIsPromised() throws IOException {
        edit("config.json", "\"pack_dtype\"", "\"dynamic\": {\"-:.*q_proj\": {}}, \"pack_dtype\"");
        assertRefused(SHARD + ": " + Q + "qweight: got a packed weight, want a plain one, as \"dynamic\" says");
    }

    @Test
    void patternThatIsNone() throws IOException {
        edit("config.json", "\"pack_dtype\"", "\"dynamic\": {\"+:(\": {\"bits\": 4}}, \"pack_dtype\"");
        assertRefused("config.json: quantization_config: dynamic: +:(: got {\"bits\":4},"
                + " want a regular expression as its key");
    }

    @Test
    void patternThatWouldTakeForever() throws IOException {
        edit("config.json", "\"pack_dtype\"", "\"dynamic\": {\"-:(([a-z._0-9]*)*)*X\": {}}, \"pack_dtype\"");
        assertRefused("config.json: quantization_config: dynamic: -:(([a-z._0-9]*)*)*X:"
                + " got a pattern that takes too long to match, want a simpler one");
    }

    @Test
    void otherAdapter() throws IOException {
        edit("adapter/adapter_config.json", "\"LORA\"", "\"IA3\"");
        assertRefused("adapter_config.json: peft_type: got \"IA3\", want \"LORA\"");
    }

    @Test
    void adapterWithoutItsMagnitudes() throws IOException {
        edit("adapter/adapter_config.json", "\"use_dora\" : false", "\"use_dora\" : true");
        assertRefused(
                "adapter_model.safetensors: base_model.model.model.layers.0.self_attn.q_proj.lora_magnitude_vector: got no such tensor");
    }

    @Test
    void adapterWithoutItsWeights() throws IOException {
        Files.delete(folder.resolve("adapter/adapter_model.safetensors"));
        assertRefused("adapter_config.json: got no adapter_model.safetensors beside it");
    }

    @Test
    void missingShard() throws IOException {
        Files.delete(folder.resolve(SHARD));
        assertRefused("model.safetensors.index.json: got a shard " + SHARD + " that is not there");
    }

    @Test
    void olderFolderWithQuantizeConfigAloneOpens() throws IOException {
        Path config = folder.resolve("config.json");
        String text = Files.readString(config);
        String without = text.substring(0, text.indexOf(",\n  \"quantization_config\"")) + "}";
        Files.writeString(config, without);
        try (Checkpoint checkpoint = Checkpoints.open(folder)) {
            assertThat(checkpoint.weights().blocks()).hasSize(2);
        }
    }
}
