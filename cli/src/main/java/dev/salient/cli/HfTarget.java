package dev.salient.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.salient.format.Adapters;
import dev.salient.format.Checkpoint;
import dev.salient.format.WeightError;
import dev.salient.format.gptq.AdapterFiles;
import dev.salient.format.hf.HfExport;
import dev.salient.tensor.DType;
import java.io.IOException;
import java.nio.file.Path;

/** A dense Hugging Face folder, adapters folded in or as a PEFT folder inside it. */
record HfTarget(Path out, Path model, DType dtype, Adapters adapters, boolean force) implements ExportTarget {
    @Override
    public void check() throws IOException {
        TargetFolder.check(out, model, force);
    }

    @Override
    public void write(Checkpoint checkpoint, Console console, ObjectNode json) throws IOException {
        AdapterFiles adapter = AdapterFiles.of(checkpoint.weights());
        HfExport export = new HfExport(checkpoint, dtype, adapters, HfExport.SHARD_BYTES);
        TargetFolder.clear(out);
        if (adapters == Adapters.APART) {
            adapter.write(out);
        }
        WeightError error;
        try (Progress progress = console.progress("export", "tensors", export.tensorCount())) {
            error = export.write(out, note(), name -> progress.advance(1));
        }
        long bytes = TargetFolder.bytes(out);
        console.line("written    %s, %s", out, Words.bytes(bytes));
        console.line("%-10s all matrices; norms as they were", dtype);
        if (!adapter.isEmpty()) {
            console.line("adapter    %s", adapters == Adapters.MERGED ? "merged" : out.resolve("adapter"));
        }
        missing(checkpoint, console);
        ExportReport.rounding(error, console, json);
        json.put("folder", out.toString());
        json.put("bytes", bytes);
        json.put("dtype", ExportCommand.label(dtype));
    }

    /** Says what the new folder lacks. */
    static void missing(Checkpoint checkpoint, Console console) {
        if (checkpoint.tokenizer() == null) {
            console.line("missing    tokenizer.json: the model came without one");
        }
    }

    private String note() {
        return "every matrix was written as plain " + dtype + " numbers, the values that its codes stand for"
                + (adapters == Adapters.MERGED ? ", adapters added." : ".");
    }
}
