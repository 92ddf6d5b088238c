package dev.salient.cli;

import static dev.salient.tensor.Preconditions.require;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.salient.format.Adapters;
import dev.salient.format.Checkpoint;
import dev.salient.format.Verification;
import dev.salient.format.gguf.GgufExport;
import dev.salient.format.gguf.GgufType;
import dev.salient.format.gguf.TwoBits;
import dev.salient.format.gptq.AdapterFiles;
import dev.salient.model.ModelWeights;
import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** A GGUF file, an adapter beside it or folded in. */
record GgufTarget(Path out, GgufType type, TwoBits twoBits, Adapters adapters, boolean force) implements ExportTarget {
    @Override
    public void check() throws IOException {
        require(
                twoBits == TwoBits.KEPT || type != GgufType.AS_STORED,
                "--dequantize: got --type as-stored, want the type that 2-bit matrices become");
        require(
                adapters == Adapters.APART || type != GgufType.AS_STORED,
                "--merge: got --type as-stored, want the type that merged matrices become: f16, q8_0, f32, bf16 or q4_0");
        for (Path file : List.of(out, GgufExport.adapterFile(out))) {
            if (Files.exists(file) && !force) {
                throw new FileAlreadyExistsException(file.toString());
            }
        }
    }

    @Override
    public void write(Checkpoint checkpoint, Console console, ObjectNode json) throws IOException {
        require(
                adapters == Adapters.APART
                        || !AdapterFiles.of(checkpoint.weights()).isEmpty(),
                "--merge: %s has no adapter, want it for a model that has one",
                checkpoint.source());
        GgufExport export = GgufExport.of(checkpoint, type, twoBits, adapters);
        Path adapter;
        try (Progress progress = console.progress("export", "tensors", export.tensorCount())) {
            adapter = export.write(out, name -> progress.advance(1));
        }
        print(console, export.types(), adapter);
        ExportReport.rounding(export.error(), console, json);
        json.put("file", out.toString());
        json.put("bytes", Files.size(out));
        ObjectNode named = json.putObject("types");
        export.types().forEach(named::put);
        if (adapter != null) {
            json.put("adapter", adapter.toString());
            json.put("adapterBytes", Files.size(adapter));
        }
    }

    @Override
    public ModelWeights expected(ModelWeights weights) {
        return adapters == Adapters.MERGED ? weights : Verification.withoutAdapters(weights);
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
}
