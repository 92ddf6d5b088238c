package dev.salient.cli;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.salient.cli.make.EmbeddedForTests;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A sweep over the embedded model, whole and in two parts, and recipes that make no sense. */
class SweepCommandTest {
    @TempDir
    Path folder;

    private String out = "";
    private String err = "";

    private int run(String... arguments) {
        ByteArrayOutputStream outBytes = new ByteArrayOutputStream();
        ByteArrayOutputStream errBytes = new ByteArrayOutputStream();
        Streams streams = new Streams(
                new ByteArrayInputStream(new byte[0]),
                new PrintStream(outBytes, true, UTF_8),
                new PrintStream(errBytes, true, UTF_8),
                Set.of(),
                80);
        int status = new Program(streams).run(arguments);
        out = outBytes.toString(UTF_8);
        err = errBytes.toString(UTF_8);
        return status;
    }

    private Path recipe(String runs) throws IOException {
        if (!Files.exists(folder.resolve("model"))) {
            EmbeddedForTests.unpack(folder.resolve("model"));
        }
        Path recipe = folder.resolve("recipe.json");
        Files.writeString(recipe, """
                {"model": "model", "calibration": ["model/demo-calibration.txt"], "text": "model/demo-evaluation.txt",
                 "quantize": ["--samples", "2", "--tokens", "64", "--threads", "1", "--keep-budget", "0"],
                 "evaluate": ["--windows", "2", "--window", "128", "--threads", "1", "--cache", "%s"],
                 "seeds": [1, 2], "runs": [%s]}
                """.formatted(folder.resolve("cache"), runs));
        return recipe;
    }

    private static final String RTN = "{\"name\": \"rtn\", \"quantize\": [\"--method\", \"rtn\"]}";

    @Test
    void modelsAreMadeMeasuredAndTakenTogetherBySeeds() throws IOException {
        Path recipe = recipe(RTN);
        String target = folder.resolve("out").toString();
        assertThat(run("sweep", recipe.toString(), "--out", target)).as(err).isZero();
        long first = Files.getLastModifiedTime(folder.resolve("out/rtn-1/report.json"))
                .toMillis();
        recipe(RTN + ", {\"name\": \"gptq\", \"quantize\": [\"--method\", \"gptq\"], \"tune\": [\"--samples\", \"2\","
                + " \"--tokens\", \"64\", \"--threads\", \"1\"]}, {\"name\": \"scales\", \"from\": \"gptq\", \"tune\": ["
                + "\"--method\", \"scales\", \"--samples\", \"2\", \"--tokens\", \"64\", \"--threads\", \"1\"]}");
        assertThat(run("sweep", recipe.toString(), "--out", target, "--json"))
                .as(err)
                .isZero();
        assertThat(Files.getLastModifiedTime(folder.resolve("out/rtn-1/report.json"))
                        .toMillis())
                .isEqualTo(first);
        JsonNode runs = new ObjectMapper().readTree(out).path("runs");
        assertThat(runs.findValuesAsText("name")).containsExactly("rtn", "gptq", "gptq-tuned", "scales");
        assertThat(new ObjectMapper()
                        .readTree(folder.resolve("out/.sweep/scales-2.json").toFile())
                        .at("/make/1")
                        .asText())
                .isEqualTo(folder.resolve("out/gptq-2").toString());
        JsonNode gptq = runs.get(1);
        assertThat(gptq.path("seeds").asInt()).isEqualTo(2);
        assertThat(gptq.path("bitsPerWeight").asDouble()).isEqualTo(2.25);
        double[] values = {
            gptq.at("/kl/values/0").asDouble(), gptq.at("/kl/values/1").asDouble()
        };
        assertThat(values[0]).isPositive().isNotEqualTo(values[1]);
        assertThat(gptq.at("/kl/mean").asDouble()).isEqualTo((values[0] + values[1]) / 2);
        assertThat(folder.resolve("out/sweep.html"))
                .content()
                .contains("gptq-1-tuned", "Held-out divergence while tuning");
        // measured again where only that is missing; refused where a name stands for other options
        Files.delete(folder.resolve("out/gptq-1/evaluation.json"));
        assertThat(run("sweep", recipe.toString(), "--out", target, "--json"))
                .as(err)
                .isZero();
        assertThat(new ObjectMapper().readTree(out).path("runs")).isEqualTo(runs);
        recipe(RTN.replace("\"rtn\"]", "\"rtn\", \"--start\", \"range\"]"));
        assertThat(run("sweep", recipe.toString(), "--out", target)).isEqualTo(2);
        assertThat(err).contains("got a model that was made or measured with other options");
        assertThat(new ObjectMapper()
                        .readTree(folder.resolve("out/sweep.json").toFile())
                        .path("runs"))
                .isEqualTo(runs);
    }

