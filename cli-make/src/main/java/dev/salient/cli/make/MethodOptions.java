package dev.salient.cli.make;

import static dev.salient.tensor.Preconditions.require;

import dev.salient.method.Adapters;
import dev.salient.method.Grid;
import dev.salient.method.HeldOut;
import dev.salient.method.Method;
import dev.salient.method.Method.Start;
import dev.salient.method.Preservation;
import dev.salient.method.Preservation.Place;
import dev.salient.method.Preservation.Saliency;
import dev.salient.method.Preservation.Scale;
import dev.salient.method.Stage;
import dev.salient.method.Stage.Objective;
import dev.salient.method.Terms;
import dev.salient.method.TokenWeighting;
import dev.salient.pipeline.Preset;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** What to do to the weights; a picocli mixin. What is not given comes from the preset. */
final class MethodOptions {
    /** As often as LoftQ's authors do. */
    private static final int LOFTQ_TURNS = 5;

    /** Five times the authors' for logits, ten times for scales: for fewer steps than they take. */
    private static final double GSQ_RATE = 1e-3;

    /** As the authors' paper has it. */
    private static final int EXPERTS = 8;

    @Option(
            names = "--preset",
            paramLabel = "NAME",
            description =
                    "fast (block-ap; minutes for a small model), best (block-ap, then tuned end to end; hours), or paper"
                            + " (sapr with the paper's settings; days)."
                            + " Default: ${DEFAULT-VALUE}.")
    private String preset = "fast";

    @Option(
            names = "--method",
            paramLabel = "NAME",
            description =
                    "sapr (saliency-aware partial retraining), apiq (the same without saliency), apiq-lw (linear after"
                            + " linear), block-ap (weights and clipping trained, no adapters), omniquant (clipping"
                            + " trained, no adapters), aqlm (additive codebooks, fitted and then trained), gsq (codes"
                            + " chosen by gradients, from gptq's on; slow); without"
                            + " training: gptq (errors made up for), lqer and loftq (rounded, adapters fitted to the"
                            + " error), hqq (scales that forgive outliers), rtn (round to nearest)."
                            + " Default: by preset.")
    private @Nullable String method;

    @Option(names = "--bits", paramLabel = "N", description = "Bits of a code: 1, 2, 3 or 4. Default: 2.")
    private @Nullable Integer bits;

    @Option(
            names = "--grid",
            paramLabel = "NAME",
            description =
                    "signed2 (levels -1, 0, 1, 2 times a scale; GGUF's Q2_0), signed4 (-7 to 8; Q4_0), ternary (-1, 0, 1),"
                            + " binary (-1, 1), affine, q2_k (GGUF's: scale and minimum for 16 weights, rows of multiples of 256; 2.625 bits), dual-binary"
                            + " (DB-LLM's sum of two bits with a scalar each; for studies: written as plain F16), or binary-mos"
                            + " (BinaryMoS's signs, whose scales follow the token; trained methods only; read by Salient alone)."
                            + " Default: binary at 1 bit, signed2 at 2, else affine.")
    private @Nullable String grid;

    @Option(
            names = "--group-size",
            paramLabel = "N",
            description =
                    "Input channels that share a scale: 32, 64, 128, 256 or row; aqlm: weights that a vector stands for."
                            + " Default: 64; aqlm: 8.")
    private @Nullable String groupSize;

    @Option(
            names = "--experts",
            paramLabel = "N",
            description = "binary-mos: scales of each row and column that its router mixes. Default: 8.")
    private @Nullable Integer experts;

    @Option(names = "--codebooks", paramLabel = "N", description = "aqlm: of a linear. Default: ${DEFAULT-VALUE}.")
    private int codebooks = 2;

    @Option(
            names = "--codebook-bits",
            paramLabel = "N",
            description = "aqlm: bits of a code; a codebook has 2^N vectors. Default: ${DEFAULT-VALUE}.")
    private int codebookBits = 8;

    @Option(
            names = "--codebook-rate",
            paramLabel = "X",
            description = "aqlm: learning rate of codebooks and scales. Default: ${DEFAULT-VALUE}.")
    private double codebookRate = 1e-3;

    @Option(
            names = "--beam",
            paramLabel = "N",
            description = "aqlm: assignments that the search for codes keeps at a time. Default: ${DEFAULT-VALUE}.")
    private int beam = 1;

