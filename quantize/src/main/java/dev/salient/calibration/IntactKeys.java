package dev.salient.calibration;

import dev.salient.model.IntactKv;
import dev.salient.model.ModelWeights;
import dev.salient.tensor.DType;
import dev.salient.tensor.Shape;
import dev.salient.torch.NumericException;
import dev.salient.torch.Rope;
import dev.salient.torch.TorchBlock.KeysAndValues;
import dev.salient.torch.TorchDevice;
import dev.salient.torch.TorchLanguageModel;
import dev.salient.torch.TorchScope;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import org.bytedeco.pytorch.Tensor;

/** What {@link IntactKv} an original model has for some tokens; one block's weights are in memory at a time. */
public final class IntactKeys {
    private IntactKeys() {}

    /**
     * Keys and values of a text's first tokens, rounded to fp16.
     *
     * @param tokens ids, at least one
     * @throws NumericException where fp16 does not hold one of them
     */
    public static IntactKv of(ModelWeights original, int[] tokens, TorchDevice device) {
        Shape shape = IntactKv.shape(original.config(), tokens.length);
        int bytes = Math.toIntExact(shape.elementCount() * Short.BYTES);
        MemorySegment keys = MemorySegment.ofArray(new byte[bytes]);
        MemorySegment values = MemorySegment.ofArray(new byte[bytes]);
        try (TorchScope scope = new TorchScope()) {
            Rope rope = Rope.of(original.config(), tokens.length, device);
            Tensor x = Stream.embedded(original, tokens, device);
            for (int index = 0; index < original.config().blockCount(); index++) {
                try (TorchScope inner = new TorchScope()) {
                    TorchLanguageModel.Block block = TorchLanguageModel.loadBlock(original, index, device);
                    KeysAndValues own = block.block().keysAndValues(x, rope, block::apply);
                    store(own.keys(), keys, index);
                    store(own.values(), values, index);
                    x = inner.keep(block.forward(x, rope).detach());
                }
            }
        }
        return new IntactKv(
                Arrays.stream(tokens).boxed().toList(),
                new dev.salient.tensor.Tensor(DType.F16, shape, keys),
                new dev.salient.tensor.Tensor(DType.F16, shape, values));
    }

    /**
     * Stores one block's.
     *
     * @param heads [kvHeads, tokens, headSize]
     * @param all [blocks, tokens, kvHeads * headSize], fp16; overwritten at this block
     */
    private static void store(Tensor heads, MemorySegment all, int block) {
        float[] rows = TorchDevice.toFloats(heads.transpose(0, 1));
        for (int i = 0; i < rows.length; i++) {
            long at = (long) block * rows.length + i;
            DType.F16.set(all, at, rows[i]);
            if (!Float.isFinite(DType.F16.get(all, at))) {
                throw new NumericException(
                        "block %d: got a key or value of %s, want one that fp16 holds", block, rows[i]);
            }
        }
    }
}
