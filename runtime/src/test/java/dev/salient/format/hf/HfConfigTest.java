package dev.salient.format.hf;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.salient.format.FamilyModel;
import dev.salient.format.FormatException;
import dev.salient.format.json.JsonObject;
import dev.salient.model.Family;
import dev.salient.model.Linear;
import dev.salient.model.ModelConfig;
import dev.salient.model.RopeScaling;
import dev.salient.model.SlidingWindow;
import dev.salient.model.Traits;
import java.io.IOException;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class HfConfigTest {
    private static final RopeScaling SCALING = new RopeScaling.Llama3(32, 1, 4, 8192);

    private static ModelConfig read(String more) throws IOException {
        String json = "{\"architectures\":[\"LlamaForCausalLM\"],\"hidden_size\":64,\"intermediate_size\":96,"
                + "\"num_hidden_layers\":3,\"num_attention_heads\":4,\"vocab_size\":40" + more + "}";
        return HfConfig.read(JsonObject.parse("config.json", json.getBytes(UTF_8)));
    }

    @Test
    void whatIsNotSaidIsAsTransformersHasIt() throws IOException {
        assertThat(read("")).isEqualTo(new ModelConfig(64, 96, 3, 4, 4, 16, 40, 2048, 10000, null, 1e-6, false));
    }

    @Test
    void llama3ScalingIsReadUnderItsOldSpelling() throws IOException {
        ModelConfig config = read(",\"rope_theta\":500000.0,\"rope_scaling\":{\"factor\":32.0,\"low_freq_factor\":1.0,"
                + "\"high_freq_factor\":4.0,\"original_max_position_embeddings\":8192,\"rope_type\":\"llama3\"}");
        assertThat(config.ropeScaling()).isEqualTo(SCALING);
        assertThat(config.ropeBase()).isEqualTo(500000);
    }

    @Test
    void llama3ScalingIsReadUnderItsNewSpelling() throws IOException {
        ModelConfig config = read(",\"rope_parameters\":{\"rope_theta\":500000.0,\"factor\":32.0,"
                + "\"low_freq_factor\":1.0,\"high_freq_factor\":4.0,\"original_max_position_embeddings\":8192,"
                + "\"rope_type\":\"llama3\"}");
        assertThat(config.ropeScaling()).isEqualTo(SCALING);
        assertThat(config.ropeBase()).isEqualTo(500000);
    }

    @Test
    void defaultScalingUnderTheNewSpellingIsNone() throws IOException {
        ModelConfig config = read(",\"rope_parameters\":{\"rope_theta\":20000.0,\"rope_type\":\"default\"}");
        assertThat(config.ropeScaling()).isNull();
        assertThat(config.ropeBase()).isEqualTo(20000);
    }

    @Test
    void headSizeNeedNotFollowFromTheHiddenSize() throws IOException {
        assertThat(read(",\"head_dim\":32").headSize()).isEqualTo(32);
    }

    @Test
    void incompleteScalingNamesWhatIsMissing() {
        assertThatThrownBy(() -> read(",\"rope_scaling\":{\"rope_type\":\"llama3\",\"low_freq_factor\":1.0}"))
                .isInstanceOf(FormatException.class)
                .hasMessage("config.json: rope_scaling: high_freq_factor: got nothing, want a number");
    }

    @Test
    void headsThatDoNotDivideTheHiddenSizeAreRefused() {
        assertThatThrownBy(() -> read(",\"num_attention_heads\":5")).isInstanceOf(FormatException.class);
    }

    private static ModelConfig read(String architecture, String more) throws IOException {
        String json = "{\"architectures\":[\"" + architecture + "\"],\"hidden_size\":64,\"intermediate_size\":96,"
                + "\"num_hidden_layers\":6,\"num_attention_heads\":4,\"vocab_size\":40" + more + "}";
        return HfConfig.read(JsonObject.parse("config.json", json.getBytes(UTF_8)));
    }

    @Test
    void gemma3IsReadAsItsFirstFilesSpellIt() throws IOException {
        ModelConfig config = read(
                "Gemma3ForCausalLM",
                ",\"head_dim\":32,\"sliding_window\":512,\"sliding_window_pattern\":6,\"rope_theta\":1000000,"
                        + "\"rope_local_base_freq\":10000,\"query_pre_attn_scalar\":256,\"rope_scaling\":"
                        + "{\"factor\":8.0,\"rope_type\":\"linear\"},\"final_logit_softcapping\":null");
        assertThat(config.tiedEmbeddings()).isTrue();
        assertThat(config.ropeScaling()).isEqualTo(new RopeScaling.Linear(8));
        assertThat(config.traits())
                .isEqualTo(new Traits(
                        Family.GEMMA3, Set.of(), 1.0 / 16, 0, 0, new SlidingWindow(512, Set.of(0, 1, 2, 3, 4), 10000)));
    }

    @Test
    void gemma2HasItsBoundsAndWindowsWhereNothingIsSaid() throws IOException {
        assertThat(read("Gemma2ForCausalLM", "").traits())
                .isEqualTo(new Traits(
                        Family.GEMMA2, Set.of(), 1.0 / 16, 50, 30, new SlidingWindow(4096, Set.of(0, 2, 4), 0)));
    }

    @Test
    void qwen2HasBiasesAndNoWindowUnlessItSaysSo() throws IOException {
        Set<Linear> biased = Set.of(Linear.Q, Linear.K, Linear.V);
        String window = ",\"sliding_window\":128,\"max_window_layers\":4,\"use_sliding_window\":";
        assertThat(read("Qwen2ForCausalLM", window + "false").traits())
                .isEqualTo(new Traits(Family.QWEN2, biased, 0.25, 0, 0, null));
        assertThat(read("Qwen2ForCausalLM", window + "true").traits().window())
                .isEqualTo(new SlidingWindow(128, Set.of(4, 5), 0));
    }

    @Test
    void mistralWhoseWindowIsAsLongAsItsContextHasNone() throws IOException {
        String context = ",\"max_position_embeddings\":4096,\"num_key_value_heads\":2";
        assertThat(read("MistralForCausalLM", context).traits().window()).isNull();
        assertThat(read("MistralForCausalLM", context + ",\"sliding_window\":null")
                        .traits()
                        .window())
                .isNull();
        assertThat(read("MistralForCausalLM", context + ",\"sliding_window\":1024")
                        .windowOf(5))
                .isEqualTo(1024);
    }

    @Test
    void phi3sLongContextEndsWhereItsFactorsWouldChange() throws IOException {
        String factors = "\"short_factor\":[1,1,1,1,2,2,2,2],\"long_factor\":[1,2,3,4,5,6,7,8]";
        ModelConfig config = read(
                "Phi3ForCausalLM",
                ",\"max_position_embeddings\":131072,\"original_max_position_embeddings\":4096,"
                        + "\"sliding_window\":262144,\"rope_scaling\":{\"type\":\"su\"," + factors + "}");
        assertThat(config.contextLength()).isEqualTo(4096);
        assertThat(config.family()).isEqualTo(Family.LLAMA);
        double magnitude = Math.sqrt(1 + Math.log(32) / Math.log(4096));
        assertThat(config.attentionScale()).isCloseTo(magnitude * magnitude / 4, within(1e-12));
        assertThat(config.ropeFrequencies()[4]).isCloseTo(Math.pow(10000, -0.5) / 2, within(1e-12));
    }

    @Test
    void partlyRotatedHeadsOfPhi4AreRefused() {
        assertThatThrownBy(() -> read("Phi3ForCausalLM", ",\"partial_rotary_factor\":0.75"))
                .isInstanceOf(FormatException.class)
                .hasMessage("config.json: partial_rotary_factor: got 0.75, want 1");
    }

    @Test
    void otherKindsOfBlocksAreRefused() {
        assertThatThrownBy(() -> read(
                        "Qwen3ForCausalLM",
                        ",\"use_sliding_window\":true,\"layer_types\":[\"chunked_attention\",1,2,3,4,5]"))
                .isInstanceOf(FormatException.class)
                .hasMessage("config.json: layer_types: got [\"chunked_attention\",1,2,3,4,5],"
                        + " want a list of full_attention and sliding_attention");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"llama3", "llama-bias", "mistral", "qwen2", "qwen2-window", "qwen3", "phi3", "gemma2", "gemma3"})
    void configurationThatWeWriteIsReadAsTheSameModel(String family) throws IOException {
        ModelConfig want = HfConfig.read(parse(FamilyModel.of(family).config()));
        ModelConfig got = HfConfig.read(parse(HfConfigJson.of(want)));
        assertThat(got).isEqualTo(want);
    }

    private static JsonObject parse(ObjectNode json) throws IOException {
        return JsonObject.parse("config.json", json.toString().getBytes(UTF_8));
    }
}