    @Option(names = "--rank", paramLabel = "N", description = "Rank of the adapters, 0 for none. Default: by preset.")
    private @Nullable Integer rank;

    @Option(
            names = "--rank-budget",
            paramLabel = "BITS",
            description =
                    "Bits per weight, in all, for adapters: each linear gets the rank that its saliency is worth, instead of"
                            + " --rank, by which alpha is still divided. Default: none, all have the same rank.")
    private double rankBudget;

    @Option(names = "--alpha", paramLabel = "X", description = "Adapters are scaled by alpha / rank. Default: 16.")
    private double alpha = Preset.ALPHA;

    @Option(
            names = "--adapter",
            paramLabel = "NAME",
            description =
                    "lora (a low-rank product added to the weight) or dora (each row stretched to a trained length"
                            + " besides). Default: ${DEFAULT-VALUE}.")
    private String adapter = "lora";

    @Option(
            names = "--adapter-start",
            paramLabel = "NAME",
            description = "What adapters add before training: zero, or what rounding takes away, as far as their rank"
                    + " goes: loftq, or lqer, weighed by the inputs. Default: by preset.")
    private @Nullable String adapterStart;

    @Option(
            names = "--held-out",
            paramLabel = "N",
            description =
                    "Windows from the end of the text that blocks are not trained on: each block is kept as of the"
                            + " epoch with the least loss on them. Default: ${DEFAULT-VALUE}: as of the last epoch.")
    private int heldOut;

    @Option(
            names = "--patience",
            paramLabel = "N",
            description = "With --held-out: a stage ends when so many epochs in a row were no better."
                    + " Default: ${DEFAULT-VALUE}: it never ends early.")
    private int patience;

    @Option(
            names = "--loss",
            paramLabel = "NAME",
            description = "How tokens count in a block's loss: plain (the paper's), relative, root or pivot."
                    + " Default: by preset.")
    private @Nullable String loss;

    @Option(
            names = "--start",
            paramLabel = "NAME",
            description =
                    "Where clipping starts: range (the paper's) or error (least squared error). Default: by preset.")
    private @Nullable String start;

    @Option(
            names = "--saliency",
            paramLabel = "NAME",
            description =
                    "fisher (squared gradients), fisher-group (their mean in a group), activation (energy of the inputs),"
                            + " wanda (weight times input) or uniform. Default: ${DEFAULT-VALUE}.")
    private String saliency = "fisher";

    @Option(
            names = "--lambda",
            paramLabel = "X",
            description = "Weight of the preservation term: a number alone is relative (1: as large as the first output"
                    + " loss); X:absolute is the paper's; X:normalized divides the saliency by its mean in each linear."
                    + " Default: by preset.")
    private @Nullable String lambda;

    @Option(
            names = "--lambda-multiplier",
            paramLabel = "X",
            description = "Lambda of block k is lambda * X^k. Default: ${DEFAULT-VALUE}.")
    private double lambdaMultiplier = 1;

    @Option(
            names = "--preserve",
            paramLabel = "NAME",
            description = "Which weights are held near the original's: before-adapter or after-adapter."
                    + " Default: ${DEFAULT-VALUE}.")
    private String preserve = "before-adapter";

    @Option(
            names = "--stages",
            paramLabel = "LIST",
            description =
                    "Stages and their epochs, in order: wpt:15,opt:5. Names: wpt, mixed, opt; opt+sw=0.1:5 takes a"
                            + " tenth of the output loss from the sliced Wasserstein distance of outputs, opt+attention=0.1:5 from"
                            + " the divergence of attention maps. Default: by preset, with --epochs.")
    private @Nullable String stages;

    @Option(
            names = "--epochs",
            paramLabel = "N",
            description = "Epochs where --stages is not given. Default: by preset.")
    private @Nullable Integer epochs;

    @Option(names = "--adapter-rate", paramLabel = "X", description = "Learning rate of adapters. Default: by preset.")
    private @Nullable Double adapterRate;

    @Option(
            names = "--clipping-rate",
            paramLabel = "X",
            description =
                    "Learning rate of clipping, gsq and binary-mos: of scales. Default: by preset; with gsq 1e-3.")
    private @Nullable Double clippingRate;

