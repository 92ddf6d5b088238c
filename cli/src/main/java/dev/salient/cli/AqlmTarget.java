package dev.salient.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.salient.format.Checkpoint;
import dev.salient.format.Checkpoints;
import dev.salient.format.WeightError;
import dev.salient.format.gptq.AdapterFiles;
import dev.salient.format.gptq.AqlmExport;
import dev.salient.tensor.DType;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;

/** An AQLM folder, adapters as a PEFT folder inside it. */
record AqlmTarget(Path out, Path model, DType dtype, boolean force) implements ExportTarget {
    @Override
    public void check() throws IOException {
        TargetFolder.check(out, model, force);
    }

    @Override
    public void write(Checkpoint checkpoint, Console console, ObjectNode json) throws IOException {
        AqlmExport export = AqlmExport.of(checkpoint, dtype);
        TargetFolder.clear(out);
        WeightError error;
        try (Progress progress = console.progress(
                "export", "blocks", checkpoint.weights().blocks().size())) {
            error = export.write(out, "the codebooks were written as AQLM stores them.", block -> progress.advance(1));
        }
        long bytes = TargetFolder.bytes(out);
        console.line("written    %s, %s", out, Words.bytes(bytes));
        Map<String, Integer> formats = Checkpoints.describe(out).linearFormats();
        formats.forEach((format, count) -> console.line("linears    %d of %s", count, format));
        if (!AdapterFiles.of(checkpoint.weights()).isEmpty()) {
            console.line("adapter    %s", out.resolve("adapter"));
        }
        HfTarget.missing(checkpoint, console);
        ExportReport.rounding(error, console, json);
        json.put("folder", out.toString());
        json.put("bytes", bytes);
        formats.forEach(json.putObject("linears")::put);
    }
}
