package dev.salient.packed;

import static dev.salient.tensor.Preconditions.require;

import dev.salient.tensor.DType;
import dev.salient.tensor.Shape;
import dev.salient.tensor.Tensor;

/**
 * A weight that is not quantized.
 *
 * @param values [out, in], fp32, fp16 or bf16
 */
public record Dense(Tensor values) implements PackedWeight {
    public Dense {
        require(values.shape().rank() == 2, "dense weight: got shape %s, want [out, in]", values.shape());
    }

    /**
     * A dense fp32 weight over a copy of these values.
     *
     * @param values [out, in]
     */
    public static Dense ofFloats(int out, int in, float[] values) {
        return new Dense(Tensor.ofFloats(Shape.of(out, in), values));
    }

    @Override
    public int out() {
        return values.shape().dimension(0);
    }

    @Override
    public int in() {
        return values.shape().dimension(1);
    }

    @Override
    public long storedBytes() {
        return values.data().byteSize();
    }

    @Override
    public void decodeRow(int row, float[] target, int offset) {
        DType dtype = values.dtype();
        long first = (long) row * in();
        for (int i = 0; i < in(); i++) {
            target[offset + i] = dtype.get(values.data(), first + i);
        }
    }
}
