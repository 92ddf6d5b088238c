package dev.salient.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.salient.format.Checkpoint;
import dev.salient.format.Checkpoints;
import dev.salient.format.gptq.AdapterFiles;
import dev.salient.format.gptq.QuantizedFolder;
import dev.salient.model.BlockWeights;
import dev.salient.model.Linear;
import dev.salient.model.ModelWeights;
import dev.salient.packed.AdditiveCodebook;
import dev.salient.packed.LowRank;
import dev.salient.packed.PackedWeight;
import dev.salient.tensor.Shape;
import dev.salient.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The command export, end to end on a model that this test writes. */
class ExportTest {
    @TempDir
    static Path folder;

    private static Path model;

    @BeforeAll
    static void writeModel() throws IOException {
        model = TinyModel.write(folder.resolve("tiny"), 1);
    }

    @Test
    void exportSaysWhatBecameOfWhatAndTheFilePredictsAsTheModelDoes() throws IOException {
        Path file = folder.resolve("tiny.gguf");
        Run run = Run.of("export", model, "--to", "gguf", "--out", file);
        assertThat(run.status()).as(run.err()).isZero();
        assertThat(run.err()).matches("export: 21/21 tensors in \\d+\\.\\d s\n");
        assertThat(run.out()).isEqualTo("""
                written    %s, 385.7 kB
                F32        14 linears
                F32        embedding
                F32        head
                """.formatted(file));
        Path text = Files.writeString(folder.resolve("text.txt"), "The quick brown fox jumps over a dog. ".repeat(9));
        JsonNode there = json(Run.of("perplexity", file, "--text", text, "--window", 64, "--against", model, "--json"));
        assertThat(there.path("kl").asDouble()).isCloseTo(0, within(1e-9));
        assertThat(there.path("perplexity").asDouble())
                .isCloseTo(there.path("originalPerplexity").asDouble(), within(1e-3));
        assertThat(Run.of("generate", file, "Once", "--max-tokens", 9, "--seed", 3)
                        .out())
                .isEqualTo(Run.of("generate", model, "Once", "--max-tokens", 9, "--seed", 3)
                        .out());
    }

    @Test
    void typeIsWhatMatricesBecome() throws IOException {
        Path file = folder.resolve("small.gguf");
        JsonNode json = json(Run.of("export", model, "--to", "gguf", "--out", file, "--type", "q8_0", "--json"));
        assertThat(json.path("file").asText()).isEqualTo(file.toString());
        assertThat(json.path("bytes").asLong()).isEqualTo(Files.size(file));
        assertThat(json.path("types").path("1.down").asText()).isEqualTo("Q8_0");
        assertThat(json.has("adapter")).isFalse();
        assertThat(Run.of("inspect", file).out()).contains("\ndown       0-1              [64, 96]       Q8_0 ");
    }

    @Test
    void fileThatIsThereIsReplacedByForceOnly() throws IOException {
        Path file = Files.writeString(folder.resolve("there.gguf"), "mine");
        assertBad("salient: " + file + ": exists already\n", "--to", "gguf", "--out", file);
        assertThat(file).hasContent("mine");
        assertThat(Run.of("export", model, "--to", "gguf", "--out", file, "--force")
                        .status())
                .isZero();
        assertThat(Files.size(file)).isGreaterThan(300_000);
        Path other = folder.resolve("other.gguf");
        Path adapter = Files.writeString(folder.resolve("other.lora.gguf"), "mine");
        assertBad("salient: " + adapter + ": exists already\n", "--to", "gguf", "--out", other);
    }

    @Test
    void exportSaysWhatIsWrongInOneLine() throws IOException {
        Path file = folder.resolve("bad.gguf");
        assertBad("salient: --to: got onnx, want gguf, gptq, aqlm or hf\n", "--to", "onnx", "--out", file);
        assertBad(
                "salient: --type: got q3, want as-stored, f32, f16, bf16, q8_0 or q4_0\n",
                "--to",
                "gguf",
                "--out",
                file,
                "--type",
                "q3");
        assertBad(
                "salient: --dequantize: got --type as-stored, want the type that 2-bit matrices become\n",
                "--to",
                "gguf",
                "--out",
                file,
                "--dequantize");
        assertBad(
                "salient: x.bin: got a name without .gguf, want one that ends with it\n",
                "--to",
                "gguf",
                "--out",
                "x.bin");
        assertThat(file).doesNotExist();
    }

