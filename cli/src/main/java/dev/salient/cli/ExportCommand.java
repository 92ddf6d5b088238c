package dev.salient.cli;

import static dev.salient.tensor.Preconditions.require;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.salient.format.Adapters;
import dev.salient.format.Checkpoint;
import dev.salient.format.gguf.GgufType;
import dev.salient.format.gguf.TwoBits;
import dev.salient.format.gptq.ZeroPoints;
import dev.salient.tensor.DType;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** The command {@code export}: a model in the format of another program. */
@CommandLine.Command(
        name = "export",
        header = "Write a model in the format of another program.",
        description = {
            "gguf: one file with weights, vocabulary and chat template, which stock llama.cpp runs; an adapter becomes a"
                    + " LoRA file beside it (small.lora.gguf beside small.gguf), which llama.cpp takes as --lora, or is"
                    + " folded in with --merge.",
            "hf: a folder of plain numbers, the values that codes stand for, which Transformers loads like any model;"
                    + " adapters are folded in, or a PEFT folder inside it with --adapters peft.",
            "gptq: a folder of packed codes that Transformers, GPTQModel and vLLM read, adapters as a PEFT folder inside it.",
            "aqlm: a folder of codebooks that Transformers reads with the package aqlm, adapters likewise.",
            "What a format can't hold exactly is refused, or rounded where a type is asked for; the error of rounding is"
                    + " measured and said."
        })
final class ExportCommand implements Command {
    @Mixin
    private final ModelArgument model = new ModelArgument();

    @Option(names = "--to", required = true, paramLabel = "FORMAT", description = "gguf, gptq, aqlm or hf.")
    private String format = "";

    @Option(
            names = "--out",
            required = true,
            paramLabel = "PATH",
            description = "The file, which ends with .gguf, or the new folder.")
    private Path out = Path.of("");

    @Option(
            names = "--type",
            paramLabel = "TYPE",
            description = "gguf: what becomes of matrices that don't fit Q2_0 exactly: as-stored, f32, f16, bf16, q8_0,"
                    + " q4_0. Default: as-stored, the smallest type that holds the same values.")
    private @Nullable String type;

    @Option(names = "--dequantize", description = "gguf, with --type: also what fits Q2_0.")
    private boolean dequantize;

    @Option(names = "--merge", description = "gguf, with --type: fold adapters into the weights.")
    private boolean merge;

    @Option(
            names = "--dtype",
            paramLabel = "TYPE",
            description =
                    "hf: the type of every matrix; gptq, aqlm: of embeddings and head that are in groups: f16, bf16, f32."
                            + " Default: f16.")
    private @Nullable String dtype;

    @Option(
            names = "--adapters",
            paramLabel = "FORM",
            description = "hf: merged (default), or peft, the folder adapter inside the new one.")
    private @Nullable String adapters;

    @Option(
            names = "--zero-points",
            paramLabel = "FORM",
            description =
                    "gptq: gptq stores them less 1, as the format's first version, which holds no 0; gptq_v2 as they"
                            + " are. Default: gptq where all are the middle of their grid, otherwise gptq_v2.")
    private @Nullable String zeroPoints;

    @Option(
            names = "--verify",
            description =
                    "Open what was written and compare every weight and the logits of a few tokens with the model.")
    private boolean verify;

    @Option(names = "--force", description = "Replace files that are there.")
    private boolean force;

    @Mixin
    private final CommonOptions common = new CommonOptions();

    @Override
    public CommonOptions common() {
        return common;
    }

    @Override
    public void run(Console console) throws IOException {
        ExportTarget target = target();
        target.check();
        try (Checkpoint checkpoint = model.open()) {
            ObjectNode json = JsonNodeFactory.instance.objectNode();
            target.write(checkpoint, console, json);
            if (verify) {
                ExportReport.verify(target.out(), target.expected(checkpoint.weights()), console, json);
            }
            console.result(json);
        }
    }

    private ExportTarget target() {
        return switch (format) {
            case "gguf" -> {
                requireAbsent("--dtype", dtype, "hf, gptq or aqlm");
                requireAbsent("--adapters", adapters, "hf");
                requireAbsent("--zero-points", zeroPoints, "gptq");
                yield new GgufTarget(
                        out,
                        choice("--type", type, GgufType.AS_STORED),
                        dequantize ? TwoBits.DEQUANTIZED : TwoBits.KEPT,
                        merge ? Adapters.MERGED : Adapters.APART,
                        force);
            }
            case "hf" -> {
                requireNothingOfGguf();
                requireAbsent("--zero-points", zeroPoints, "gptq");
                yield new HfTarget(out, model.path(), choice("--dtype", dtype, DType.F16), adapterForm(), force);
            }
            case "gptq" -> {
                requireNothingOfGguf();
                requireAbsent("--adapters", adapters, "hf");
                yield new GptqTarget(
                        out,
                        model.path(),
                        choice("--zero-points", zeroPoints, ZeroPoints.AUTO),
                        choice("--dtype", dtype, DType.F16),
                        force);
            }
            case "aqlm" -> {
                requireNothingOfGguf();
                requireAbsent("--adapters", adapters, "hf");
                requireAbsent("--zero-points", zeroPoints, "gptq");
                yield new AqlmTarget(out, model.path(), choice("--dtype", dtype, DType.F16), force);
            }
            default ->
                throw new IllegalArgumentException("--to: got %s, want gguf, gptq, aqlm or hf".formatted(format));
        };
    }

    private void requireNothingOfGguf() {
        requireAbsent("--type", type, "gguf");
        requireAbsent("--dequantize", dequantize ? "it" : null, "gguf");
        requireAbsent("--merge", merge ? "it" : null, "gguf; --to hf merges by itself");
    }

    private void requireAbsent(String option, @Nullable String value, String owner) {
        require(value == null, "%s: got it with --to %s, want it with --to %s", option, format, owner);
    }

    private Adapters adapterForm() {
        if (adapters == null || adapters.equals("merged")) {
            return Adapters.MERGED;
        }
        require(adapters.equals("peft"), "--adapters: got %s, want merged or peft", adapters);
        return Adapters.APART;
    }

    /** The constant that a word names; the one given where there is none. */
    private static <E extends Enum<E>> E choice(String option, @Nullable String word, E absent) {
        if (word == null) {
            return absent;
        }
        List<E> all = Arrays.asList(absent.getDeclaringClass().getEnumConstants());
        for (E it : all) {
            if (label(it).equals(word)) {
                return it;
            }
        }
        String words = all.stream().map(ExportCommand::label).collect(Collectors.joining(", "));
        int last = words.lastIndexOf(", ");
        throw new IllegalArgumentException("%s: got %s, want %s or %s"
                .formatted(option, word, words.substring(0, last), words.substring(last + 2)));
    }

    /** A constant as users write it: {@code as-stored}. */
    static String label(Enum<?> constant) {
        return constant.name().toLowerCase(Locale.ROOT).replace("as_", "as-");
    }
}
