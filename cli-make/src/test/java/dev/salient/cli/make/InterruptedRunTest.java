package dev.salient.cli.make;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A training that is stopped from outside while libtorch computes. */
class InterruptedRunTest {
    @TempDir
    Path folder;

    @Test
    void aRunThatIsStoppedEndsInOrderAndCanBeResumed() throws Exception {
        EmbeddedForTests.unpack(folder.resolve("model"));
        Process run = start();
        StringBuilder said = new StringBuilder();
        try (BufferedReader err = new BufferedReader(new InputStreamReader(run.getErrorStream(), UTF_8))) {
            for (String line = err.readLine(); line != null; line = err.readLine()) {
                said.append(line).append('\n');
                if (line.startsWith("quantize: ")) { // a first step is done, and many are to come
                    run.toHandle().destroy();
                }
            }
        }
        assertThat(run.waitFor()).as("exit status; it said: %s", said).isEqualTo(130);
        try (var files = Files.list(folder)) {
            assertThat(files.map(file -> file.getFileName().toString()))
                    .as("no crash report among them")
                    .containsExactlyInAnyOrder("model", "out", "cache");
        }
        assertThat(folder.resolve("out/.salient/settings.json")).exists();
    }

    private Process start() throws IOException {
        String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
        List<String> command = new ArrayList<>(List.of(
                java,
                "--add-modules=jdk.incubator.vector",
                "--enable-native-access=ALL-UNNAMED",
                "-cp",
                System.getProperty("java.class.path"),
                "dev.salient.cli.Main"));
        command.addAll(List.of("quantize", "model", "--out", "out", "--calibration", "model/demo-calibration.txt"));
        command.addAll(List.of("--samples", "64", "--tokens", "64", "--epochs", "500", "--threads", "1"));
        ProcessBuilder builder = new ProcessBuilder(command).directory(folder.toFile());
        builder.environment().put("XDG_CACHE_HOME", folder.resolve("cache").toString());
        return builder.start();
    }
}