    @Option(
            names = "--weight-rate",
            paramLabel = "X",
            description =
                    "Learning rate of the weights that are rounded, gsq: of the codes' logits; 0 leaves them. Default: 0; with"
                            + " block-ap and --grid binary-mos 4e-4, with gsq 1e-3.")
    private @Nullable Double weightRate;

    @Option(names = "--decay", paramLabel = "X", description = "AdamW's weight decay. Default: ${DEFAULT-VALUE}.")
    private double decay = Preset.DECAY;

    @Option(
            names = "--damping",
            paramLabel = "X",
            description = "gptq: added to the diagonal of X^T X, as a share of its mean. Default: ${DEFAULT-VALUE}.")
    private double damping = 0.01;

    @Option(names = "--act-order", description = "gptq: columns with the largest inputs first.")
    private boolean actOrder;

    @Option(
            names = "--cosine",
            negatable = true,
            description = "Learning rates follow a cosine to zero in each stage. Default: by preset.")
    private @Nullable Boolean cosine;

    Preset preset() {
        return Preset.of(preset);
    }

    private String name() {
        return method == null ? preset().method() : method;
    }

    /** The method that these options describe. */
    Method method() {
        Preset base = preset();
        Start where = start == null ? base.start() : start(start);
        return switch (name()) {
            case "rtn" -> new Method.Rtn(grid(), where);
            case "gptq" -> new Method.Gptq(grid(), where, damping, actOrder);
            case "hqq" -> new Method.Hqq(grid(), where);
            case "aqlm" -> {
                require(
                        grid == null && experts == null,
                        "--method aqlm: got %s, want none: its grid is --codebooks and --codebook-bits",
                        grid == null ? "--experts" : "--grid " + grid);
                yield new Method.Aqlm(
                        new Grid.Codebooks(
                                codebooks, codebookBits, groupSize == null ? 8 : parseInt("--group-size", groupSize)),
                        beam,
                        loss == null ? base.weighting() : weighting(loss),
                        epochs == null ? base.epochs() : epochs,
                        codebookRate);
            }
            case "loftq" -> new Method.ErrorAdapter(grid(), where, rankOr(base.rank()), LOFTQ_TURNS, false);
            case "lqer" -> new Method.ErrorAdapter(grid(), where, rankOr(base.rank()), 1, true);
            case "gsq" ->
                new Method.Gsq(
                        grid(),
                        where,
                        loss == null ? base.weighting() : weighting(loss),
                        epochs == null ? base.epochs() : epochs,
                        weightRate == null ? GSQ_RATE : weightRate,
                        clippingRate == null ? GSQ_RATE : clippingRate);
            case "apiq", "apiq-lw", "sapr" -> retraining(base, where, rankOr(base.rank()));
            case "block-ap", "omniquant" -> retraining(base, where, rankOr(0));
            default ->
                throw new IllegalArgumentException(
                        "--method: got %s, want sapr, apiq, apiq-lw, block-ap, omniquant, aqlm, gsq, gptq, lqer, loftq, hqq or rtn"
                                .formatted(method));
        };
    }

    private int rankOr(int absent) {
        return rank == null ? absent : rank;
    }

    private Method retraining(Preset base, Start where, int ranks) {
        return new Method.PartialRetraining(
                grid(),
                where,
                new Adapters(kind(adapter), ranks, alpha, adapterStart(base, ranks), rankBudget),
                name().equals("apiq-lw") ? Method.Scope.LINEARS : Method.Scope.BLOCK,
                loss == null ? base.weighting() : weighting(loss),
                preservation(base),
                stages(base),
                new HeldOut(heldOut, patience));
    }

