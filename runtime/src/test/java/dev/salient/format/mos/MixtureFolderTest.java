package dev.salient.format.mos;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.salient.format.Adapters;
import dev.salient.format.Checkpoint;
import dev.salient.format.Checkpoints;
import dev.salient.format.FormatException;
import dev.salient.format.gguf.GgufExport;
import dev.salient.format.gguf.GgufType;
import dev.salient.format.gguf.TwoBits;
import dev.salient.format.gptq.AqlmExport;
import dev.salient.format.gptq.GptqExport;
import dev.salient.format.gptq.QuantizedFolder;
import dev.salient.format.gptq.RandomModel;
import dev.salient.format.gptq.RandomModel.Grid;
import dev.salient.format.gptq.ZeroPoints;
import dev.salient.format.hf.HfExport;
import dev.salient.format.json.JsonFiles;
import dev.salient.format.json.JsonObject;
import dev.salient.format.safetensors.SafetensorsFile;
import dev.salient.format.safetensors.SafetensorsWriter;
import dev.salient.format.safetensors.SafetensorsWriter.Payload;
import dev.salient.format.safetensors.StoredType;
import dev.salient.model.Linear;
import dev.salient.model.ModelWeights;
import dev.salient.packed.GroupAffine;
import dev.salient.packed.LowRank;
import dev.salient.packed.PackedWeight;
import dev.salient.packed.ScaleMixture;
import dev.salient.tensor.DType;
import dev.salient.tensor.Shape;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Consumer;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Folders of scales that follow the token: in and out byte for byte, and what is wrong with some. */
class MixtureFolderTest {
    private static final String CONFIG = """
            {"architectures": ["LlamaForCausalLM"], "hidden_size": 64, "intermediate_size": 96,
             "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 40,
             "max_position_embeddings": 128, "rms_norm_eps": 1e-5, "eos_token_id": 2}
            """;

    private static final String SHARD = "model-00001-of-00003.safetensors";
    private static final String Q = "model.layers.0.self_attn.q_proj.";

    @TempDir
    Path temporary;

    private Path source;
    private final RandomModel model = new RandomModel(5);

    @BeforeEach
    void makeSource() throws IOException {
        source = Files.createDirectory(temporary.resolve("source"));
        JsonFiles.writeText(source.resolve("config.json"), CONFIG);
    }

    private ModelWeights mixtures() {
        return model.weights(RandomModel.CONFIG, (b, l, out, in) -> model.mixture(out, in, 3));
    }

    private Path write(String name, ModelWeights weights) throws IOException {
        Path target = temporary.resolve(name);
        QuantizedFolder folder = QuantizedFolder.open(target, RandomModel.checkpoint(source, weights));
        for (int b = 0; b < 2; b++) {
            folder.writeBlock(b, weights.blocks().get(b));
        }
        folder.finish("Drawn at random.");
        return target;
    }

    private static void assertSame(PackedWeight got, PackedWeight want) {
        assertThat(got).isInstanceOfSatisfying(ScaleMixture.class, read -> {
            ScaleMixture written = (ScaleMixture) want;
            assertThat(read.signs().mismatch(written.signs())).isEqualTo(-1);
            assertThat(read.router().toFloats()).isEqualTo(written.router().toFloats());
            assertThat(read.inScales().toFloats()).isEqualTo(written.inScales().toFloats());
            assertThat(read.outScales().toFloats())
                    .isEqualTo(written.outScales().toFloats());
        });
    }

    @Test
    void folderIsReadBackByteForByte() throws IOException {
        ModelWeights weights = mixtures();
        Path folder = write("q", weights);
        try (Checkpoint read = Checkpoints.open(folder)) {
            for (int b = 0; b < 2; b++) {
                for (Linear linear : Linear.values()) {
                    assertSame(
                            read.weights().blocks().get(b).linear(linear),
                            weights.blocks().get(b).linear(linear));
                }
            }
        }
        assertThat(JsonObject.read(folder.resolve("config.json"))
                        .expectObject("quantization_config")
                        .toNode())
                .hasToString("{\"quant_method\":\"binary-mos\"}");
        var summary = Checkpoints.describe(folder);
        assertThat(summary.linearFormats()).containsExactly(Map.entry("binary, 3 scales by token", 14));
        // per block: a bit a weight; fp16 router and scales of three experts
        double weightCount = 64 * 64 * 2 + 64 * 32 * 2 + 3 * 64 * 96;
        double channels = 3.0 * 16 * (2 * (5 * 64 + 64 + 96) + (64 + 32 + 32 + 64 + 96 + 96 + 64));
        assertThat(summary.bitsPerWeight()).isEqualTo(1 + channels / weightCount);
        assertThat(summary.fileBitsPerWeight()).isEqualTo(summary.bitsPerWeight());
    }

