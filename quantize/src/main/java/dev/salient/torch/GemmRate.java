package dev.salient.torch;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/** How fast this machine multiplies matrices: what training's speed is held against. */
public final class GemmRate {
    private static final int SIZE = 1024;
    private static final long MEASURED_NANOS = 300_000_000;

    private GemmRate() {}

    /** Floating-point operations a second of an fp32 product of square matrices, the best of a short while. */
    public static double measure(TorchDevice device) {
        try (TorchScope outer = new TorchScope()) {
            Tensor a = device.zeros(SIZE, SIZE);
            Tensor b = device.zeros(SIZE, SIZE);
            double best = 0;
            long end = System.nanoTime() + MEASURED_NANOS;
            while (System.nanoTime() < end) {
                try (TorchScope scope = new TorchScope()) {
                    long start = System.nanoTime();
                    Tensor product = torch.mm(a, b);
                    product.select(0, 0).select(0, 0).item_double(); // waits for a device that computes behind our back
                    best = Math.max(best, 2.0 * SIZE * SIZE * SIZE / (System.nanoTime() - start) * 1e9);
                }
            }
            return best;
        }
    }
}
