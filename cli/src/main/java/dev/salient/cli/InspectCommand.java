package dev.salient.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.salient.cli.Inspection.Row;
import dev.salient.format.Checkpoint;
import dev.salient.model.IntactKv;
import dev.salient.model.ModelConfig;
import dev.salient.model.RopeScaling;
import dev.salient.model.SlidingWindow;
import dev.salient.tokenizer.Tokenizer;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Mixin;

/** The command {@code inspect}: what a model is made of, what it costs, what can be done with it. */
@CommandLine.Command(
        name = "inspect",
        header = "Show what a model is made of.",
        description = {
            "Shows architecture, tensors and grids, bits per weight, and what can and can't be done with the model.",
            "Bits per weight count what the block linears need: codes, scales, zero points where they vary, adapters."
        })
final class InspectCommand implements Command {
    @Mixin
    private final ModelArgument model = new ModelArgument();

    @Mixin
    private final CommonOptions common = new CommonOptions();

    @Override
    public CommonOptions common() {
        return common;
    }

    @Override
    public void run(Console console) throws IOException {
        try (Checkpoint checkpoint = model.open()) {
            Inspection inspection = Inspection.of(checkpoint);
            List<String> warnings = warnings(checkpoint, inspection);
            print(console, checkpoint, inspection);
            warnings.forEach(warning -> console.line("note          %s", warning));
            console.result(json(checkpoint, inspection, warnings));
        }
    }

    private static void print(Console console, Checkpoint checkpoint, Inspection inspection) {
        ModelConfig config = inspection.config();
        console.line("model         %s", checkpoint.source());
        printArchitecture(console, config);
        console.line(
                "size          %s parameters, %s of them in block linears; %s of files",
                Words.count(inspection.parameters()),
                Words.count(config.linearWeightCount()),
                Words.bytes(inspection.summary().weightFileBytes()));
        console.line(
                "bits          %.3f per weight of the block linears; in the files %.3f, and %.3f per parameter of the model",
                inspection.summary().bitsPerWeight(),
                inspection.summary().fileBitsPerWeight(),
                inspection.fileBitsPerParameter());
        console.line("tokenizer     %s", tokenizer(checkpoint));
        console.line(
                "chat          %s",
                checkpoint.chatTemplate() == null ? "no template: use generate" : "has its own template");
        console.line("");
        console.line("%-10s %-16s %-14s %-30s %s", "weight", "blocks", "shape", "stored as", "bits");
        for (Row row : inspection.rows()) {
            console.line(
                    "%-10s %-16s %-14s %-30s %.3f",
                    row.name(),
                    row.blocks(),
                    "[%d, %d]".formatted(row.out(), row.in()),
                    row.form(),
                    row.bitsPerWeight());
        }
        console.line("");
        console.line("group sizes   %s, or the whole row%s", sizes(inspection), widths(inspection));
        console.line("GGUF types    %s", String.join(", ", inspection.ggufTypes()));
    }

    private static String sizes(Inspection inspection) {
        return inspection.groupSizes().stream().map(String::valueOf).collect(Collectors.joining(", "));
    }

    private static String widths(Inspection inspection) {
        String widths = inspection.rowWidths().stream().map(String::valueOf).collect(Collectors.joining(" and "));
        return " (rows are " + widths + " wide)";
    }

    private static String tokenizer(Checkpoint checkpoint) {
        Tokenizer tokenizer = checkpoint.tokenizer();
        if (tokenizer == null) {
            return "none: generate, chat and perplexity need tokenizer.json beside the weights";
        }
        String ends = checkpoint.endTokens().stream()
                .map(id -> id < tokenizer.vocabSize() ? tokenizer.token(id) : String.valueOf(id))
                .collect(Collectors.joining(", "));
        return String.format(Locale.ROOT, "%s tokens, a text ends with %s", Words.count(tokenizer.vocabSize()), ends);
    }

    private static void printArchitecture(Console console, ModelConfig config) {
        console.line(
                "architecture  %s: %d blocks, hidden %d, ffn %d, %d heads / %d key-value of %d",
                family(config),
                config.blockCount(),
                config.hiddenSize(),
                config.ffnSize(),
                config.headCount(),
                config.kvHeadCount(),
                config.headSize());
        console.line(
                "context       %s tokens%s, RoPE base %s%s",
                Words.count(config.contextLength()),
                window(config),
                plain(config.ropeBase()),
                scaling(config.ropeScaling()));
    }

    private static String family(ModelConfig config) {
        return switch (config.family()) {
            case LLAMA -> "LLaMA";
            case MISTRAL -> "Mistral";
            case QWEN2 -> "Qwen 2";
            case QWEN3 -> "Qwen 3";
            case GEMMA2 -> "Gemma 2";
            case GEMMA3 -> "Gemma 3";
        };
    }

