package dev.salient.cli.make;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** The small model that comes with the program, and two texts of its own: one to calibrate on, one to measure with. */
final class EmbeddedModel {
    static final String CALIBRATION = "demo-calibration.txt";
    static final String EVALUATION = "demo-evaluation.txt";

    private static final List<String> FILES = List.of(
            "config.json",
            "generation_config.json",
            "model.safetensors",
            "tokenizer.json",
            "tokenizer_config.json",
            "README.md",
            CALIBRATION,
            EVALUATION);

    private EmbeddedModel() {}

    /** Writes the model and its texts into a folder, which then is an ordinary Hugging Face folder. */
    static void unpack(Path folder) throws IOException {
        Files.createDirectories(folder);
        for (String name : FILES) {
            try (InputStream content = EmbeddedModel.class.getResourceAsStream("embedded/" + name)) {
                if (content == null) {
                    throw new FileNotFoundException("the program's embedded model: got no " + name);
                }
                Files.write(folder.resolve(name), content.readAllBytes());
            }
        }
    }
}
