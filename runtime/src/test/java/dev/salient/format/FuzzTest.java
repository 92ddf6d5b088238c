package dev.salient.format;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import dev.salient.format.aqlm.AqlmFolder;
import dev.salient.format.awq.AwqFolder;
import dev.salient.format.gguf.Imatrix;
import dev.salient.format.gptq.QuantizedFolder;
import dev.salient.format.gptq.RandomModel;
import dev.salient.format.gptq.RandomModel.Grid;
import dev.salient.format.safetensors.Shards;
import dev.salient.model.Linear;
import dev.salient.model.LinearId;
import dev.salient.model.ModelConfig;
import dev.salient.model.ModelWeights;
import dev.salient.packed.ScaleMixture;
import dev.salient.packed.SuperBlocks;
import dev.salient.packed.SuperFormat;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Spoilt files of every format: each is read, or refused with a FormatException of one line, and never makes the reader
 * allocate much more than the file is large.
 *
 * <p>The long run: {@code mvn test -pl runtime -Dtest=FuzzTest -Dsalient.fuzz=100000}.
 */
class FuzzTest {
    private static final int ROUNDS = Integer.getInteger("salient.fuzz", 200);
    /** The files here have 2 to 100 kB. */
    private static final long MOST_BYTES = 16 << 20;

    private static final ModelConfig SMALL = new ModelConfig(32, 32, 1, 2, 1, 16, 10, 32, 10000, null, 1e-5, true);
    private static final String CONFIG = """
            {"architectures": ["LlamaForCausalLM"], "hidden_size": 32, "intermediate_size": 32,
             "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1, "vocab_size": 10,
             "max_position_embeddings": 32, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "eos_token_id": 2,
             "tie_word_embeddings": true, "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
             "high_freq_factor": 4.0, "original_max_position_embeddings": 16}}
            """;
    private static final String TOKENIZER = """
            {"version": "1.0", "truncation": null, "padding": null, "normalizer": null, "post_processor": null,
             "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
             "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
             "added_tokens": [{"id": 6, "content": "<|end|>", "single_word": false, "lstrip": false, "rstrip": false,
               "normalized": false, "special": true}],
             "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
               "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
               "vocab": {"a": 0, "b": 1, "c": 2, "ab": 3, "abc": 4, "d": 5, "e": 7, "f": 8, "g": 9},
               "merges": ["a b", "ab c"]}}
            """;

    @TempDir
    Path temporary;

    /** Something that reads files. */
    private interface Reading {
        void read() throws IOException;
    }

    /** Spoils one of these files at a time, and reads. */
    private static void fuzz(String name, int rounds, Reading reading, Path... files) throws IOException {
        List<byte[]> good = new ArrayList<>();
        for (Path file : files) {
            good.add(Files.readAllBytes(file));
        }
        reading.read();
        ThreadMXBean thread = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        int refused = 0;
        for (int round = 0; round < rounds; round++) {
            int f = round % files.length;
            byte[] bad = Spoiler.spoil(good.get(f), new Random(round), 2000);
            Files.write(files[f], bad);
            long before = thread.getCurrentThreadAllocatedBytes();
            try {
                reading.read();
            } catch (FormatException e) {
                assertThat(e.getMessage())
                        .as("round %d", round)
                        .hasSizeLessThanOrEqualTo(1000)
                        .doesNotContain("\n", "\033");
                refused++;
            } catch (IOException | RuntimeException | Error e) {
                throw new AssertionError("%s, round %d: %s".formatted(files[f].getFileName(), round, e), e);
            }
            assertThat(thread.getCurrentThreadAllocatedBytes() - before)
                    .as("%s, round %d: bytes allocated", files[f].getFileName(), round)
                    .isLessThan(MOST_BYTES);
            Files.write(files[f], good.get(f));
        }
        assertThat(refused).isGreaterThan(rounds / 10);
        if (Integer.getInteger("salient.fuzz") != null) { // a long run, of which somebody wants to hear
            System.out.printf("%s: %d spoilt files, %d refused%n", name, rounds, refused);
        }
    }

    /** Opens a model and looks at a weight of each of its linears. */
    private static Reading model(Path source) {
        return () -> {
            try (Checkpoint checkpoint = Checkpoints.open(source)) {
                ModelWeights weights = checkpoint.weights();
                for (Linear linear : Linear.values()) {
                    var weight = ScaleMixture.even(weights.blocks().getFirst().linear(linear));
                    weight.decodeRow(weight.out() - 1, new float[weight.in()], 0);
                }
                Checkpoints.describe(checkpoint);
            }
        };
    }

    private static ModelWeights random(RandomModel.Maker maker) {
        return new RandomModel(60).weights(SMALL, maker);
    }

    private Path folder(String name) throws IOException {
        Path folder = Files.createDirectories(temporary.resolve(name));
        Files.writeString(folder.resolve("config.json"), CONFIG);
        return folder;
    }

