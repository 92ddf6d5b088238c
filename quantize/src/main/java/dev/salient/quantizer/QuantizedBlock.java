package dev.salient.quantizer;

import dev.salient.model.Linear;
import dev.salient.packed.PackedWeight;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/**
 * A quantized block and how it got there.
 *
 * @param linears the stored form of each linear
 * @param curve one point an epoch, in order; empty where nothing was trained
 */
public record QuantizedBlock(Map<Linear, PackedWeight> linears, List<Epoch> curve) {
    public QuantizedBlock {
        linears = new EnumMap<>(linears);
        curve = List.copyOf(curve);
    }

    /**
     * Means over the samples of one epoch.
     *
     * @param stage the paper's short name: wpt, mixed, opt
     * @param outputLoss both output terms; 0 in a stage that does not look at outputs
     * @param preservation the preservation term times lambda; 0 in a stage without
     * @param heldOut both output terms on the windows held out, after the epoch; 0 where there are none
     */
    public record Epoch(String stage, int epoch, double outputLoss, double preservation, double heldOut) {
        /** An epoch of a training that holds nothing out. */
        public Epoch(String stage, int epoch, double outputLoss, double preservation) {
            this(stage, epoch, outputLoss, preservation, 0);
        }

        /** The losses of two parts of a block that are trained one after the other. */
        Epoch plus(Epoch other) {
            return new Epoch(
                    stage,
                    epoch,
                    outputLoss + other.outputLoss,
                    preservation + other.preservation,
                    heldOut + other.heldOut);
        }
    }
}
