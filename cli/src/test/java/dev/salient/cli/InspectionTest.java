package dev.salient.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.salient.format.ModelSummary;
import dev.salient.format.ModelSummary.Part;
import dev.salient.model.ModelConfig;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class InspectionTest {
    private static final ModelConfig CONFIG =
            new ModelConfig(256, 512, 30, 4, 4, 64, 1000, 128, 10000, null, 1e-5, true);

    @Test
    void blocksOfOneFormAreOneRowAndExceptionsTheirOwn() {
        List<Part> parts = new ArrayList<>();
        parts.add(new Part("embedding", "F16", 1000, 256, 16));
        for (int b = 0; b < 30; b++) {
            parts.add(new Part(b + ".up", "2 bit g64", 512, 256, 2.25));
            parts.add(
                    b == 11 || b == 2
                            ? new Part(b + ".down", "8 bit g64", 256, 512, 8.25)
                            : new Part(b + ".down", "2 bit g64", 256, 512, 2.25));
        }
        Inspection inspection = Inspection.of(new ModelSummary(Path.of("m"), CONFIG, parts, 2.4, 2.6, 1));
        assertThat(inspection.rows())
                .containsExactly(
                        new Inspection.Row("embedding", "", 1000, 256, "F16", 16),
                        new Inspection.Row("up", "0-29", 512, 256, "2 bit g64", 2.25),
                        new Inspection.Row("down", "0-1, 3-10, 12-29", 256, 512, "2 bit g64", 2.25),
                        new Inspection.Row("down", "2, 11", 256, 512, "8 bit g64", 8.25));
    }

    @Test
    void whatDividesTheRowsIsPossible() {
        Inspection inspection = Inspection.of(new ModelSummary(Path.of("m"), CONFIG, List.of(), 2.4, 2.6, 1));
        assertThat(inspection.rowWidths()).containsExactly(256, 512);
        assertThat(inspection.groupSizes()).containsExactly(16, 32, 64, 128, 256);
        assertThat(inspection.ggufTypes())
                .containsExactly(
                        "F32",
                        "F16",
                        "BF16",
                        "Q8_0",
                        "Q5_1",
                        "Q5_0",
                        "Q4_1",
                        "Q4_0",
                        "Q2_0",
                        "Q1_0",
                        "K-quants",
                        "I-quants",
                        "TQ2_0",
                        "TQ1_0");
        assertThat(inspection.parameters()).isEqualTo(30 * (4 * 256 * 256 + 3 * 256 * 512) + 61 * 256 + 256_000);
    }
}