    private Grid grid() {
        String asked = groupSize == null ? "64" : groupSize;
        int size = asked.equals("row") ? 0 : parseInt("--group-size", asked);
        require(size == 0 || size >= 16, "--group-size: got %s, want 32, 64, 128, 256 or row", asked);
        int width = bits == null ? 2 : bits;
        String name = grid == null ? width == 1 ? "binary" : width == 2 ? "signed2" : "affine" : grid;
        require(
                experts == null || name.equals("binary-mos"),
                "--experts: got %s with --grid %s, want --grid binary-mos",
                String.valueOf(experts),
                name);
        return switch (name) {
            case "signed2" -> {
                require(width == 2, "--grid signed2: got --bits %d, want 2, or --grid affine", width);
                yield new Grid.Signed2(size);
            }
            case "signed4" -> {
                require(bits == null || width == 4, "--grid signed4: got --bits %d, want 4", width);
                yield new Grid.Signed(4, size);
            }
            case "ternary" -> {
                require(width == 2, "--grid ternary: got --bits %d, want 2: what its codes are packed in", width);
                yield new Grid.Ternary(size);
            }
            case "binary" -> {
                require(bits == null || width == 1, "--grid binary: got --bits %d, want 1", width);
                yield new Grid.Binary(size);
            }
            case "dual-binary" -> {
                require(width == 2, "--grid dual-binary: got --bits %d, want 2", width);
                yield new Grid.DualBinary(size);
            }
            case "q2_k" -> {
                require(width == 2, "--grid q2_k: got --bits %d, want 2", width);
                require(groupSize == null, "--grid q2_k: got --group-size %s, want none: its groups are of 16", asked);
                yield new Grid.Q2K();
            }
            case "binary-mos" -> {
                requireOfMixture(width);
                yield new Grid.BinaryMos(experts == null ? EXPERTS : experts);
            }
            case "affine" -> {
                require(
                        width >= 2 && width <= 4,
                        "--bits: got %d, want 1, 2, 3 or 4; 1 with --grid binary only",
                        width);
                yield new Grid.Affine(width, size);
            }
            default ->
                throw new IllegalArgumentException(
                        "--grid: got %s, want signed2, signed4, ternary, binary, affine, q2_k, dual-binary or binary-mos"
                                .formatted(name));
        };
    }

    /** Refuses what is said of groups and clipping, of which a mixture of scales has none. */
    private void requireOfMixture(int width) {
        require(bits == null || width == 1, "--grid binary-mos: got --bits %d, want 1", width);
        require(
                groupSize == null,
                "--grid binary-mos: got --group-size %s, want none: its scales are of rows and columns",
                String.valueOf(groupSize));
        require(
                start == null,
                "--grid binary-mos: got --start %s, want none: its scales start from the weights' sizes",
                String.valueOf(start));
    }

    private static TokenWeighting weighting(String name) {
        for (TokenWeighting weighting : TokenWeighting.values()) {
            if (weighting.name().toLowerCase(Locale.ROOT).equals(name)) {
                return weighting;
            }
        }
        throw new IllegalArgumentException("--loss: got %s, want plain, relative, root or pivot".formatted(name));
    }

    private static Start start(String name) {
        return switch (name) {
            case "range" -> Start.RANGE;
            case "error" -> Start.SQUARED_ERROR;
            default -> throw new IllegalArgumentException("--start: got %s, want range or error".formatted(name));
        };
    }

    private static Adapters.Kind kind(String name) {
        return switch (name) {
            case "lora" -> Adapters.Kind.LORA;
            case "dora" -> Adapters.Kind.DORA;
            default -> throw new IllegalArgumentException("--adapter: got %s, want lora or dora".formatted(name));
        };
    }

    private Adapters.Start adapterStart(Preset base, int ranks) {
        if (adapterStart == null) {
            return ranks == 0 ? Adapters.Start.ZERO : base.adapterStart();
        }
        return switch (adapterStart) {
            case "zero" -> Adapters.Start.ZERO;
            case "loftq" -> Adapters.Start.LOFTQ;
            case "lqer" -> Adapters.Start.LQER;
            default ->
                throw new IllegalArgumentException(
                        "--adapter-start: got %s, want zero, loftq or lqer".formatted(adapterStart));
        };
    }

    private static Saliency saliency(String name) {
        for (Saliency saliency : Saliency.values()) {
            if (saliency.name().toLowerCase(Locale.ROOT).replace('_', '-').equals(name)) {
                return saliency;
            }
        }
        throw new IllegalArgumentException(
                "--saliency: got %s, want fisher, fisher-group, activation, wanda or uniform".formatted(name));
    }

