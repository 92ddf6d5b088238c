package dev.salient.format;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.salient.format.safetensors.SafetensorsWriter;
import dev.salient.format.safetensors.SafetensorsWriter.Payload;
import dev.salient.format.safetensors.StoredType;
import dev.salient.tensor.Shape;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is wrong with a Hugging Face folder, one message for each. */
class HostileFolderTest {
    @TempDir
    Path temporary;

    private TinyFolder folder;

    @BeforeEach
    void makeFolder() throws IOException {
        folder = new TinyFolder(temporary.resolve("m"));
    }

    private void assertRefused(String message) {
        assertThatThrownBy(() -> Checkpoints.open(folder.path))
                .isInstanceOf(FormatException.class)
                .hasMessage(message);
    }

    private void writeRaw(String header, int dataBytes) throws IOException {
        folder.write();
        byte[] json = header.getBytes(UTF_8);
        ByteBuffer file = ByteBuffer.allocate(8 + json.length + dataBytes).order(ByteOrder.LITTLE_ENDIAN);
        Files.write(
                folder.path.resolve("model.safetensors"),
                file.putLong(json.length).put(json).array());
    }

    private void config(String from, String to) {
        assertThat(folder.config).contains(from);
        folder.config = folder.config.replace(from, to);
    }

    @Test
    void folderThatIsAsItShouldBeOpens() throws IOException {
        try (Checkpoint checkpoint = Checkpoints.open(folder.write())) {
            assertThat(checkpoint.weights().blocks()).hasSize(1);
            assertThat(checkpoint.endTokens()).containsExactly(2);
            assertThatThrownBy(checkpoint::expectTokenizer)
                    .isInstanceOf(FormatException.class)
                    .hasMessage(folder.path + ": got no tokenizer, want tokenizer.json beside the weights");
        }
    }

    @Test
    void nothingThere() {
        Path nowhere = temporary.resolve("nowhere");
        assertThatThrownBy(() -> Checkpoints.open(nowhere))
                .isInstanceOf(FormatException.class)
                .hasMessage(nowhere + ": got no such file or folder");
    }

    @Test
    void emptyFile() throws IOException {
        folder.write();
        Files.write(folder.path.resolve("model.safetensors"), new byte[0]);
        assertRefused("model.safetensors: got 0 bytes, want at least 8");
    }

    @Test
    void emptyConfiguration() throws IOException {
        folder.config = "";
        folder.write();
        assertRefused("config.json: got something else, want a JSON object");
    }

    @Test
    void missingConfiguration() throws IOException {
        folder.write();
        Files.delete(folder.path.resolve("config.json"));
        assertRefused(folder.path + ": got no config.json beside the weights");
    }

    @Test
    void brokenConfiguration() throws IOException {
        folder.config = "{\"hidden_size\": 8,\n oops}";
        folder.write();
        assertRefused("config.json: got broken JSON at line 2, column 2, want a JSON object");
    }

    @Test
    void truncatedFile() throws IOException {
        folder.write();
        Path file = folder.path.resolve("model.safetensors");
        byte[] bytes = Files.readAllBytes(file);
        Files.write(file, Arrays.copyOf(bytes, bytes.length - 100));
        assertRefused("model.safetensors: got 2940 bytes of data, want 3040");
    }

    @Test
    void trailingBytes() throws IOException {
        folder.write();
        Path file = folder.path.resolve("model.safetensors");
        byte[] bytes = Files.readAllBytes(file);
        Files.write(file, Arrays.copyOf(bytes, bytes.length + 1));
        assertRefused("model.safetensors: got 3041 bytes of data, want 3040");
    }

    @Test
    void headerLargerThanTheFile() throws IOException {
        folder.write();
        byte[] bytes = new byte[24];
        Arrays.fill(bytes, 0, 8, (byte) 0xFF);
        Files.write(folder.path.resolve("model.safetensors"), bytes);
        assertRefused("model.safetensors: header: got 18446744073709551615 bytes, want 2 to 16");
    }

    @Test
    void overlappingTensors() throws IOException {
        writeRaw("""
                {"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}
                """, 12);
        assertRefused("model.safetensors: b: got data from byte 4, want 8, where the tensor before it ends");
    }

    @Test
    void holeBetweenTensors() throws IOException {
        writeRaw("""
                {"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[12,16]}}
                """, 16);
        assertRefused("model.safetensors: b: got data from byte 12, want 8, where the tensor before it ends");
    }

    @Test
    void shapeThatDoesNotFitItsBytes() throws IOException {
        writeRaw("{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}}", 8);
        assertRefused("model.safetensors: a: got 8 bytes, want 12 for F32 [3]");
    }

