package dev.salient.pipeline;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.salient.format.Checkpoint;
import dev.salient.format.Checkpoints;
import dev.salient.method.Adapters;
import dev.salient.method.Grid;
import dev.salient.method.HeldOut;
import dev.salient.method.Method;
import dev.salient.method.Method.Start;
import dev.salient.method.Preservation;
import dev.salient.method.Stage;
import dev.salient.method.Terms;
import dev.salient.method.TokenWeighting;
import dev.salient.model.Linear;
import dev.salient.model.LinearId;
import dev.salient.packed.GroupAffine;
import dev.salient.packed.LowRank;
import dev.salient.packed.PackedWeight;
import dev.salient.torch.TorchDevice.Precision;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The numbers of report.json, counted once more in the folder of weights, by other and slower ways. */
class RunReportTest {
    @TempDir
    Path folder;

    private JsonNode report = new ObjectMapper().createObjectNode();

    @BeforeEach
    void run() throws IOException {
        TinyLlama.write(folder.resolve("model"), 7);
        Files.writeString(folder.resolve("text.txt"), "The quick brown fox. ".repeat(60));
        Stage stage = new Stage(Stage.Objective.MIXED, Terms.NONE, 2, 5e-4, 5e-3, 0, 0.1, false);
        Preservation preservation = new Preservation(
                Preservation.Saliency.FISHER, Preservation.Place.BEFORE_ADAPTER, 0.1, Preservation.Scale.RELATIVE, 1);
        Method method = new Method.PartialRetraining(
                new Grid.Signed2(64),
                Start.SQUARED_ERROR,
                new Adapters(Adapters.Kind.LORA, 4, 16, Adapters.Start.ZERO),
                Method.Scope.BLOCK,
                TokenWeighting.RELATIVE,
                preservation,
                List.of(stage),
                HeldOut.NONE);
        RunSettings settings = new RunSettings(
                folder.resolve("model"),
                folder.resolve("out"),
                method,
                Map.of(new LinearId(1, Linear.UP), new Grid.Signed(8, 64)),
                null,
                0,
                Target.NONE,
                new RunSettings.Calibration(List.of(folder.resolve("text.txt")), 3, 24, 2),
                new RunSettings.Machine("cpu", Precision.HIGHEST, 1, 4L << 30, folder.resolve("cache")),
                11,
                false);
        QuantizationRun.run(settings, new Runs.Silent());
        report = new ObjectMapper()
                .readTree(folder.resolve("out").resolve("report.json").toFile());
    }

    private static PackedWeight base(PackedWeight weight) {
        return weight instanceof LowRank adapted ? adapted.base() : weight;
    }

    @Test
    void codesAndScalesAreThoseOfTheFiles() throws IOException {
        try (Checkpoint written = Checkpoints.open(folder.resolve("out"))) {
            for (JsonNode grid : report.path("grids")) {
                int bits = Integer.parseInt(grid.path("form").asText().split(" ", 2)[0]);
                List<GroupAffine> weights = written.weights().blocks().stream()
                        .flatMap(block -> Arrays.stream(Linear.values()).map(block::linear))
                        .map(RunReportTest::base)
                        .map(GroupAffine.class::cast)
                        .filter(weight -> weight.bits() == bits)
                        .toList();
                assertThat(weights).hasSize(bits == 8 ? 1 : 13);
                for (int code = 0; code < 1 << bits; code++) {
                    assertThat(grid.path("codes").path(code).asLong()).isEqualTo(countCode(weights, code));
                }
                double[] scales = scales(weights);
                assertThat(grid.path("negativeScales").asLong())
                        .isEqualTo(Arrays.stream(scales).filter(s -> s < 0).count());
                assertThat(grid.path("zeroScales").asLong())
                        .isEqualTo(Arrays.stream(scales).filter(s -> s == 0).count());
                long inBins = 0;
                for (JsonNode bin : grid.path("scales")) {
                    double from = bin.path("from").asDouble();
                    double to = bin.path("to").asDouble();
                    assertThat(to / from).isCloseTo(Math.sqrt(2), within(1e-12));
                    assertThat(bin.path("count").asLong())
                            .isEqualTo(Arrays.stream(scales)
                                    .map(Math::abs)
                                    .filter(s -> s >= from && s < to)
                                    .count());
                    inBins += bin.path("count").asLong();
                }
                assertThat(inBins)
                        .isEqualTo(scales.length - grid.path("zeroScales").asLong());
            }
            assertThat(report.path("grids")).hasSize(2);
        }
    }

