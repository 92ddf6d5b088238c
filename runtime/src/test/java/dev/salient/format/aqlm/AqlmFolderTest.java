package dev.salient.format.aqlm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.salient.format.Checkpoint;
import dev.salient.format.Checkpoints;
import dev.salient.format.FormatException;
import dev.salient.format.safetensors.StoredType;
import dev.salient.model.Linear;
import dev.salient.packed.AdditiveCodebook;
import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class AqlmFolderTest {
    private static final String Q = "model.layers.0.self_attn.q_proj.";

    @TempDir
    Path temporary;

    private AqlmFolder folder;

    @BeforeEach
    void makeFolder() throws IOException {
        folder = new AqlmFolder(temporary.resolve("aqlm"), 2, 8);
    }

    @ParameterizedTest
    @CsvSource({"1, 8", "2, 8", "4, 4", "2, 12", "1, 16"})
    void randomFolderIsReadValueByValue(int count, int bits) throws IOException {
        AqlmFolder random = new AqlmFolder(temporary.resolve("random"), count, bits);
        try (Checkpoint read = Checkpoints.open(random.write())) {
            for (Linear linear : Linear.values()) {
                AdditiveCodebook weight =
                        (AdditiveCodebook) read.weights().blocks().getFirst().linear(linear);
                float[] row = new float[weight.in()];
                for (int o = 0; o < weight.out(); o++) {
                    weight.decodeRow(o, row, 0);
                    assertThat(row).as("%s row %d", linear, o).isEqualTo(random.row(linear, o));
                }
            }
        }
    }

    /** Transformers 4 lists names of weights, Transformers 5 of modules. */
    @ParameterizedTest
    @ValueSource(strings = {"q_proj.weight", "q_proj"})
    void whatIsNotQuantizedStaysPlain(String name) throws IOException {
        for (String part : new String[] {"codes", "codebooks", "scales"}) {
            folder.tensors.remove(Q + part);
        }
        folder.putHalves(Q + "weight", new float[256], 16, 16);
        folder.config = folder.config.replace("\"lm_head.weight\"", "\"model.layers.0.self_attn." + name + "\"");
        try (Checkpoint read = Checkpoints.open(folder.write())) {
            assertThat(read.weights().blocks().getFirst().linear(Linear.Q).bitsPerWeight())
                    .isEqualTo(16);
        }
    }

    @Test
    void summaryNamesTheCodebooksAndCountsThem() throws IOException {
        var summary = Checkpoints.describe(folder.write());
        assertThat(summary.linearFormats()).containsOnlyKeys("2x8 g8");
        // per linear: two codes of a byte for 8 weights, two codebooks of 256 x 8 in fp16, an fp16 scale a row
        int weights = 2 * 16 * 16 + 2 * 8 * 16 + 3 * 24 * 16;
        double bits = weights / 8.0 * 16 + 7 * 2 * 256 * 8 * 16 + (16 + 8 + 8 + 16 + 24 + 24 + 16) * 16;
        assertThat(summary.bitsPerWeight()).isEqualTo(bits / weights);
        assertThat(summary.fileBitsPerWeight()).isEqualTo(bits / weights);
    }

    private void assertRefused(String message) throws IOException {
        folder.write();
        assertThatThrownBy(() -> Checkpoints.open(folder.path))
                .isInstanceOf(FormatException.class)
                .hasMessage(message);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "\"num_codebooks\": 2 | \"num_codebooks\": 0 | num_codebooks: got 0, want 1 to 255",
                "\"nbits_per_codebook\": 8 | \"nbits_per_codebook\": 17 | nbits_per_codebook: got 17, want 1 to 16",
                "\"in_group_size\": 8 | \"in_group_size\": -8 | in_group_size: got -8, want more than 0",
                "\"out_group_size\": 1 | \"out_group_size\": 2 | out_group_size: got 2, want 1",
                "\"out_group_size\": 1, | \"x\": 1, | out_group_size: got nothing, want an integer",
            })
    void settingsThatNobodyHas(String from, String to, String message) throws IOException {
        assertThat(folder.config).contains(from);
        folder.config = folder.config.replace(from, to);
        assertRefused("config.json: quantization_config: " + message);
    }

    @Test
    void listOfOtherThings() throws IOException {
        folder.config = folder.config.replace("\"lm_head.weight\"", "7");
        assertRefused("config.json: quantization_config: linear_weights_not_to_quantize:"
                + " got [\"model.embed_tokens.weight\",7], want a list of names");
    }

    @Test
    void groupsThatDoNotDivide() throws IOException {
        folder.config = folder.config.replace("\"in_group_size\": 8", "\"in_group_size\": 12");
        assertRefused("model.safetensors: " + Q + "codes: got groups of 12,"
                + " want groups that divide the rows of [16, 16]");
    }

    @Test
    void otherNumberOfCodebooks() throws IOException {
        folder.config = folder.config.replace("\"num_codebooks\": 2", "\"num_codebooks\": 3");
        assertRefused("model.safetensors: " + Q + "codes: got [16, 2, 2], want [16, 2, 3]");
    }

    @Test
    void otherBitsThanTheCodebooks() throws IOException {
        folder.config = folder.config.replace("\"nbits_per_codebook\": 8", "\"nbits_per_codebook\": 7");
        assertRefused("model.safetensors: " + Q + "codebooks: got [2, 256, 1, 8], want [2, 128, 1, 8]");
    }

    @Test
    void codesOfTheWrongType() throws IOException {
        folder.put(Q + "codes", StoredType.I16, new byte[16 * 2 * 2 * 2], 16, 2, 2);
        assertRefused("model.safetensors: " + Q + "codes: got dtype I16, want I8");
    }

    @Test
    void scalesOfAnotherShape() throws IOException {
        folder.putHalves(Q + "scales", new float[16], 16);
        assertRefused("model.safetensors: " + Q + "scales: got [16], want [16, 1, 1, 1]");
    }

    @Test
    void vectorThatIsNoNumber() throws IOException {
        float[] codebooks = new float[2 * 256 * 8];
        codebooks[5] = Float.NaN;
        folder.putHalves(Q + "codebooks", codebooks, 2, 256, 1, 8);
        assertRefused("model.safetensors: " + Q + "codebooks: got NaN at 5, want a finite number");
    }

    @Test
    void plainLinearWhereCodesArePromised() throws IOException {
        folder.tensors.remove(Q + "codes");
        folder.putHalves(Q + "weight", new float[256], 16, 16);
        assertRefused("model.safetensors: " + Q + "codes: got no such tensor");
    }

    @Test
    void codesWhereAPlainLinearIsPromised() throws IOException {
        folder.config = folder.config.replace("\"lm_head.weight\"", "\"" + Q + "weight\"");
        assertRefused("model.safetensors: " + Q + "weight: got no such tensor");
    }
}
