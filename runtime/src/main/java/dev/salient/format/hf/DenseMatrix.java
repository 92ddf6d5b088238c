package dev.salient.format.hf;

import dev.salient.format.WeightError;
import dev.salient.format.safetensors.SafetensorsWriter;
import dev.salient.format.safetensors.SafetensorsWriter.Payload;
import dev.salient.format.safetensors.StoredType;
import dev.salient.packed.Dense;
import dev.salient.packed.PackedWeight;
import dev.salient.tensor.DType;
import dev.salient.tensor.Shape;
import dev.salient.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.channels.WritableByteChannel;

/**
 * A weight as plain numbers, made row by row while they are written.
 *
 * @param place begins messages
 * @param weight packed or not, with or without an adapter
 * @param dtype what its values are rounded to
 */
public record DenseMatrix(String place, PackedWeight weight, DType dtype) {
    /** A tensor as it is. */
    public static Payload asStored(Tensor tensor) {
        return Payload.of(StoredType.of(tensor.dtype()), tensor.shape(), tensor.data());
    }

    /**
     * What a file holds of it.
     *
     * @param error counts every weight that is rounded
     */
    public Payload payload(WeightError error) {
        if (weight instanceof Dense dense && dense.values().dtype() == dtype) {
            return asStored(dense.values());
        }
        return new Payload(
                StoredType.of(dtype), Shape.of(weight.out(), weight.in()), channel -> writeRows(channel, error));
    }

    private void writeRows(WritableByteChannel channel, WeightError error) throws IOException {
        float[] values = new float[weight.in()];
        MemorySegment row = MemorySegment.ofArray(new byte[Math.multiplyExact(weight.in(), dtype.byteCount())]);
        for (int o = 0; o < weight.out(); o++) {
            weight.decodeRow(o, values, 0);
            for (int i = 0; i < values.length; i++) {
                dtype.set(row, i, values[i]);
                float rounded = dtype.get(row, i);
                if (Float.isInfinite(rounded)) {
                    throw new IllegalArgumentException(
                            "%s: got %s at [%d, %d], want a number that %s can hold; --dtype f32 holds it"
                                    .formatted(place, values[i], o, i, dtype));
                }
                error.add(values[i], rounded);
            }
            SafetensorsWriter.write(channel, row);
        }
    }
}