    @Test
    void modelWithoutATokenizerIsNotExported() throws IOException {
        Path bare = TinyModel.write(folder.resolve("bare"), 3);
        Files.delete(bare.resolve("tokenizer.json"));
        Run run = Run.of("export", bare, "--to", "gguf", "--out", folder.resolve("bare.gguf"));
        assertThat(run.status()).isEqualTo(2);
        assertThat(run.err())
                .endsWith("salient: " + bare + ": got no tokenizer, want tokenizer.json beside the weights\n");
    }

    @Test
    void denseFolderHoldsTheSameModelAndVerifySaysSo() throws IOException {
        Path dense = folder.resolve("dense");
        Run run = Run.of("export", model, "--to", "hf", "--out", dense, "--dtype", "f32", "--verify");
        assertThat(run.status()).as(run.err()).isZero();
        assertThat(run.out()).isEqualTo("""
                written    %s, %s
                F32        all matrices; norms as they were
                verified   21 tensors read back: all equal; logits of 8 tokens at most 0.0 apart
                """.formatted(dense, Words.bytes(TargetFolder.bytes(dense))));
        assertThat(Run.of("generate", dense, "Once", "--max-tokens", 9, "--seed", 3)
                        .out())
                .isEqualTo(Run.of("generate", model, "Once", "--max-tokens", 9, "--seed", 3)
                        .out());
    }

    @Test
    void roundingToHalfIsMeasuredAndSaid() throws IOException {
        JsonNode json =
                json(Run.of("export", model, "--to", "hf", "--out", folder.resolve("half"), "--verify", "--json"));
        assertThat(json.path("relativeError").asDouble()).isBetween(1e-4, 3e-4);
        assertThat(json.path("verified").path("tensors").asInt()).isEqualTo(21);
        assertThat(json.path("verified").path("equal").asInt()).isEqualTo(5);
        assertThat(json.path("verified").path("logitsApart").asDouble()).isBetween(1e-6, 1e-2);
    }

    @Test
    void folderThatIsThereIsReplacedByForceOnlyAndTheModelsOwnNever() throws IOException {
        Path there = TinyModel.write(folder.resolve("other"), 5);
        Path notes = Files.writeString(there.resolve("notes.txt"), "mine");
        Files.writeString(there.resolve("model-00001-of-00002.safetensors"), "old");
        assertBad("salient: " + there + ": exists already\n", "--to", "hf", "--out", there);
        Run forced = Run.of("export", model, "--to", "hf", "--out", there, "--dtype", "f32", "--force", "--verify");
        assertThat(forced.status()).as(forced.err()).isZero();
        assertThat(notes).hasContent("mine");
        assertThat(there.resolve("model-00001-of-00002.safetensors")).doesNotExist();
        assertBad(
                "salient: --out: got the folder of the model itself, want another\n",
                "--to",
                "hf",
                "--out",
                model,
                "--force");
    }

    /** A model with an adapter on one linear: 1 added to the first output channel's weight of input channel 0. */
    private static Path adapted(String name) throws IOException {
        Path there = TinyModel.write(folder.resolve(name), 6);
        try (Checkpoint checkpoint = Checkpoints.open(there)) {
            ModelWeights weights = checkpoint.weights();
            Map<Linear, PackedWeight> linears =
                    new EnumMap<>(weights.blocks().getFirst().linears());
            PackedWeight up = weights.blocks().getFirst().linear(Linear.UP);
            float[] a = new float[up.in()];
            float[] b = new float[up.out()];
            a[0] = 0.5f;
            b[0] = 1;
            linears.put(
                    Linear.UP,
                    new LowRank(
                            up,
                            Tensor.ofFloats(Shape.of(1, up.in()), a),
                            Tensor.ofFloats(Shape.of(up.out(), 1), b),
                            2));
            BlockWeights first = weights.blocks().getFirst();
            AdapterFiles.of(new ModelWeights(
                            weights.config(),
                            weights.embedding(),
                            List.of(first.withLinears(linears), weights.blocks().get(1)),
                            weights.finalNorm(),
                            weights.head()))
                    .write(there);
        }
        return there;
    }