    /** Linears in groups beside them, and adapters on top; a folder left between two blocks too. */
    @Test
    void othersMayLieBesideAndAdaptersOnTop() throws IOException {
        ModelWeights weights = model.weights(
                RandomModel.CONFIG,
                (b, l, out, in) -> l == Linear.DOWN
                        ? model.affine(out, in, Grid.any(8, 32))
                        : model.adapted(model.mixture(out, in, 2), 3, 2));
        try (Checkpoint read = Checkpoints.open(write("q", weights))) {
            LowRank up = (LowRank) read.weights().blocks().getLast().linear(Linear.UP);
            assertThat(up.rank()).isEqualTo(3);
            assertSame(up.base(), ((LowRank) weights.blocks().getLast().linear(Linear.UP)).base());
            assertThat(read.weights().blocks().getLast().linear(Linear.DOWN)).isInstanceOf(GroupAffine.class);
        }
        assertThat(JsonObject.read(temporary.resolve("q/config.json"))
                        .expectObject("quantization_config")
                        .findString("quant_method"))
                .isEqualTo("binary-mos");
        QuantizedFolder part = QuantizedFolder.open(temporary.resolve("part"), RandomModel.checkpoint(source, weights));
        part.writeBlock(1, weights.blocks().get(1));
        try (Arena arena = Arena.ofShared()) {
            LowRank up = (LowRank) part.readBlock(1, arena).linear(Linear.UP);
            assertSame(up.base(), ((LowRank) weights.blocks().get(1).linear(Linear.UP)).base());
        }
    }

    private void spoil(Path folder, Consumer<Map<String, Payload>> change) throws IOException {
        Path shard = folder.resolve(SHARD);
        try (Arena arena = Arena.ofShared()) {
            Map<String, Payload> tensors = new TreeMap<>();
            SafetensorsFile.open(shard, arena)
                    .tensors()
                    .forEach((old, tensor) ->
                            tensors.put(old, Payload.of(tensor.type(), tensor.shape(), tensor.data())));
            change.accept(tensors);
            SafetensorsWriter.write(folder.resolve("spoilt"), Map.of("format", "pt"), tensors);
        }
        Files.move(folder.resolve("spoilt"), shard, StandardCopyOption.REPLACE_EXISTING);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "signs | U8 | 64 | 9 | got [64, 9], want [64, 8]",
                "signs | I8 | 64 | 8 | got dtype I8, want U8",
                "router | F16 | 0 | 64 | got [0, 64], want [experts, 64] with 1 to 256 experts",
                "router | F16 | 257 | 64 | got [257, 64], want [experts, 64] with 1 to 256 experts",
                "router | F16 | 3 | 63 | got [3, 63], want [3, 64]",
                "router | U8 | 3 | 64 | got dtype U8, want F32, F16 or BF16",
                "in_scales | F16 | 4 | 64 | got [4, 64], want [3, 64]",
                "out_scales | F16 | 3 | 63 | got [3, 63], want [3, 64]",
            })
    void partsOfAnotherShapeAreRefused(String part, StoredType type, int rows, int columns, String message)
            throws IOException {
        Path folder = write("q", mixtures());
        MemorySegment zeros = MemorySegment.ofArray(new byte[rows * columns * type.byteCount()]);
        spoil(folder, tensors -> tensors.put(Q + part, Payload.of(type, Shape.of(rows, columns), zeros)));
        assertThatThrownBy(() -> Checkpoints.open(folder))
                .isInstanceOf(FormatException.class)
                .hasMessage(SHARD + ": " + Q + part + ": " + message);
    }

    @ParameterizedTest
    @CsvSource({"router", "in_scales", "out_scales"})
    void partsThatAreNoNumbersOrMissingAreRefused(String part) throws IOException {
        MemorySegment halves = MemorySegment.ofArray(new byte[3 * 64 * 2]);
        DType.F16.set(halves, 70, Float.NaN);
        Path folder = write("q", mixtures());
        spoil(folder, tensors -> tensors.put(Q + part, Payload.of(StoredType.F16, Shape.of(3, 64), halves)));
        assertThatThrownBy(() -> Checkpoints.open(folder))
                .isInstanceOf(FormatException.class)
                .hasMessage(SHARD + ": " + Q + part + ": got NaN at 70, want a finite number");
        spoil(folder, tensors -> tensors.remove(Q + part));
        Files.delete(folder.resolve("model.safetensors.index.json"));
        assertThatThrownBy(() -> Checkpoints.open(folder)).isInstanceOf(FormatException.class);
    }

    private static void assertRefused(ThrowingCallable export, String message) {
        assertThatThrownBy(export)
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("0.q: got scales that follow the token (binary-mos), " + message);
    }

    /** No other format has a place for a router; each says what it would take. */
    @Test
    void exportsAreRefusedWithWhatWouldDo() throws IOException {
        try (Checkpoint read = Checkpoints.open(write("q", mixtures()))) {
            assertRefused(
                    () -> GgufExport.of(read, GgufType.F16, TwoBits.KEPT),
                    "want what GGUF has a type for: --grid binary with --group-size 128 becomes Q1_0");
            assertRefused(
                    () -> GptqExport.of(read, ZeroPoints.AUTO, DType.F16),
                    "want codes with a scale, as GPTQ stores them: those of --grid binary or signed2");
            assertRefused(() -> AqlmExport.of(read, DType.F16), "want codebooks: those of --method aqlm");
            assertRefused(
                    () -> new HfExport(read, DType.F32, Adapters.MERGED, HfExport.SHARD_BYTES),
                    "which no plain weight equals: want a model of --grid binary, or this folder as it is");
            assertRefused(
                    () -> Checkpoints.requireFinite(read), "want a model to quantize or train from: its original");
        }
    }
}
