package dev.salient.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.salient.format.Checkpoint;
import dev.salient.format.Checkpoints;
import dev.salient.format.WeightError;
import dev.salient.format.gptq.AdapterFiles;
import dev.salient.format.gptq.GptqConfig;
import dev.salient.format.gptq.GptqExport;
import dev.salient.format.gptq.ZeroPoints;
import dev.salient.format.json.JsonObject;
import dev.salient.tensor.DType;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;

/** A GPTQ-format folder, adapters as a PEFT folder inside it. */
record GptqTarget(Path out, Path model, ZeroPoints zeroPoints, DType dtype, boolean force) implements ExportTarget {
    @Override
    public void check() throws IOException {
        TargetFolder.check(out, model, force);
    }

    @Override
    public void write(Checkpoint checkpoint, Console console, ObjectNode json) throws IOException {
        GptqExport export = GptqExport.of(checkpoint, zeroPoints, dtype);
        TargetFolder.clear(out);
        WeightError error;
        try (Progress progress = console.progress(
                "export", "blocks", checkpoint.weights().blocks().size())) {
            error = export.write(out, "the codes were repacked as GPTQ stores them.", block -> progress.advance(1));
        }
        long bytes = TargetFolder.bytes(out);
        console.line("written    %s, %s", out, Words.bytes(bytes));
        Map<String, Integer> formats = Checkpoints.describe(out).linearFormats();
        formats.forEach((format, count) -> console.line("linears    %d of %s", count, format));
        JsonObject quantization = JsonObject.read(out.resolve("config.json")).expectObject("quantization_config");
        String version = quantization.expectString("checkpoint_format");
        console.line(
                "zeros      %s: %s",
                version, version.equals(GptqConfig.V1) ? "zero points are stored less 1" : "zero points as they are");
        if (quantization.has("dynamic")) {
            console.line(
                    "grids      differ between linears (\"dynamic\"): GPTQModel and vLLM read that, Optimum does not");
        }
        if (!AdapterFiles.of(checkpoint.weights()).isEmpty()) {
            console.line("adapter    %s", out.resolve("adapter"));
        }
        HfTarget.missing(checkpoint, console);
        ExportReport.rounding(error, console, json);
        json.put("folder", out.toString());
        json.put("bytes", bytes);
        json.put("checkpointFormat", version);
        formats.forEach(json.putObject("linears")::put);
    }
}
