package dev.salient.cli;

import static dev.salient.tensor.Preconditions.require;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.salient.format.Checkpoint;
import dev.salient.format.gguf.GgufExport;
import dev.salient.format.gguf.GgufType;
import dev.salient.format.gguf.TwoBits;
import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
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
                    + " LoRA file beside it (small.lora.gguf beside small.gguf), which llama.cpp takes as --lora.",
            "Every tensor is read back and compared before the file gets its name."
        })
final class ExportCommand implements Command {
    @Mixin
    private final ModelArgument model = new ModelArgument();

    @Option(names = "--to", required = true, paramLabel = "FORMAT", description = "gguf.")
    private String format = "";

    @Option(names = "--out", required = true, paramLabel = "FILE", description = "The file; ends with .gguf.")
    private Path out = Path.of("");

    @Option(
            names = "--type",
            paramLabel = "TYPE",
            defaultValue = "as-stored",
            description = "What becomes of matrices that don't fit Q2_0 exactly: as-stored, f32, f16, bf16, q8_0, q4_0."
                    + " Default: as-stored, the smallest type that holds the same values.")
    private String type = "as-stored";

    @Option(names = "--dequantize", description = "With --type: also what fits Q2_0.")
    private boolean dequantize;

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
        require(format.equals("gguf"), "--to: got %s, want gguf", format);
        GgufType chosen = chosenType();
        require(
                !dequantize || chosen != GgufType.AS_STORED,
                "--dequantize: got --type as-stored, want the type that 2-bit matrices become");
        for (Path file : List.of(out, GgufExport.adapterFile(out))) {
            if (Files.exists(file) && !force) {
                throw new FileAlreadyExistsException(file.toString());
            }
        }
        try (Checkpoint checkpoint = model.open()) {
            GgufExport export = GgufExport.of(checkpoint, chosen, dequantize ? TwoBits.DEQUANTIZED : TwoBits.KEPT);
            Path adapter;
            try (Progress progress = console.progress("export", "tensors", export.tensorCount())) {
                adapter = export.write(out, name -> progress.advance(1));
            }
            print(console, export.types(), adapter);
            console.result(json(export.types(), adapter));
        }
    }

    private GgufType chosenType() {
        for (GgufType it : GgufType.values()) {
            if (it.name()
                    .toLowerCase(Locale.ROOT)
                    .replace("as_stored", "as-stored")
                    .equals(type)) {
                return it;
            }
        }
        throw new IllegalArgumentException(
                "--type: got %s, want as-stored, f32, f16, bf16, q8_0 or q4_0".formatted(type));
    }

    private void print(Console console, Map<String, String> types, @Nullable Path adapter) throws IOException {
        console.line("written    %s, %s", out, Words.bytes(Files.size(out)));
        linearsByType(types)
                .forEach((it, linears) -> console.line(
                        "%-10s %d linears%s",
                        it, linears.size(), linears.size() > 3 ? "" : ": " + String.join(", ", linears)));
        for (String matrix : List.of("embedding", "head")) {
            if (types.containsKey(matrix)) {
                console.line("%-10s %s", types.get(matrix), matrix);
            }
        }
        if (adapter != null) {
            console.line("adapter    %s, %s", adapter, Words.bytes(Files.size(adapter)));
        }
    }

    private static Map<String, List<String>> linearsByType(Map<String, String> types) {
        return types.keySet().stream()
                .filter(what -> !what.equals("embedding") && !what.equals("head"))
                .collect(
                        Collectors.groupingBy(what -> types.getOrDefault(what, ""), TreeMap::new, Collectors.toList()));
    }

    private ObjectNode json(Map<String, String> types, @Nullable Path adapter) throws IOException {
        ObjectNode json = JsonNodeFactory.instance.objectNode();
        json.put("file", out.toString());
        json.put("bytes", Files.size(out));
        ObjectNode named = json.putObject("types");
        types.forEach(named::put);
        if (adapter != null) {
            json.put("adapter", adapter.toString());
            json.put("adapterBytes", Files.size(adapter));
        }
        return json;
    }
}