    @Test
    void oversizedShape() throws IOException {
        writeRaw("{\"a\":{\"dtype\":\"F32\",\"shape\":[2000000000,2000000000,2000000000],\"data_offsets\":[0,8]}}", 8);
        assertRefused("model.safetensors: header: a: shape: got [2000000000,2000000000,2000000000],"
                + " want one that a file can hold");
    }

    @Test
    void offsetsThatRunBackwards() throws IOException {
        writeRaw("{\"a\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[8,0]}}", 8);
        assertRefused("model.safetensors: header: a: data_offsets: got [8,0], want [begin, end]");
    }

    @Test
    void unknownElementType() throws IOException {
        writeRaw("{\"a\":{\"dtype\":\"F33\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8);
        assertRefused("model.safetensors: header: a: dtype: got \"F33\", want one of [BOOL, U8, I8, F8_E5M2, F8_E4M3,"
                + " I16, U16, F16, BF16, I32, U32, F32, F64, I64, U64]");
    }

    @Test
    void nameThatComesTwice() throws IOException {
        writeRaw("{\"a\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0,1]},\"a\":3}", 1);
        assertRefused("model.safetensors: header: got broken JSON at line 1, column 56, want a JSON object");
    }

    @Test
    void wrongElementTypeForAWeight() throws IOException {
        folder.tensors.put(
                "model.norm.weight", Payload.of(StoredType.I32, Shape.of(8), MemorySegment.ofArray(new byte[32])));
        folder.write();
        assertRefused("model.safetensors: model.norm.weight: got dtype I32, want F32, F16 or BF16");
    }

    @Test
    void wrongShape() throws IOException {
        folder.put("model.layers.0.mlp.down_proj.weight", 16, 8);
        folder.write();
        assertRefused("model.safetensors: model.layers.0.mlp.down_proj.weight: got [16, 8], want [8, 16]");
    }

    @Test
    void nameThatWouldWriteToATerminal() throws IOException {
        folder.put("a\033[2J\n" + "b".repeat(5000), 1);
        folder.write();
        assertRefused("model.safetensors: a?[2J?" + "b".repeat(972) + "...");
    }

    @Test
    void configurationThatLooksLikeUtf32() throws IOException {
        folder.write();
        Files.write(folder.path.resolve("config.json"), new byte[] {0, 0, 0, '{', 0x63, 0x67, 0x69, 0x74});
        assertRefused("config.json: got bytes that are no UTF-8, want a JSON object");
    }

    @Test
    void templateThatIsNoText() throws IOException {
        folder.write();
        Files.write(folder.path.resolve("chat_template.jinja"), new byte[] {'a', (byte) 0xFF});
        assertRefused("chat_template.jinja: got bytes that are no UTF-8, want a Jinja template");
    }

    @Test
    void missingTensor() throws IOException {
        folder.tensors.remove("model.layers.0.self_attn.o_proj.weight");
        folder.write();
        assertRefused("model.safetensors: model.layers.0.self_attn.o_proj.weight: got no such tensor");
    }

    @Test
    void tensorThatNobodyReads() throws IOException {
        folder.put("model.layers.0.self_attn.q_norm.weight", 4);
        folder.write();
        assertRefused("model.safetensors: model.layers.0.self_attn.q_norm.weight:"
                + " got a tensor that no part of the model reads");
    }

    @Test
    void biasThatTheFamilyDoesNotHave() throws IOException {
        folder.put("model.layers.0.self_attn.q_proj.bias", 8);
        folder.write();
        assertRefused("model.safetensors: model.layers.0.self_attn.q_proj.bias: got a bias, want none or zeros");
    }

    @Test
    void notANumberInANorm() throws IOException {
        folder.put("model.norm.weight", new float[] {1, 1, Float.NaN, 1, 1, 1, 1, 1}, 8);
        folder.write();
        assertRefused("model.safetensors: model.norm.weight: got NaN at 2, want a finite number");
    }

    @Test
    void notANumberInAWeightIsFoundByTheFullScan() throws IOException {
        float[] values = new float[32];
        values[9] = Float.NEGATIVE_INFINITY;
        folder.put("model.layers.0.self_attn.v_proj.weight", values, 4, 8);
        try (Checkpoint checkpoint = Checkpoints.open(folder.write())) {
            assertThatThrownBy(() -> Checkpoints.requireFinite(checkpoint))
                    .isInstanceOf(FormatException.class)
                    .hasMessage(folder.path + ": 0.v: got -Infinity at [1, 1], want a finite number");
        }
    }

    @Test
    void pickleAlone() throws IOException {
        Files.write(folder.path.resolve("pytorch_model.bin"), new byte[] {(byte) 0x80, 2});
        assertRefused(folder.path + ": got pytorch_model.bin, a pickle, which can run code when read;"
                + " want model.safetensors: convert it with Transformers' save_pretrained");
    }

    @Test
    void folderWithoutWeights() {
        assertRefused(folder.path + ": got no weights, want model.safetensors, its index, or a .gguf file");
    }

    @Test
    void oneSafetensorsFile() throws IOException {
        Path file = folder.write().resolve("model.safetensors");
        assertThatThrownBy(() -> Checkpoints.open(file))
                .isInstanceOf(FormatException.class)
                .hasMessage(file + ": got one safetensors file, want the folder that holds it");
    }

    @Test
    void indexThatLeavesTheFolder() throws IOException {
        folder.write();
        Files.delete(folder.path.resolve("model.safetensors"));
        Files.writeString(
                folder.path.resolve("model.safetensors.index.json"),
                "{\"weight_map\":{\"lm_head.weight\":\"../other/model.safetensors\"}}");
        assertRefused("model.safetensors.index.json: weight_map: lm_head.weight: got \"../other/model.safetensors\","
                + " want the name of a file in the same folder");
    }

    @Test
    void indexThatNamesAMissingShard() throws IOException {
        folder.write();
        Files.delete(folder.path.resolve("model.safetensors"));
        Files.writeString(
                folder.path.resolve("model.safetensors.index.json"),
                "{\"weight_map\":{\"lm_head.weight\":\"a.safetensors\"}}");
        assertRefused("model.safetensors.index.json: got a shard a.safetensors that is not there");
    }

    @Test
    void indexThatNamesTheWrongShard() throws IOException {
        folder.write();
        Files.move(folder.path.resolve("model.safetensors"), folder.path.resolve("a.safetensors"));
        SafetensorsWriter.write(folder.path.resolve("b.safetensors"), Map.of(), Map.of());
        Files.writeString(
                folder.path.resolve("model.safetensors.index.json"),
                "{\"weight_map\":{\"lm_head.weight\":\"b.safetensors\"}}");
        assertRefused("model.safetensors.index.json: lm_head.weight: got shard b.safetensors, which does not hold it");
    }

    @Test
    void otherArchitecture() throws IOException {
        config("LlamaForCausalLM", "FalconForCausalLM");
        folder.write();
        assertRefused("config.json: architectures: got [\"FalconForCausalLM\"], want one of LlamaForCausalLM,"
                + " MistralForCausalLM, Qwen2ForCausalLM, Qwen3ForCausalLM, Phi3ForCausalLM, Gemma2ForCausalLM,"
                + " Gemma3ForCausalLM");
    }

    @Test
    void slidingWindow() throws IOException {
        config("LlamaForCausalLM\"]", "MistralForCausalLM\"], \"sliding_window\": -1");
        folder.write();
        assertRefused("config.json: sliding_window: got -1, want more than 0");
    }

    @Test
    void otherActivation() throws IOException {
        config("\"rms", "\"hidden_act\": \"gelu\", \"rms");
        folder.write();
        assertRefused("config.json: hidden_act: got \"gelu\", want silu");
    }

    @Test
    void attentionBias() throws IOException {
        config("\"rms", "\"attention_bias\": true, \"rms");
        folder.write();
        assertRefused("model.safetensors: model.layers.0.self_attn.q_proj.bias: got no such tensor");
        config("LlamaForCausalLM", "MistralForCausalLM");
        folder.write();
        assertRefused("config.json: attention_bias: got true, want false");
    }

    @Test
    void otherRopeScaling() throws IOException {
        config("\"rms", "\"rope_scaling\": {\"type\": \"dynamic\", \"factor\": 2}, \"rms");
        folder.write();
        assertRefused(
                "config.json: rope_scaling: type: got \"dynamic\", want default, linear, llama3, yarn or longrope");
    }

    @Test
    void sizeThatIsNoNumber() throws IOException {
        config("\"hidden_size\": 8", "\"hidden_size\": \"8\"");
        folder.write();
        assertRefused("config.json: hidden_size: got \"8\", want an integer");
    }

    @Test
    void headsThatDoNotDivide() throws IOException {
        config("\"num_key_value_heads\": 1", "\"num_key_value_heads\": 3");
        folder.write();
        assertRefused("config.json: heads: 3 key/value heads do not divide 2 heads");
    }

    @Test
    void otherQuantization() throws IOException {
        config("\"rms", "\"quantization_config\": {\"quant_method\": \"hqq\", \"bits\": 2}, \"rms");
        folder.write();
        assertRefused("config.json: quantization_config: quant_method: got \"hqq\","
                + " want \"gptq\", \"awq\" or \"aqlm\", the quantized folders that are read");
    }
}