    private Preservation preservation(Preset base) {
        Saliency which = saliency(saliency);
        Place place = switch (preserve) {
            case "before-adapter" -> Place.BEFORE_ADAPTER;
            case "after-adapter" -> Place.AFTER_ADAPTER;
            default ->
                throw new IllegalArgumentException(
                        "--preserve: got %s, want before-adapter or after-adapter".formatted(preserve));
        };
        // Looked at by every method, so that a slip is said; of account to sapr alone.
        Preservation asked = lambda == null
                ? new Preservation(which, place, base.lambda(), base.scale(), lambdaMultiplier)
                : preservation(which, place, lambda);
        return name().equals("sapr") ? asked : new Preservation(which, place, 0, base.scale(), lambdaMultiplier);
    }

    private Preservation preservation(Saliency which, Place place, String lambda) {
        String[] parts = lambda.split(":", -1);
        Scale scale = switch (parts.length == 1 ? "relative" : parts[1]) {
            case "relative" -> Scale.RELATIVE;
            case "absolute" -> Scale.ABSOLUTE;
            case "normalized" -> Scale.NORMALIZED;
            default ->
                throw new IllegalArgumentException(
                        "--lambda: got %s, want X, X:absolute or X:normalized".formatted(lambda));
        };
        return new Preservation(which, place, parseDouble("--lambda", parts[0]), scale, lambdaMultiplier);
    }

    private List<Stage> stages(Preset base) {
        double adapters = adapterRate == null ? base.adapterRate() : adapterRate;
        double clipping = clippingRate == null ? base.clippingRate() : clippingRate;
        double weights = weightRate == null ? ownWeightRate() : weightRate;
        boolean follows = cosine == null ? base.cosine() : cosine;
        if (stages == null) {
            Objective objective = !name().equals("sapr") || (base.lambda() == 0 && lambda == null)
                    ? Objective.OUTPUT
                    : Objective.MIXED;
            int count = epochs == null ? base.epochs() : epochs;
            return List.of(new Stage(objective, Terms.NONE, count, adapters, clipping, weights, decay, follows));
        }
        List<Stage> list = new ArrayList<>();
        for (String stage : stages.split(",", -1)) {
            String[] parts = stage.strip().split(":", -1);
            require(parts.length == 2, "--stages: got %s, want NAME:EPOCHS, as in wpt:15,opt:5", stage);
            int count = parseInt("--stages", parts[1]);
            String[] loss = parts[0].split("\\+", -1);
            list.add(new Stage(objective(loss[0]), terms(loss), count, adapters, clipping, weights, decay, follows));
        }
        return list;
    }

    /** BinaryMoS trains the weights whose signs it takes, as block-ap trains those that it rounds. */
    private double ownWeightRate() {
        boolean trained = name().equals("block-ap") || ("binary-mos".equals(grid) && !name().equals("omniquant"));
        return trained ? Preset.BLOCK_AP_RATE : 0;
    }

    private static Objective objective(String label) {
        for (Objective objective : Objective.values()) {
            if (objective.label().equals(label)) {
                return objective;
            }
        }
        throw new IllegalArgumentException("--stages: got %s, want wpt, mixed or opt".formatted(label));
    }

    /** Of {@code opt+sw=0.1+attention=0.2}, all after the first part. */
    private static Terms terms(String[] loss) {
        double slicedWasserstein = 0;
        double attention = 0;
        for (String term : List.of(loss).subList(1, loss.length)) {
            String[] parts = term.split("=", -1);
            require(parts.length == 2, "--stages: got +%s, want +NAME=SHARE, as in opt+sw=0.1:5", term);
            double share = parseDouble("--stages " + parts[0], parts[1]);
            switch (parts[0]) {
                case "sw" -> slicedWasserstein = share;
                case "attention" -> attention = share;
                default ->
                    throw new IllegalArgumentException("--stages: got +%s, want +sw or +attention".formatted(parts[0]));
            }
        }
        return new Terms(slicedWasserstein, attention);
    }

    private static int parseInt(String option, String text) {
        try {
            return Integer.parseInt(text);
        } catch (NumberFormatException e) {
            throw new IllegalArgumentException("%s: got %s, want a whole number".formatted(option, text), e);
        }
    }

    private static double parseDouble(String option, String text) {
        try {
            return Double.parseDouble(text);
        } catch (NumberFormatException e) {
            throw new IllegalArgumentException("%s: got %s, want a number".formatted(option, text), e);
        }
    }
}
