package dev.salient.format.hf;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.salient.format.FormatException;
import dev.salient.format.json.JsonObject;
import dev.salient.model.ModelConfig;
import dev.salient.model.RopeScaling;
import java.io.IOException;
import org.junit.jupiter.api.Test;

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
}