    @Test
    void adapterIsFoldedInOrKept() throws IOException {
        Path there = adapted("adapted");
        Path merged = folder.resolve("merged.gguf");
        Run run = Run.of(
                "export", there, "--to", "gguf", "--out", merged, "--merge", "--type", "q8_0", "--verify", "--force");
        assertThat(run.status()).as(run.err()).isZero();
        assertThat(run.out()).matches("""
                written    .*merged\\.gguf, .*
                Q8_0       14 linears
                Q8_0       embedding
                Q8_0       head
                rounded    9\\d,\\d{3} weights, by 0\\.00\\d\\d of the weights' size on average, by 0\\.00\\d+ at most
                verified   21 tensors read back: 5 equal, 16 to the nearest; logits of 8 tokens at most 0\\.\\d+ apart
                """);
        assertThat(folder.resolve("merged.lora.gguf")).doesNotExist();
        Path apart = folder.resolve("apart");
        Run kept = Run.of(
                "export", there, "--to", "hf", "--out", apart, "--dtype", "f32", "--adapters", "peft", "--verify");
        assertThat(kept.status()).as(kept.err()).isZero();
        assertThat(kept.out())
                .contains("adapter    " + apart.resolve("adapter") + "\n")
                .contains("verified   23 tensors read back: all equal;");
        Path folded = folder.resolve("folded");
        Run dense = Run.of("export", there, "--to", "hf", "--out", folded, "--dtype", "f32", "--verify");
        assertThat(dense.out()).contains("adapter    merged\n").contains("21 tensors read back: all equal;");
        assertThat(folded.resolve("adapter")).doesNotExist();
    }

    @Test
    void packedCodesAreRewrittenAsGptqStoresThem() throws IOException {
        Path file = folder.resolve("packed.gguf");
        assertThat(Run.of("export", model, "--to", "gguf", "--out", file, "--type", "q8_0")
                        .status())
                .isZero();
        Path gptq = folder.resolve("gptq");
        Run run = Run.of("export", file, "--to", "gptq", "--out", gptq, "--dtype", "f32", "--verify");
        assertThat(run.status()).as(run.err()).isZero();
        assertThat(run.out()).isEqualTo("""
                written    %s, %s
                linears    14 of 8 bit g32
                zeros      gptq: zero points are stored less 1
                verified   21 tensors read back: all equal; logits of 8 tokens at most 0.0 apart
                """.formatted(gptq, Words.bytes(TargetFolder.bytes(gptq))));
        JsonNode json = json(Run.of(
                "export", gptq, "--to", "gptq", "--out", folder.resolve("v2"), "--zero-points", "gptq_v2", "--json"));
        assertThat(json.path("checkpointFormat").asText()).isEqualTo("gptq_v2");
        assertThat(json.path("linears").path("8 bit g32").asInt()).isEqualTo(14);
        assertBad(
                "salient: " + model
                        + ": got no quantized linear, want a quantized model; --to hf writes plain numbers\n",
                "--to",
                "gptq",
                "--out",
                folder.resolve("none"));
    }