    /** From the values: {@code value / scale + zero} is the code. */
    private static long countCode(List<GroupAffine> weights, int code) {
        long count = 0;
        for (GroupAffine weight : weights) {
            float[] row = new float[weight.in()];
            for (int r = 0; r < weight.out(); r++) {
                weight.decodeRow(r, row, 0);
                for (int i = 0; i < row.length; i++) {
                    int group = i / weight.groupSize();
                    float scale = weight.scale(r, group);
                    long own = scale == 0 ? weight.code(r, i) : Math.round(row[i] / scale) + weight.zero(r, group);
                    count += own == code ? 1 : 0;
                }
            }
        }
        return count;
    }

    private static double[] scales(List<GroupAffine> weights) {
        return weights.stream()
                .flatMapToDouble(weight -> java.util.stream.IntStream.range(0, weight.out() * weight.groupsPerRow())
                        .mapToDouble(at -> weight.scale(at / weight.groupsPerRow(), at % weight.groupsPerRow())))
                .toArray();
    }

    @Test
    void errorsAreThoseOfTheMatricesWrittenOut() throws IOException {
        try (Checkpoint original = Checkpoints.open(folder.resolve("model"));
                Checkpoint written = Checkpoints.open(folder.resolve("out"))) {
            for (int block = 0; block < 2; block++) {
                JsonNode own = report.path("blocks").path(block);
                double differences = 0;
                double sizes = 0;
                int at = 0;
                for (Linear linear : Linear.values()) {
                    double[] want =
                            matrix(original.weights().blocks().get(block).linear(linear));
                    double[] got = matrix(written.weights().blocks().get(block).linear(linear));
                    double difference = 0;
                    double size = 0;
                    for (int i = 0; i < want.length; i++) {
                        difference += Math.pow(want[i] - got[i], 2);
                        size += Math.pow(want[i], 2);
                    }
                    differences += difference;
                    sizes += size;
                    JsonNode json = own.path("linears").path(at++);
                    assertThat(json.path("name").asText()).isEqualTo(linear.label());
                    // fp32 rounding of each value, 2^-24 of it, moves the error by less than twice that and its root
                    assertThat(json.path("relativeError").asDouble())
                            .isCloseTo(difference / size, within(4 * Math.sqrt(difference / size) * 0x1p-24));
                }
                assertThat(own.path("relativeError").asDouble())
                        .isCloseTo(differences / sizes, within(4 * Math.sqrt(differences / sizes) * 0x1p-24));
            }
        }
    }

    /** All values in double, adapters added as whole products: not {@link PackedWeight#decodeRow}'s way. */
    private static double[] matrix(PackedWeight weight) {
        double[] values = new double[weight.out() * weight.in()];
        float[] row = new float[weight.in()];
        for (int r = 0; r < weight.out(); r++) {
            base(weight).decodeRow(r, row, 0);
            for (int i = 0; i < row.length; i++) {
                values[r * row.length + i] = row[i];
            }
        }
        if (weight instanceof LowRank adapted) {
            for (int at = 0; at < values.length; at++) {
                for (int k = 0; k < adapted.rank(); k++) {
                    values[at] += (double) adapted.scaling()
                            * adapted.b().get((long) (at / weight.in()) * adapted.rank() + k)
                            * adapted.a().get((long) k * weight.in() + at % weight.in());
                }
            }
        }
        return values;
    }

    @Test
    void sizesAreThoseOnDiskOfWeightsAndTheirConfiguration() throws IOException {
        assertThat(report.at("/sizes/weightBytes").asLong()).isEqualTo(weightBytes(folder.resolve("out")));
        assertThat(report.at("/sizes/originalWeightBytes").asLong()).isEqualTo(weightBytes(folder.resolve("model")));
    }

    private static long weightBytes(Path folder) throws IOException {
        long bytes = 0;
        try (var files = Files.walk(folder)) {
            for (Path file : files.toList()) {
                String name = file.getFileName().toString();
                boolean counts = name.endsWith(".safetensors")
                        || List.of("config.json", "quantize_config.json", "adapter_config.json")
                                .contains(name);
                bytes += counts ? Files.size(file) : 0;
            }
        }
        return bytes;
    }
}