    @Test
    void denseFolder() throws IOException {
        TinyFolder tiny = new TinyFolder(temporary.resolve("dense"));
        Path folder = tiny.write();
        fuzz("dense folder", ROUNDS, model(folder), folder.resolve("model.safetensors"), folder.resolve("config.json"));
    }

    @Test
    void filesBesideTheWeights() throws IOException {
        TinyFolder tiny = new TinyFolder(temporary.resolve("beside"));
        Path folder = tiny.write();
        Path tokenizer = Files.writeString(folder.resolve("tokenizer.json"), TOKENIZER);
        Path config = Files.writeString(
                folder.resolve("tokenizer_config.json"),
                "{\"eos_token\": \"<|end|>\", \"chat_template\": \"{{ a }}\"}");
        Path generation = Files.writeString(folder.resolve("generation_config.json"), "{\"eos_token_id\": [2, 6]}");
        Path template =
                Files.writeString(folder.resolve("chat_template.jinja"), "{% for m in messages %}é{% endfor %}");
        fuzz("tokenizer and settings", ROUNDS, model(folder), tokenizer, config, generation, template);
    }

    /** The file that lies beside the folder is a whole shard: an index that leads to it would be read. */
    @Test
    void indexOfShardsNeverLeadsOutOfTheFolder() throws IOException {
        TinyFolder tiny = new TinyFolder(temporary.resolve("sharded"));
        Path folder = tiny.write();
        Files.copy(folder.resolve("model.safetensors"), temporary.resolve("a.safetensors"));
        Files.delete(folder.resolve("model.safetensors"));
        Shards.write(folder, new TreeMap<>(tiny.tensors), 1000);
        Path index = folder.resolve("model.safetensors.index.json");
        fuzz("index of shards", ROUNDS, model(folder), index);
        String good = Files.readString(index);
        Random random = new Random(61);
        String outside = temporary.resolve("a.safetensors").toString();
        String[] ways = {
            "../a.safetensors",
            "./../a.safetensors",
            outside,
            "sub/../../a.safetensors",
            "..",
            ".",
            "/",
            "",
            "..\\\\a.safetensors",
            "a\\u0000.safetensors",
            "../a.safetensors/",
            "~/a.safetensors",
            "file:///a.safetensors"
        };
        for (int round = 0; round < ROUNDS; round++) {
            String way = ways[random.nextInt(ways.length)];
            String[] names = good.split("model-0000\\d-of-0000\\d\\.safetensors", -1);
            int at = 1 + random.nextInt(names.length - 1);
            int from = String.join(
                            "model-00001-of-00001.safetensors", List.of(names).subList(0, at))
                    .length();
            String bad =
                    good.substring(0, from) + way + good.substring(from + "model-00001-of-00001.safetensors".length());
            Files.writeString(index, bad);
            assertThat(org.assertj.core.api.Assertions.catchThrowable(
                            () -> model(folder).read()))
                    .as("%s", way)
                    .isInstanceOf(FormatException.class);
        }
    }

    @Test
    void gguf() throws IOException {
        TinyGguf gguf = new TinyGguf();
        gguf.metadata.put("tokenizer.ggml.model", "gpt2");
        gguf.metadata.put("tokenizer.ggml.pre", "default");
        gguf.metadata.put("tokenizer.ggml.tokens", List.of("a", "b", "ab", "c", "d", "e", "f", "g", "h", "i"));
        gguf.metadata.put("tokenizer.ggml.token_type", List.of(1, 1, 1, 1, 1, 3, 1, 1, 1, 1));
        gguf.metadata.put("tokenizer.ggml.merges", List.of("a b"));
        gguf.metadata.put("tokenizer.chat_template", "{{ messages }}");
        Path file = Files.write(temporary.resolve("m.gguf"), gguf.bytes());
        fuzz("GGUF", ROUNDS, model(file), file);
    }

    /** Every type that has groups: one linear each. */
    @Test
    void ggufInGroups() throws IOException {
        int[][] types = {
            {2, 18, 32},
            {3, 20, 32},
            {6, 22, 32},
            {7, 24, 32},
            {8, 34, 32},
            {10, 84, 256},
            {11, 110, 256},
            {12, 144, 256},
            {13, 176, 256},
            {14, 210, 256},
            {20, 18, 32},
            {23, 136, 256},
            {34, 54, 256},
            {35, 66, 256},
            {41, 18, 128},
            {42, 18, 64}
        };
        int seed = 0;
        for (int[] type : types) {
            TinyGguf gguf = new TinyGguf();
            gguf.metadata.put("llama.feed_forward_length", 256);
            gguf.floats("blk.0.ffn_gate.weight", 8, 256);
            gguf.floats("blk.0.ffn_up.weight", 8, 256);
            byte[] data = new byte[8 * 256 / type[2] * type[1]];
            new Random(seed++).nextBytes(data);
            gguf.put("blk.0.ffn_down.weight", type[0], data, 256, 8);
            Path file = Files.write(temporary.resolve("type" + type[0] + ".gguf"), gguf.bytes());
            fuzz("GGUF in groups", Math.max(20, ROUNDS / types.length), model(file), file);
        }
    }

