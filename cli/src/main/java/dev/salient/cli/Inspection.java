package dev.salient.cli;

import dev.salient.format.Checkpoint;
import dev.salient.format.Checkpoints;
import dev.salient.format.ModelSummary;
import dev.salient.model.Linear;
import dev.salient.model.ModelConfig;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/**
 * What a model is made of, in as few lines as tell it.
 *
 * @param rows weights of one name, shape and form, in the order in which they run
 * @param parameters numbers that the model consists of; a tied matrix counts once
 */
record Inspection(ModelSummary summary, List<Row> rows, long parameters) {

    /**
     * Weights of one name, shape and form.
     *
     * @param blocks that they belong to, as {@code 0-10, 12-29}; empty outside of blocks
     */
    record Row(String name, String blocks, int out, int in, String form, double bitsPerWeight) {}

    private record Kind(String name, int out, int in, String form) {}

    private record Member(int block, ModelSummary.Part part) {}

    private static final List<Integer> GROUP_SIZES = List.of(16, 32, 64, 128, 256);

    static Inspection of(Checkpoint checkpoint) throws IOException {
        return of(Checkpoints.describe(checkpoint));
    }

    static Inspection of(ModelSummary summary) {
        ModelConfig config = summary.config();
        long matrix = (long) config.vocabSize() * config.hiddenSize();
        long norms = (2L * config.blockCount() + 1) * config.hiddenSize();
        return new Inspection(
                summary,
                rows(summary.parts()),
                config.linearWeightCount() + norms + (config.tiedEmbeddings() ? matrix : 2 * matrix));
    }

    ModelConfig config() {
        return summary.config();
    }

    double fileBitsPerParameter() {
        return summary.weightFileBytes() * 8.0 / parameters;
    }

    /** The widths of the rows of the block linears, smallest first. */
    List<Integer> rowWidths() {
        return Arrays.stream(Linear.values())
                .map(linear -> linear.in(config()))
                .distinct()
                .sorted()
                .toList();
    }

    /** Those that divide every row of the block linears. */
    List<Integer> groupSizes() {
        return GROUP_SIZES.stream().filter(this::dividesRows).toList();
    }

    /** GGUF's types whose block divides every row of the block linears. */
    List<String> ggufTypes() {
        List<String> types = new ArrayList<>(List.of("F32", "F16", "BF16"));
        for (int block : new int[] {32, 64, 128, 256}) {
            if (dividesRows(block)) {
                types.addAll(
                        switch (block) {
                            case 32 -> List.of("Q8_0", "Q5_1", "Q5_0", "Q4_1", "Q4_0");
                            case 64 -> List.of("Q2_0");
                            case 128 -> List.of("Q1_0");
                            default -> List.of("K-quants", "I-quants", "TQ2_0", "TQ1_0");
                        });
            }
        }
        return types;
    }

    private boolean dividesRows(int size) {
        return rowWidths().stream().allMatch(row -> row % size == 0);
    }

    private static List<Row> rows(List<ModelSummary.Part> parts) {
        Map<String, Map<Kind, List<Member>>> byName = new LinkedHashMap<>();
        for (ModelSummary.Part part : parts) {
            int dot = part.name().indexOf('.');
            String name = part.name().substring(dot + 1);
            int block = dot < 0 ? -1 : Integer.parseInt(part.name().substring(0, dot));
            byName.computeIfAbsent(name, key -> new LinkedHashMap<>())
                    .computeIfAbsent(new Kind(name, part.out(), part.in(), part.format()), key -> new ArrayList<>())
                    .add(new Member(block, part));
        }
        List<Row> rows = new ArrayList<>();
        byName.values().forEach(kinds -> kinds.forEach((kind, members) -> rows.add(row(kind, members))));
        return List.copyOf(rows);
    }

    private static Row row(Kind kind, List<Member> members) {
        double bits = members.stream()
                .mapToDouble(member -> member.part().bitsPerWeight())
                .average()
                .orElse(0);
        int[] blocks = members.stream().mapToInt(Member::block).toArray();
        return new Row(kind.name(), runs(blocks), kind.out(), kind.in(), kind.form(), bits);
    }

    /** {@code 0-10, 12-29}. */
    private static String runs(int[] blocks) {
        if (blocks[0] < 0) {
            return "";
        }
        List<String> runs = new ArrayList<>();
        int[] starts = IntStream.range(0, blocks.length)
                .filter(i -> i == 0 || blocks[i] != blocks[i - 1] + 1)
                .toArray();
        for (int i = 0; i < starts.length; i++) {
            int first = blocks[starts[i]];
            int last = blocks[(i + 1 < starts.length ? starts[i + 1] : blocks.length) - 1];
            runs.add(first == last ? String.valueOf(first) : first + "-" + last);
        }
        return String.join(", ", runs);
    }
}
