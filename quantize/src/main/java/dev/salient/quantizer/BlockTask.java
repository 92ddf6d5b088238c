package dev.salient.quantizer;

import dev.salient.calibration.Activations;
import dev.salient.method.Grid;
import dev.salient.model.Linear;
import dev.salient.torch.Rope;
import dev.salient.torch.TorchDevice;
import dev.salient.torch.TorchLanguageModel;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;

/**
 * One block to quantize, and all that it needs.
 *
 * @param index of the block, from 0
 * @param original the block with its original weights
 * @param clean what the original model feeds the block, [samples, tokens, hidden]; overwritten with what the block makes of it
 * @param degraded what the quantized blocks before feed it
 * @param scratch as large; overwritten
 * @param kept linears that get a grid of their own instead of the method's, and no adapter
 * @param ranks of the adapters, where linears have ranks of their own; empty: all have the method's
 * @param saliency F of each linear, [out, in]; empty where the method needs none
 */
public record BlockTask(
        int index,
        TorchLanguageModel.Block original,
        Activations clean,
        Activations degraded,
        Activations scratch,
        Map<Linear, Grid> kept,
        Map<Linear, Integer> ranks,
        Map<Linear, Tensor> saliency,
        Rope rope,
        TorchDevice device,
        long seed) {}
