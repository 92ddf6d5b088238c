package dev.salient.format.gguf;

import dev.salient.format.MismatchException;
import dev.salient.format.WeightError;
import dev.salient.packed.PackedWeight;
import dev.salient.tensor.Shape;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.List;

/** Reads a file that was just written, and compares every tensor with what it was made from. */
final class GgufCheck {
    private GgufCheck() {}

    /** How far the weights in the file are from what they were made from. */
    static WeightError check(Path file, List<GgufPayload> written) throws IOException {
        WeightError error = new WeightError();
        try (Arena arena = Arena.ofShared()) {
            GgufFile read = GgufFile.open(file, arena);
            for (GgufPayload it : written) {
                GgufTensor tensor = read.tensors().get(it.name());
                if (tensor == null || !tensor.shape().equals(it.shape()) || tensor.type() != it.type()) {
                    String got = tensor == null ? "nothing" : tensor.type() + " " + tensor.shape();
                    throw new MismatchException(
                            "%s: %s: read back %s, want %s %s", file, it.name(), got, it.type(), it.shape());
                }
                compare(tensor, it, error);
            }
        }
        return error;
    }

    private static void compare(GgufTensor tensor, GgufPayload written, WeightError error) throws MismatchException {
        PackedWeight source = written.source();
        Shape matrix = Shape.of(source.out(), source.in());
        PackedWeight read = new GgufTensor(tensor.place(), tensor.type(), matrix, tensor.data()).weight(tensor.data());
        float[] want = new float[source.in()];
        float[] got = new float[source.in()];
        int group = tensor.type().elementsPerGroup();
        for (int row = 0; row < source.out(); row++) {
            source.decodeRow(row, want, 0);
            read.decodeRow(written.order().inFile().applyAsInt(row), got, 0);
            double tolerance = 0;
            for (int i = 0; i < want.length; i++) {
                if (i % group == 0 && !written.encoding().exact()) {
                    tolerance = tolerance(tensor.type(), want, i);
                }
                if (!(Math.abs((double) got[i] - want[i]) <= tolerance)) {
                    throw new MismatchException(
                            "%s: read back %s at [%d, %d], want %s", tensor.place(), got[i], row, i, want[i]);
                }
                error.add(want[i], got[i]);
            }
        }
    }

    /** How far rounding may move a value of the group that begins at {@code first}. */
    private static double tolerance(GgmlType type, float[] values, int first) {
        double largest = 0;
        for (int i = 0; i < type.elementsPerGroup(); i++) {
            largest = Math.max(largest, Math.abs(values[first + i]));
        }
        return switch (type) {
            case F32 -> 0;
            case F16 -> largest * 0x1p-11 + 0x1p-25;
            case BF16 -> largest * 0x1p-8;
            // half a step, and what rounding the scale to fp16 adds over 127 steps
            case Q8_0 -> largest * (0.5 / 127 + 0x1p-11) * 1.001 + 128 * 0x1p-25;
            // a whole step at the end that the sign of the scale leaves out
            case Q4_0 -> largest * (1.0 / 8 + 0x1p-11) * 1.001 + 9 * 0x1p-25;
            case Q1_0, Q2_0, TQ1_0, TQ2_0, Q4_1, Q5_0, Q5_1, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, IQ4_NL, IQ4_XS ->
                0; // never rounded to
        };
    }
}