    @Test
    void someRunsAloneAreMadeWithWhatTheyStartFrom() throws IOException {
        String tune =
                "\"tune\": [\"--method\", \"scales\", \"--samples\", \"2\", \"--tokens\", \"64\", \"--threads\", \"1\"]";
        Path recipe = recipe(RTN
                + ", {\"name\": \"start\", \"quantize\": [\"--method\", \"rtn\"]}, {\"name\": \"scales\","
                + " \"from\": \"start\", " + tune + "}, {\"name\": \"gptq\", \"quantize\": [\"--method\", \"gptq\"]}");
        String target = folder.resolve("out").toString();
        assertThat(run("sweep", recipe.toString(), "--out", target, "--only", "scales", "--json"))
                .as(err)
                .isZero();
        assertThat(new ObjectMapper().readTree(out).path("runs").findValuesAsText("name"))
                .containsExactly("start", "scales");
        assertThat(run("sweep", recipe.toString(), "--out", target, "--only", "rtn", "--json"))
                .as(err)
                .isZero();
        assertThat(new ObjectMapper().readTree(out).path("runs").findValuesAsText("name"))
                .containsExactly("rtn", "start", "scales");
        assertThat(run("sweep", recipe.toString(), "--out", target, "--only", "rtn,rnt"))
                .isEqualTo(2);
        assertThat(err).contains("--only: got rnt, want names of the recipe's runs: rtn, start, scales, gptq");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '"',
            value = {
                "{'name': 'a b'} | recipe.json: runs: got name a b, want letters, digits, dots and dashes",
                "{'name': 'a'}, {'name': 'a'} | recipe.json: runs: got two models for the folder a-1, want other names",
                "{'name': 'a', 'quantize': ['--bits', '5']} | --bits: got 5, want 1, 2, 3 or 4; 1 with --grid binary only",
                "{'name': 'a', 'tune': ['--epochs', '0']} | epochs: got 0, want 1 or more",
                "{'name': 'a', 'from': 'b', 'tune': []} | recipe.json: runs: a: got from b, want the name of a run before it",
                "{'name': 'a', 'from': 'b'} | recipe.json: runs: a: got from b, want a tune and no quantize with it",
                "{'name': 'a', 'quantise': []} | recipe.json: Unrecognized field \"\"quantise\"\" (class",
                "{'name': 'a', 'quantize': ['--bitz', '2']} | Unknown options: '--bitz', '2'",
            })
    void recipesThatMakeNoSenseAreRefusedBeforeAnyRun(String runs, String message) throws IOException {
        Path recipe = recipe(runs.replace('\'', '"'));
        assertThat(run(
                        "sweep",
                        recipe.toString(),
                        "--out",
                        folder.resolve("out").toString()))
                .isEqualTo(2);
        assertThat(err).contains(message.replace("\"\"", "\""));
        assertThat(folder.resolve("out")).doesNotExist();
    }

    /** A run in a relative folder looks like ORG/NAME, what a hub calls a model. */
    @Test
    void relativeFolderIsNotTakenForAModelOfAHub() throws IOException {
        Path recipe = recipe("{\"name\": \"a\", \"tune\": [\"--epochs\", \"0\"]}");
        assertThat(run("sweep", recipe.toString(), "--out", "no-such-folder")).isEqualTo(2);
        assertThat(err).contains("epochs: got 0, want 1 or more");
    }
}
