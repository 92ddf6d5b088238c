package dev.salient.cli;

import dev.salient.format.Checkpoint;
import dev.salient.model.Linear;
import dev.salient.model.LinearId;
import dev.salient.model.ModelConfig;
import dev.salient.model.ModelWeights;
import dev.salient.packed.PackedWeight;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * What a model is made of, counted.
 *
 * @param parts weights of one name, shape and form, in the order in which they run
 * @param parameters numbers that the model consists of; a tied matrix counts once
 * @param bitsPerWeight what grid and adapters need, over the weights of the block linears
 * @param fileBytes of the weight files
 * @param groupSizes that divide every row of the block linears
 * @param ggufTypes whose block divides every row of the block linears
 */
record ModelSummary(
        ModelConfig config,
        List<Part> parts,
        long parameters,
        double bitsPerWeight,
        long fileBytes,
        List<Integer> groupSizes,
        List<String> ggufTypes) {

    /**
     * Weights of one name, shape and form.
     *
     * @param blocks that they belong to, as {@code 0-29}; empty outside of blocks
     */
    record Part(String name, String blocks, int out, int in, String form, double bitsPerWeight) {}

    private record Kind(String name, int out, int in, String form) {}

    private static final List<Integer> GROUP_SIZES = List.of(16, 32, 64, 128, 256);

    /** GGUF's types by the weights in a block. */
    private static final Map<Integer, List<String>> GGUF_TYPES = new LinkedHashMap<>(Map.of(
            32, List.of("Q8_0", "Q5_1", "Q5_0", "Q4_1", "Q4_0"),
            64, List.of("Q2_0"),
            128, List.of("Q1_0"),
            256, List.of("K-quants", "I-quants", "TQ2_0", "TQ1_0")));

    static ModelSummary of(Checkpoint checkpoint) throws IOException {
        ModelWeights weights = checkpoint.weights();
        ModelConfig config = weights.config();
        Map<LinearId, StoredForm> forms = new LinkedHashMap<>();
        for (int b = 0; b < config.blockCount(); b++) {
            for (Linear linear : Linear.values()) {
                forms.put(
                        new LinearId(b, linear),
                        StoredForm.of(weights.blocks().get(b).linear(linear)));
            }
        }
        double bits = forms.values().stream().mapToLong(StoredForm::bits).sum();
        long norms = (2L * config.blockCount() + 1) * config.hiddenSize();
        long matrix = (long) config.vocabSize() * config.hiddenSize();
        TreeSet<Integer> rows = new TreeSet<>();
        for (Linear linear : Linear.values()) {
            rows.add(linear.in(config));
        }
        return new ModelSummary(
                config,
                parts(weights, forms),
                config.linearWeightCount() + norms + (config.tiedEmbeddings() ? matrix : 2 * matrix),
                bits / config.linearWeightCount(),
                weightBytes(checkpoint.source()),
                GROUP_SIZES.stream().filter(size -> dividesAll(size, rows)).toList(),
                IntStream.of(32, 64, 128, 256)
                        .filter(size -> dividesAll(size, rows))
                        .boxed()
                        .flatMap(size -> GGUF_TYPES.getOrDefault(size, List.of()).stream())
                        .toList());
    }

    /** The widths of the rows of the block linears, smallest first. */
    List<Integer> rowWidths() {
        return IntStream.of(java.util.Arrays.stream(Linear.values())
                        .mapToInt(linear -> linear.in(config))
                        .toArray())
                .sorted()
                .distinct()
                .boxed()
                .toList();
    }

    private static boolean dividesAll(int size, TreeSet<Integer> rows) {
        return rows.stream().allMatch(row -> row % size == 0);
    }

    private static List<Part> parts(ModelWeights weights, Map<LinearId, StoredForm> forms) {
        List<Part> parts = new ArrayList<>();
        parts.add(part("embedding", weights.embedding()));
        for (Linear linear : Linear.values()) {
            Map<Kind, List<LinearId>> kinds = new LinkedHashMap<>();
            forms.forEach((id, form) -> {
                if (id.linear() == linear) {
                    PackedWeight weight = weights.blocks().get(id.block()).linear(linear);
                    kinds.computeIfAbsent(
                                    new Kind(linear.label(), weight.out(), weight.in(), form.name()),
                                    kind -> new ArrayList<>())
                            .add(id);
                }
            });
            kinds.forEach((kind, ids) -> parts.add(part(kind, ids, forms)));
        }
        if (!weights.config().tiedEmbeddings()) {
            parts.add(part("head", weights.head()));
        }
        return List.copyOf(parts);
    }

    private static Part part(Kind kind, List<LinearId> ids, Map<LinearId, StoredForm> forms) {
        double bits = 0;
        for (LinearId id : ids) {
            bits += forms.getOrDefault(id, new StoredForm("", 0)).bits();
        }
        double weights = (double) kind.out() * kind.in() * ids.size();
        return new Part(kind.name(), blocks(ids), kind.out(), kind.in(), kind.form(), bits / weights);
    }

    private static Part part(String name, PackedWeight weight) {
        StoredForm form = StoredForm.of(weight);
        double weights = (double) weight.out() * weight.in();
        return new Part(name, "", weight.out(), weight.in(), form.name(), form.bits() / weights);
    }

    /** {@code 0-10, 12-29}. */
    private static String blocks(List<LinearId> ids) {
        List<String> runs = new ArrayList<>();
        int from = 0;
        for (int i = 1; i <= ids.size(); i++) {
            if (i == ids.size() || ids.get(i).block() != ids.get(i - 1).block() + 1) {
                int first = ids.get(from).block();
                int last = ids.get(i - 1).block();
                runs.add(first == last ? "" + first : first + "-" + last);
                from = i;
            }
        }
        return String.join(", ", runs);
    }

    private static long weightBytes(Path source) throws IOException {
        if (Files.isRegularFile(source)) {
            return Files.size(source);
        }
        try (var files = Files.list(source)) {
            long bytes = 0;
            for (Path file : files.collect(Collectors.toList())) {
                String name = file.toString();
                if (name.endsWith(".safetensors") || name.endsWith(".gguf")) {
                    bytes += Files.size(file);
                }
            }
            return bytes;
        }
    }
}
