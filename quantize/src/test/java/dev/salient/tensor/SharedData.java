package dev.salient.tensor;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Assumptions;

/** Finds the real models and texts of {@code ../shared}, beside the repository, for tests tagged "shared". */
public final class SharedData {
    private static final Path ROOT = Path.of("..", "..", "shared");

    private SharedData() {}

    /** The file or folder at that path of the shared folder; without it the test is skipped, and a line says so. */
    public static Path expect(String relative) {
        Path path = ROOT.resolve(relative);
        if (!Files.exists(path)) {
            System.out.println("skipped: got no " + path + ", want the shared data beside the repository");
            Assumptions.abort("no " + path);
        }
        return path;
    }
}
