package dev.salient.pipeline;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.salient.format.Checkpoint;
import dev.salient.format.Checkpoints;
import dev.salient.format.ModelSummary;
import dev.salient.format.json.JsonFiles;
import dev.salient.generate.Ending;
import dev.salient.generate.Sampling;
import dev.salient.generate.Session;
import dev.salient.model.Linear;
import dev.salient.model.LinearId;
import dev.salient.model.ModelConfig;
import dev.salient.model.PackedLanguageModel;
import dev.salient.packed.GroupAffine;
import dev.salient.packed.LowRank;
import dev.salient.packed.PackedWeight;
import dev.salient.packed.ScaleMixture;
import dev.salient.saliency.FisherFile;
import dev.salient.saliency.SaliencySummary;
import dev.salient.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * What a finished run came to, as {@code report.json} in its folder: counted and measured in the folder as loaded back.
 *
 * <p>Linear after linear, so that no more than one is in memory. Nothing in it differs between an uninterrupted and a
 * resumed run.
 */
final class RunReport {
    static final String FILE = "report.json";
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final List<String> PROMPTS = List.of("Once upon a time", "The most important thing about water is");
    private static final int SAMPLE_TOKENS = 48;

    private final Path folder;
    private final int threads;
    private final Checkpoint original;
    private final @Nullable FisherFile saliency;
    private final Map<String, GridCount> grids = new TreeMap<>();

    /**
     * Of a run that is finished.
     *
     * @param threads to write samples with
     * @param saliency what the run used, or null
     */
    RunReport(Path folder, int threads, Checkpoint original, @Nullable FisherFile saliency) {
        this.folder = folder;
        this.threads = threads;
        this.original = original;
        this.saliency = saliency;
    }

    /** Writes the file. */
    void write(RunListener listener) throws IOException {
        ObjectNode manifest = (ObjectNode) JSON.readTree(Files.readAllBytes(folder.resolve(RunFolder.MANIFEST)));
        JsonNode curves = manifest.remove("blocks");
        ObjectNode json = JSON.createObjectNode();
        json.set("run", manifest);
        try (Checkpoint written = Checkpoints.open(folder)) {
            ModelSummary summary = Checkpoints.describe(written);
            json.set("sizes", sizes(summary));
            json.set("blocks", blocks(written, summary, curves, listener));
            json.set(
                    "grids",
                    JSON.valueToTree(
                            grids.values().stream().map(GridCount::counts).toList()));
            json.set("samples", samples(written));
        }
        JsonFiles.write(folder.resolve(FILE), json);
    }

    private ObjectNode sizes(ModelSummary summary) throws IOException {
        return JSON.createObjectNode()
                .put("bitsPerWeight", summary.bitsPerWeight())
                .put("fileBitsPerWeight", summary.fileBitsPerWeight())
                .put("weightBytes", summary.weightFileBytes())
                .put("originalWeightBytes", Checkpoints.describe(original).weightFileBytes());
    }

    private ArrayNode blocks(Checkpoint written, ModelSummary summary, JsonNode curves, RunListener listener)
            throws IOException {
        Map<String, ModelSummary.Part> parts =
                summary.parts().stream().collect(Collectors.toMap(ModelSummary.Part::name, part -> part));
        int count = written.weights().blocks().size();
        listener.began("report", count);
        ArrayNode blocks = JSON.createArrayNode();
        for (int block = 0; block < count; block++) {
            ObjectNode own = blocks.addObject().put("block", block);
            ArrayNode linears = JSON.createArrayNode();
            WeightError inBlock = WeightError.NONE;
            for (Linear linear : Linear.values()) {
                LinearId id = new LinearId(block, linear);
                PackedWeight weight = written.weights().blocks().get(block).linear(linear);
                count(weight);
                WeightError error = WeightError.of(
                        original.weights().blocks().get(block).linear(linear), ScaleMixture.even(weight));
                inBlock = inBlock.plus(error);
                ModelSummary.Part part = parts.get(id.toString());
                ObjectNode json = linears.addObject().put("name", linear.label());
                if (part != null) {
                    json.put("form", part.format()).put("bitsPerWeight", part.bitsPerWeight());
                }
                json.put("relativeError", error.relative());
                if (saliency != null) {
                    json.set(
                            "saliency", summary(saliency, id, original.weights().config()));
                }
            }
            own.put("relativeError", inBlock.relative());
            own.set("curve", curves.path(block).path("curve"));
            own.set("linears", linears);
            listener.reached(block + 1L);
        }
        return blocks;
    }

    /** A linear's saliency in few numbers. */
    static JsonNode summary(FisherFile saliency, LinearId id, ModelConfig config) throws IOException {
        Linear linear = id.linear();
        float[] values = saliency.values(id.block(), linear);
        return JSON.valueToTree(SaliencySummary.of(values, linear.out(config), linear.in(config)));
    }

    private void count(PackedWeight weight) {
        PackedWeight base = weight instanceof LowRank adapted ? adapted.base() : weight;
        if (base instanceof GroupAffine affine) {
            String form = affine.bits() + " bits, groups of " + affine.groupSize();
            grids.computeIfAbsent(form, name -> new GridCount(name, affine.bits()))
                    .add(affine);
        }
    }

    /**
     * Squared differences of stored from original weights.
     *
     * @param difference their sum
     * @param size sum of the squares of the original weights
     */
    record WeightError(double difference, double size) {
        static final WeightError NONE = new WeightError(0, 0);

        static WeightError of(PackedWeight original, PackedWeight stored) {
            float[] want = new float[original.in()];
            float[] got = new float[original.in()];
            double difference = 0;
            double size = 0;
            for (int row = 0; row < original.out(); row++) {
                original.decodeRow(row, want, 0);
                stored.decodeRow(row, got, 0);
                for (int i = 0; i < want.length; i++) {
                    double off = got[i] - want[i];
                    difference += off * off;
                    size += (double) want[i] * want[i];
                }
            }
            return new WeightError(difference, size);
        }

        WeightError plus(WeightError other) {
            return new WeightError(difference + other.difference, size + other.size);
        }

        double relative() {
            return size == 0 ? 0 : difference / size;
        }
    }

    private ArrayNode samples(Checkpoint written) throws IOException {
        ArrayNode samples = JSON.createArrayNode();
        Tokenizer tokenizer = written.tokenizer();
        if (tokenizer == null) {
            return samples;
        }
        Ending ending = new Ending(SAMPLE_TOKENS, Set.copyOf(written.endTokens()), List.of());
        try (PackedLanguageModel model = new PackedLanguageModel(written.weights(), threads)) {
            int room = written.weights().config().contextLength();
            for (String prompt : PROMPTS) {
                int[] ids = tokenizer.encode(prompt);
                if (ids.length + SAMPLE_TOKENS <= room) {
                    StringBuilder text = new StringBuilder();
                    try (Session session = new Session(model, tokenizer, ids.length + SAMPLE_TOKENS)) {
                        session.generate(ids, Sampling.greedy(), ending, text::append);
                    }
                    samples.addObject().put("prompt", prompt).put("text", text.toString());
                }
            }
        }
        return samples;
    }
}