    private static String window(ModelConfig config) {
        SlidingWindow window = config.traits().window();
        return window == null
                ? ""
                : String.format(
                        Locale.ROOT,
                        " (a token sees the last %s in %d of %d blocks)",
                        Words.count(window.tokens()),
                        window.blocks().size(),
                        config.blockCount());
    }

    private static String scaling(@Nullable RopeScaling scaling) {
        return switch (scaling) {
            case null -> "";
            case RopeScaling.Llama3 llama3 ->
                String.format(
                        Locale.ROOT,
                        ", stretched %s times beyond %s tokens",
                        plain(llama3.factor()),
                        Words.count(llama3.originalContext()));
            case RopeScaling.Yarn yarn -> ", YaRN, stretched " + plain(yarn.factor()) + " times";
            case RopeScaling.Linear linear -> ", stretched " + plain(linear.factor()) + " times";
            case RopeScaling.Divisors each -> ", each frequency stretched by a number of its own";
        };
    }

    private static String plain(double number) {
        return number == Math.rint(number) ? Words.count((long) number) : String.valueOf(number);
    }

    private static List<String> warnings(Checkpoint checkpoint, Inspection inspection) {
        List<String> warnings = new ArrayList<>();
        ModelConfig config = inspection.config();
        if (config.tiedEmbeddings()) {
            long matrix = (long) config.vocabSize() * config.hiddenSize();
            warnings.add(String.format(
                    Locale.ROOT,
                    "embedding and head are one matrix, %.0f %% of the parameters: quantize leaves it as it is,"
                            + " or in 8 or 4 bits if asked",
                    100.0 * matrix / inspection.parameters()));
        }
        if (!inspection.ggufTypes().contains("Q2_0")) {
            warnings.add("rows are not all multiples of 64: the 2-bit GGUF type Q2_0 cannot hold this model");
        }
        IntactKv intact = checkpoint.weights().intact();
        if (intact != null) {
            warnings.add("texts that begin with the tokens %s use the original's keys and values of them (%s)"
                    .formatted(intact.tokens(), Words.bytes(intact.bits() / Byte.SIZE)));
        }
        Tokenizer tokenizer = checkpoint.tokenizer();
        if (tokenizer != null && tokenizer.vocabSize() > config.vocabSize()) {
            warnings.add(String.format(
                    Locale.ROOT,
                    "the tokenizer has %d tokens, the model only %d",
                    tokenizer.vocabSize(),
                    config.vocabSize()));
        }
        return warnings;
    }

    private static ObjectNode json(Checkpoint checkpoint, Inspection inspection, List<String> warnings) {
        ModelConfig config = inspection.config();
        ObjectNode json = JsonNodeFactory.instance.objectNode();
        json.put("model", checkpoint.source().toString());
        json.put("architecture", config.family().label());
        json.put("blocks", config.blockCount());
        json.put("hidden", config.hiddenSize());
        json.put("ffn", config.ffnSize());
        json.put("heads", config.headCount());
        json.put("kvHeads", config.kvHeadCount());
        json.put("headSize", config.headSize());
        json.put("vocab", config.vocabSize());
        json.put("context", config.contextLength());
        json.put("ropeBase", config.ropeBase());
        json.put("tiedEmbeddings", config.tiedEmbeddings());
        json.put("parameters", inspection.parameters());
        json.put("linearWeights", config.linearWeightCount());
        json.put("bitsPerWeight", inspection.summary().bitsPerWeight());
        json.put("fileBitsPerWeight", inspection.summary().fileBitsPerWeight());
        json.put("fileBytes", inspection.summary().weightFileBytes());
        json.put("fileBitsPerParameter", inspection.fileBitsPerParameter());
        json.put("tokenizer", checkpoint.tokenizer() != null);
        json.put("chatTemplate", checkpoint.chatTemplate() != null);
        checkpoint.endTokens().forEach(json.putArray("endTokens")::add);
        ArrayNode rows = json.putArray("weights");
        for (Row row : inspection.rows()) {
            ObjectNode node = rows.addObject();
            node.put("name", row.name());
            node.put("blocks", row.blocks());
            node.putArray("shape").add(row.out()).add(row.in());
            node.put("storedAs", row.form());
            node.put("bitsPerWeight", row.bitsPerWeight());
        }
        inspection.groupSizes().forEach(json.putArray("groupSizes")::add);
        inspection.ggufTypes().forEach(json.putArray("ggufTypes")::add);
        warnings.forEach(json.putArray("notes")::add);
        return json;
    }
}
