package dev.salient.cli;

import dev.salient.format.Checkpoint;
import dev.salient.format.Checkpoints;
import java.io.IOException;
import java.nio.file.Path;
import picocli.CommandLine.Parameters;

/** The model that a command works on; a picocli mixin. */
public final class ModelArgument {
    @Parameters(
            index = "0",
            paramLabel = "MODEL",
            converter = ModelPath.class,
            description =
                    "A Hugging Face folder (dense, AWQ, AQLM, or GPTQ with or without an adapter), a GGUF file, or ORG/NAME of"
                            + " a model that pull fetched.")
    private Path model = Path.of("");

    /** Where it lies. */
    public Path path() {
        return model;
    }

    /** Opens it. */
    public Checkpoint open() throws IOException {
        return Checkpoints.open(model);
    }
}