    /** A model whose linears have random codebooks, written as runs write it. */
    private static Path withCodebooks(Path there) throws IOException {
        Random random = new Random(8);
        try (Checkpoint checkpoint = Checkpoints.open(model)) {
            QuantizedFolder target = QuantizedFolder.open(there, checkpoint);
            List<BlockWeights> blocks = checkpoint.weights().blocks();
            for (int b = 0; b < blocks.size(); b++) {
                Map<Linear, PackedWeight> linears = new EnumMap<>(Linear.class);
                for (Linear linear : Linear.values()) {
                    PackedWeight weight = blocks.get(b).linear(linear);
                    float[] vectors = new float[2 * 256 * 8];
                    float[] scales = new float[weight.out()];
                    for (int i = 0; i < vectors.length; i++) {
                        vectors[i] = (float) random.nextGaussian();
                    }
                    Arrays.fill(scales, 0.0625f);
                    int[] codes = random.ints((long) weight.out() * weight.in() / 4, 0, 256)
                            .toArray();
                    linears.put(linear, AdditiveCodebook.of(Shape.of(2, 256, 8), codes, vectors, scales));
                }
                target.writeBlock(b, blocks.get(b).withLinears(linears));
            }
            target.finish("Nothing.");
        }
        return there;
    }

    @Test
    void codebooksAreWrittenAsAqlmStoresThem() throws IOException {
        Path books = withCodebooks(folder.resolve("books"));
        Path aqlm = folder.resolve("aqlm");
        Run run = Run.of("export", books, "--to", "aqlm", "--out", aqlm, "--verify");
        assertThat(run.status()).as(run.err()).isZero();
        assertThat(run.out()).isEqualTo("""
                written    %s, %s
                linears    14 of 2x8 g8
                verified   21 tensors read back: all equal; logits of 8 tokens at most 0.0 apart
                """.formatted(aqlm, Words.bytes(TargetFolder.bytes(aqlm))));
        assertThat(Run.of("inspect", aqlm).out()).contains("2x8 g8");
        Run dense = Run.of("export", aqlm, "--to", "gguf", "--out", folder.resolve("books.gguf"), "--verify");
        assertThat(dense.out()).contains("F32        14 linears\n").contains("21 tensors read back: all equal;");
        assertBad(
                "salient: " + model
                        + ": got no linear of codebooks, want a model that has them; --to hf writes plain numbers\n",
                "--to",
                "aqlm",
                "--out",
                folder.resolve("no-books"));
    }

    @Test
    void folderWithoutATokenizerSaysWhatIsMissing() throws IOException {
        Path bare = TinyModel.write(folder.resolve("bare2"), 3);
        Files.delete(bare.resolve("tokenizer.json"));
        assertThat(Run.of("export", bare, "--to", "hf", "--out", folder.resolve("bare-hf"))
                        .out())
                .contains("\nmissing    tokenizer.json: the model came without one\n");
    }

    @Test
    void optionsOfAnotherFormatAreRefused() {
        assertBad(
                "salient: --type: got it with --to hf, want it with --to gguf\n",
                "--to",
                "hf",
                "--out",
                "x",
                "--type",
                "f16");
        assertBad(
                "salient: --merge: got it with --to hf, want it with --to gguf; --to hf merges by itself\n",
                "--to",
                "hf",
                "--out",
                "x",
                "--merge");
        assertBad(
                "salient: --adapters: got none, want merged or peft\n",
                "--to",
                "hf",
                "--out",
                "x",
                "--adapters",
                "none");
        assertBad("salient: --dtype: got f8, want f32, f16 or bf16\n", "--to", "hf", "--out", "x", "--dtype", "f8");
        assertBad(
                "salient: --merge: " + model + " has no adapter, want it for a model that has one\n",
                "--to",
                "gguf",
                "--out",
                folder.resolve("x.gguf"),
                "--merge",
                "--type",
                "f16");
        assertBad(
                "salient: --merge: got --type as-stored, want the type that merged matrices become: f16, q8_0, f32,"
                        + " bf16 or q4_0\n",
                "--to",
                "gguf",
                "--out",
                "x.gguf",
                "--merge");
    }

    private static void assertBad(String line, Object... options) {
        Object[] arguments = new Object[options.length + 2];
        arguments[0] = "export";
        arguments[1] = model;
        System.arraycopy(options, 0, arguments, 2, options.length);
        assertThat(Run.of(arguments)).isEqualTo(new Run(2, "", line));
    }

    private static JsonNode json(Run run) throws IOException {
        assertThat(run.status()).as(run.err()).isZero();
        return new ObjectMapper().readTree(run.out());
    }
}