    @Test
    void gptqFolderWithItsAdapter() throws IOException {
        RandomModel model = new RandomModel(62);
        ModelWeights weights = random(
                (b, l, out, in) -> model.adapted(model.affine(out, in, Grid.signed2(32)), 2, l == Linear.Q ? 1 : 2));
        Path folder = temporary.resolve("gptq");
        QuantizedFolder target = QuantizedFolder.open(folder, RandomModel.checkpoint(folder("source"), weights));
        target.writeBlock(0, weights.blocks().getFirst());
        target.finish("Nothing.");
        fuzz(
                "GPTQ with adapter",
                ROUNDS,
                model(folder),
                folder.resolve("model-00001-of-00002.safetensors"),
                folder.resolve("config.json"),
                folder.resolve("adapter/adapter_config.json"),
                folder.resolve("adapter/adapter_model.safetensors"));
    }

    @Test
    void folderInBlocks() throws IOException {
        ModelConfig wide = new ModelConfig(256, 256, 1, 4, 1, 64, 10, 32, 10000, null, 1e-5, true);
        ModelWeights weights = new RandomModel(64).weights(wide, (b, l, out, in) -> {
            SuperFormat format = switch (l) {
                case Q -> SuperFormat.Q2_K;
                case K -> SuperFormat.Q3_K;
                case V -> SuperFormat.Q4_K;
                case O -> SuperFormat.Q5_K;
                case GATE -> SuperFormat.Q6_K;
                case UP -> SuperFormat.IQ4_NL;
                case DOWN -> SuperFormat.IQ4_XS;
            };
            byte[] data = new byte[out * in / format.blockSize() * format.byteCount()];
            new Random(out + in).nextBytes(data);
            return new SuperBlocks(out, in, format, MemorySegment.ofArray(data));
        });
        Path source = Files.createDirectories(temporary.resolve("wide"));
        Files.writeString(
                source.resolve("config.json"),
                CONFIG.replace("_size\": 32", "_size\": 256")
                        .replace("\"num_attention_heads\": 2", "\"num_attention_heads\": 4"));
        Path folder = temporary.resolve("blocks");
        QuantizedFolder target = QuantizedFolder.open(folder, RandomModel.checkpoint(source, weights));
        target.writeBlock(0, weights.blocks().getFirst());
        target.finish("Nothing.");
        fuzz(
                "folder in blocks",
                ROUNDS,
                model(folder),
                folder.resolve("model-00001-of-00002.safetensors"),
                folder.resolve("config.json"));
    }

    @Test
    void folderOfScalesThatFollowTheToken() throws IOException {
        ModelConfig wide = new ModelConfig(64, 64, 1, 2, 1, 32, 10, 32, 10000, null, 1e-5, true);
        RandomModel random = new RandomModel(65);
        ModelWeights weights = random.weights(wide, (b, l, out, in) -> random.mixture(out, in, 3));
        Path source = Files.createDirectories(temporary.resolve("mixed"));
        Files.writeString(source.resolve("config.json"), CONFIG.replace("_size\": 32", "_size\": 64"));
        Path folder = temporary.resolve("mixtures");
        QuantizedFolder target = QuantizedFolder.open(folder, RandomModel.checkpoint(source, weights));
        target.writeBlock(0, weights.blocks().getFirst());
        target.finish("Nothing.");
        fuzz(
                "folder of scales by token",
                ROUNDS,
                model(folder),
                folder.resolve("model-00001-of-00002.safetensors"),
                folder.resolve("config.json"));
    }

    @Test
    void awqFolder() throws IOException {
        Path folder = new AwqFolder(temporary.resolve("awq"), 63).write();
        fuzz("AWQ", ROUNDS, model(folder), folder.resolve("model.safetensors"), folder.resolve("config.json"));
    }

    @Test
    void aqlmFolder() throws IOException {
        Path folder = new AqlmFolder(temporary.resolve("aqlm"), 2, 8).write();
        fuzz("AQLM", ROUNDS, model(folder), folder.resolve("model.safetensors"), folder.resolve("config.json"));
    }

    @Test
    void imatrix() throws IOException {
        Path file = temporary.resolve("imatrix.gguf");
        float[] energies = new float[32];
        java.util.Arrays.fill(energies, 0.5f);
        new Imatrix(Map.of(new LinearId(0, Linear.Q), energies)).write(file, "c4.txt", 2, 4);
        fuzz("imatrix", ROUNDS, () -> Imatrix.read(file, SMALL), file);
    }
}
