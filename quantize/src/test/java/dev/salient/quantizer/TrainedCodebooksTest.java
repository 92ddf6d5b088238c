package dev.salient.quantizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.salient.method.Grid;
import dev.salient.method.Method;
import dev.salient.method.TokenWeighting;
import dev.salient.packed.AdditiveCodebook;
import dev.salient.packed.PackedWeight;
import dev.salient.torch.TorchDevice;
import dev.salient.torch.TorchScope;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Values, gradients and stored form against sums written out in double. */
class TrainedCodebooksTest {
    private static final TorchDevice CPU = TorchDevice.of("cpu");
    private static final int OUT = 5;
    private static final int IN = 48;

    static Stream<Grid.Codebooks> grids() {
        return Stream.of(new Grid.Codebooks(1, 4, 8), new Grid.Codebooks(2, 3, 8), new Grid.Codebooks(3, 2, 16));
    }

    private final Random random = new Random(4);

    private float[] gaussians(int count) {
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = Float.float16ToFloat(Float.floatToFloat16((float) random.nextGaussian()));
        }
        return values;
    }

    private AdditiveCodes codes(Grid.Codebooks grid) {
        AdditiveCodes codes = new AdditiveCodes(grid, OUT, IN);
        Arrays.setAll(codes.codes, i -> random.nextInt(grid.entries()));
        System.arraycopy(gaussians(codes.vectors.length), 0, codes.vectors, 0, codes.vectors.length);
        System.arraycopy(gaussians(OUT), 0, codes.scales, 0, OUT);
        return codes;
    }

    /** One number of a sum of vectors, without the row's scale. */
    private static double sum(AdditiveCodes codes, int row, int i) {
        double sum = 0;
        for (int m = 0; m < codes.grid.count(); m++) {
            int code = codes.codes[codes.at(row, i / codes.grid.groupSize(), m)];
            sum += codes.vectors[codes.vector(m, code) + i % codes.grid.groupSize()];
        }
        return sum;
    }

    private static float[] decoded(PackedWeight weight) {
        float[] values = new float[OUT * IN];
        for (int row = 0; row < OUT; row++) {
            weight.decodeRow(row, values, row * IN);
        }
        return values;
    }

    @ParameterizedTest
    @MethodSource("grids")
    void valuesAreSumsOfVectorsAndStayThroughTheStoredForm(Grid.Codebooks grid) {
        AdditiveCodes codes = codes(grid);
        try (TorchScope scope = new TorchScope()) {
            TrainedCodebooks trained = new TrainedCodebooks(codes, CPU);
            float[] values = TorchDevice.toFloats(trained.values());
            AdditiveCodebook stored = trained.pack();
            float[] again =
                    TorchDevice.toFloats(TrainedCodebooks.ofStored(stored, CPU).values());
            float[] decoded = decoded(stored);
            for (int i = 0; i < values.length; i++) {
                double want = codes.scales[i / IN] * sum(codes, i / IN, i % IN);
                assertThat((double) values[i]).isCloseTo(want, within(4e-7 * grid.count() * 16));
                assertThat(again[i]).isEqualTo(values[i]);
                assertThat((double) decoded[i]).isCloseTo(want, within(4e-7 * grid.count() * 16));
            }
        }
    }

    @ParameterizedTest
    @MethodSource("grids")
    void gradientsAreSumsOverAllThatAPartHasPartIn(Grid.Codebooks grid) {
        AdditiveCodes codes = codes(grid);
        float[] gradient = gaussians(OUT * IN);
        double[] byVectors = new double[codes.vectors.length];
        double[] byLogs = new double[OUT];
        for (int row = 0; row < OUT; row++) {
            for (int i = 0; i < IN; i++) {
                double g = gradient[row * IN + i];
                byLogs[row] += g * codes.scales[row] * sum(codes, row, i);
                for (int m = 0; m < grid.count(); m++) {
                    int code = codes.codes[codes.at(row, i / grid.groupSize(), m)];
                    byVectors[codes.vector(m, code) + i % grid.groupSize()] += g * codes.scales[row];
                }
            }
        }
        try (TorchScope scope = new TorchScope()) {
            TrainedCodebooks trained = new TrainedCodebooks(codes, CPU);
            List<Tensor> got = trained.gradients(CPU.floats(gradient, OUT, IN));
            // sums of at most OUT IN products below 100 in size, each rounded to 24 bits
            assertClose(TorchDevice.toFloats(got.get(0)), byVectors, 1e-3);
            assertClose(TorchDevice.toFloats(got.get(1)), byLogs, 1e-3);
        }
    }

    private static void assertClose(float[] got, double[] want, double bound) {
        assertThat(got).hasSize(want.length);
        for (int i = 0; i < want.length; i++) {
            assertThat((double) got[i]).as("number %d", i).isCloseTo(want[i], within(bound));
        }
    }

    /** Search and training in turn come nearer to the outputs than k-means does, for the same codebooks in size. */
    @Test
    void fittedOutputsAreNearerThanThoseOfKMeans() {
        int out = 64;
        int tokens = 300;
        float[] weights = gaussians(out * IN);
        float[] inputs = new float[tokens * IN];
        for (int t = 0; t < tokens; t++) {
            double common = 0;
            for (int i = 0; i < IN; i++) {
                common = 0.8 * common + random.nextGaussian();
                inputs[t * IN + i] = i == 7 ? 0 : (float) (common * (1 + i % 5)); // one channel is always 0
            }
        }
        Grid.Codebooks grid = new Grid.Codebooks(2, 4, 8);
        Method.Aqlm method = new Method.Aqlm(grid, 2, TokenWeighting.PLAIN, 0, 0);
        try (TorchScope scope = new TorchScope()) {
            Tensor weight = CPU.floats(weights, out, IN);
            Tensor x = CPU.floats(inputs, tokens, IN);
            Tensor gram = x.t().mm(x).to(torch.ScalarType.Double);
            float[] energies = TorchDevice.toFloats(gram.diagonal().to(torch.ScalarType.Float));
            energies[7] = 1;
            AdditiveCodes start = ResidualKMeans.start(weights, energies, grid, new SplittableRandom(1));
            TrainedCodebooks fitted = CodebookFit.fit(weight, gram, method, CPU, new SplittableRandom(1));
            double before = outputError(new TrainedCodebooks(start, CPU).values(), weight, x);
            assertThat(outputError(fitted.values(), weight, x)).isLessThan(0.5 * before);
        }
    }

    private static double outputError(Tensor values, Tensor weight, Tensor x) {
        return x.mm(values.detach().sub(weight).t()).square().sum().item_double();
    }
}
