package dev.salient.pipeline;

import static dev.salient.tensor.Preconditions.require;

import dev.salient.method.Grid;
import dev.salient.method.Method;
import dev.salient.model.LinearId;
import dev.salient.torch.TorchDevice;
import dev.salient.torch.TorchDevice.Precision;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What a user asks of a run.
 *
 * @param model a Hugging Face folder or a GGUF file
 * @param out the folder to write
 * @param kept linears with a grid of their own, asked for by name
 * @param imatrix energies of input channels for a saliency that looks at inputs, in a GGUF file; null: measured
 * @param budget extra bits per weight that the run may spend on linears that make massive activations; 0 for none
 * @param target bits in all, of which more go where they help most
 * @param resume whether to go on with what an earlier run left in {@code out}
 */
public record RunSettings(
        Path model,
        Path out,
        Method method,
        Map<LinearId, Grid> kept,
        @Nullable Path imatrix,
        double budget,
        Target target,
        Calibration calibration,
        Machine machine,
        long seed,
        boolean resume) {
    public RunSettings {
        kept = Map.copyOf(kept);
        require(budget >= 0, "budget: got %s bits per weight, want 0 or more", budget);
        require(
                target.bits() == 0
                        || !(method instanceof Method.PartialRetraining own)
                        || own.adapters().budget() == 0,
                "--rank-budget: got --target-bpw too, want one of them: both spend the bits that the grid leaves");
        require(
                !(method.grid() instanceof Grid.BinaryMos) || target.bits() == 0,
                "--grid binary-mos: got --target-bpw, want --keep or --keep-budget: there is no rounding error to buy bits by");
        require(
                !(method instanceof Method.Aqlm) || (kept.isEmpty() && budget == 0 && target.bits() == 0),
                "aqlm: got linears to keep in more bits, or bits to spend on some (--keep, --keep-budget, --target-bpw), want"
                        + " neither: AQLM's format has codebooks of one size for all linears");
    }

    /** The same by another method. */
    public RunSettings with(Method other) {
        return new RunSettings(model, out, other, kept, imatrix, budget, target, calibration, machine, seed, resume);
    }

    /** The same on another text. */
    public RunSettings with(Calibration other) {
        return new RunSettings(model, out, method, kept, imatrix, budget, target, other, machine, seed, resume);
    }

    /** The same, going on with what an earlier run left in the folder. */
    public RunSettings resuming() {
        return new RunSettings(model, out, method, kept, imatrix, budget, target, calibration, machine, seed, true);
    }

    /** The same into another folder. */
    RunSettings into(Path folder) {
        return new RunSettings(
                model, folder, method, kept, imatrix, budget, target, calibration, machine, seed, resume);
    }

    /**
     * The text that calibrates.
     *
     * @param files UTF-8 texts; empty: the model writes its own
     * @param samples windows for training
     * @param tokens of each window
     * @param saliencySamples windows for the saliency
     * @param leading what all windows begin with
     */
    public record Calibration(List<Path> files, int samples, int tokens, int saliencySamples, Leading leading) {
        public Calibration {
            files = List.copyOf(files);
            require(samples > 0, "--samples: got %d, want 1 or more", samples);
            require(tokens > 1, "--tokens: got %d, want 2 or more", tokens);
            require(saliencySamples > 0, "--saliency-samples: got %d, want 1 or more", saliencySamples);
        }

        /** Windows of text alone. */
        public Calibration(List<Path> files, int samples, int tokens, int saliencySamples) {
            this(files, samples, tokens, saliencySamples, Leading.NONE);
        }
    }

    /**
     * What the run may use.
     *
     * @param device cpu, cuda or cuda:N
     * @param precision of products of fp32 matrices
     * @param memoryBytes all that the run may take; hidden states move to disk where they would not fit
     * @param cache folder for saliencies
     */
    public record Machine(String device, Precision precision, int threads, long memoryBytes, Path cache) {
        /** All cores and up to 4 GB of memory, in full precision. */
        public static Machine cpu(Path cache) {
            int cores = Runtime.getRuntime().availableProcessors();
            return new Machine("cpu", Precision.HIGHEST, cores, 4L << 30, cache);
        }

        /** Has libtorch compute with these threads and this precision. */
        void use() {
            TorchDevice.use(threads, precision);
        }
    }
}
