package dev.salient.cli.make;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The command {@code saliency}, run as a program of its own on the embedded model, with a cache folder of its own. */
class SaliencyCommandTest {
    @TempDir
    Path folder;

    @Test
    void drawsTheMapsOfEveryLinearAndKeepsWhatItComputed() throws Exception {
        EmbeddedModel.unpack(folder.resolve("model"));
        JsonNode first = saliency();
        assertThat(first.path("blocks")).hasSize(4);
        for (JsonNode block : first.path("blocks")) {
            assertThat(block.path("linears")).hasSize(7);
            for (JsonNode linear : block.path("linears")) {
                JsonNode shares = linear.at("/saliency/concentration");
                // all of it, but for the order of at most 768 x 256 additions
                assertThat(shares.path(shares.size() - 1).path("share").asDouble())
                        .isCloseTo(1, within(768 * 256 * 0x1p-53));
                assertThat(linear.at("/saliency/mean").asDouble()).isPositive();
            }
        }
        assertThat(folder.resolve("page.html"))
                .content()
                .contains("<h1>model: saliency</h1>")
                .contains("down: rows (outputs)");
        Map<Path, FileTime> kept = blockFiles();
        assertThat(kept).hasSize(4);
        assertThat(saliency()).isEqualTo(first);
        assertThat(blockFiles()).isEqualTo(kept);
    }

    private Map<Path, FileTime> blockFiles() throws IOException {
        Map<Path, FileTime> times = new TreeMap<>();
        try (var files = Files.walk(folder.resolve("cache"))) {
            for (Path file : files.filter(f -> f.toString().endsWith(".f32")).toList()) {
                times.put(file, Files.getLastModifiedTime(file));
            }
        }
        return times;
    }

    private JsonNode saliency() throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--add-modules=jdk.incubator.vector",
                "--enable-native-access=ALL-UNNAMED",
                "-cp",
                System.getProperty("java.class.path"),
                "dev.salient.cli.Main",
                "saliency",
                folder.resolve("model").toString(),
                "--calibration",
                folder.resolve("model").resolve(EmbeddedModel.CALIBRATION).toString(),
                "--saliency-samples",
                "2",
                "--tokens",
                "32",
                "--threads",
                "1",
                "--json",
                "--out",
                folder.resolve("page.html").toString()));
        Path out = folder.resolve("out.json");
        Path err = folder.resolve("err.txt");
        ProcessBuilder program =
                new ProcessBuilder(command).redirectOutput(out.toFile()).redirectError(err.toFile());
        program.environment().put("XDG_CACHE_HOME", folder.resolve("cache").toString());
        int status = program.start().waitFor();
        assertThat(status).as(Files.readString(err)).isZero();
        return new ObjectMapper().readTree(Files.readString(out));
    }
}
