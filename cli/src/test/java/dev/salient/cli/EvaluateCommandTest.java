package dev.salient.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.salient.format.Checkpoints;
import dev.salient.measure.Models;
import dev.salient.measure.Scores;
import dev.salient.measure.WindowFiles;
import dev.salient.measure.Work;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;

/** The command evaluate, end to end on models that this test writes. */
class EvaluateCommandTest {
    private static final ObjectMapper JSON = new ObjectMapper();

    @TempDir
    static Path folder;

    private static Path original;
    private static Path other;
    private static Path run;
    private static Path text;

    @BeforeAll
    static void writeModels() throws IOException {
        original = TinyModel.write(folder.resolve("original"), 1);
        other = TinyModel.write(folder.resolve("other"), 2);
        run = TinyModel.write(folder.resolve("run"), 3);
        Files.writeString(run.resolve("salient-run.json"), """
                {"calibration": {"text": "calibration.txt", "tokens": 64}}
                """);
        StringBuilder words = new StringBuilder();
        for (int i = 0; i < 120; i++) {
            words.append("Fox ").append(i * i % 91).append(" jumps. ");
        }
        text = Files.writeString(folder.resolve("text.txt"), words);
    }

    private static Run evaluate(Object... arguments) {
        Object[] ends = {"--text", text, "--cache", folder.resolve("cache"), "--threads", 2};
        return Run.of(Stream.of(Stream.of("evaluate"), Arrays.stream(arguments), Arrays.stream(ends))
                .flatMap(words -> words)
                .toArray());
    }

    private static JsonNode json(Run run) throws IOException {
        assertThat(run.status()).as(run.err()).isZero();
        assertThat(run.out().lines()).hasSize(1);
        return JSON.readTree(run.out());
    }

    private static List<String> names(JsonNode json) {
        List<String> names = new ArrayList<>();
        json.fieldNames().forEachRemaining(names::add);
        return names;
    }

    @Test
    void jsonHasEveryMeasureOfTheSchema() throws IOException {
        JsonNode all = json(evaluate(other, "--against", original, "--window", 64, "--windows", 10, "--json"));
        assertThat(names(all)).containsExactly("evaluations");
        JsonNode json = all.path("evaluations").path(0);
        assertThat(names(json))
                .containsExactly(
                        "model",
                        "sha256",
                        "original",
                        "version",
                        "bitsPerWeight",
                        "weightBytes",
                        "text",
                        "perplexity",
                        "divergence",
                        "warnings",
                        "seconds");
        assertThat(json.path("model").asText()).isEqualTo("other");
        assertThat(json.path("sha256").asText()).isEqualTo(Checkpoints.hash(other));
        assertThat(json.path("original").asText()).isEqualTo("original");
        assertThat(json.path("bitsPerWeight").asDouble()).isEqualTo(32);
        assertThat(json.path("text").toString())
                .matches("\\{\"name\":\"text.txt\",\"sha256\":\"[0-9a-f]{64}\",\"set\":\"10 windows\",\"window\":64,"
                        + "\"stride\":64,\"windows\":10,\"tokens\":630}");
        assertThat(names(json.path("perplexity"))).containsExactly("value", "low", "high", "convention");
        assertInside(json.path("perplexity"), "value");
        assertThat(json.at("/perplexity/convention").asText()).isEqualTo("hf");
        JsonNode divergence = json.path("divergence");
        assertThat(names(divergence)).containsExactly("kl", "top1", "top5", "rightToken", "klByPosition");
        assertThat(names(divergence.path("kl")))
                .containsExactly("mean", "low", "high", "median", "p90", "p99", "p999", "max");
        assertInside(divergence.path("kl"), "mean");
        assertInside(divergence.path("top1"), "value");
        assertInside(divergence.path("top5"), "value");
        assertThat(names(divergence.path("rightToken"))).containsExactly("mean", "low", "high", "rms");
        assertThat(divergence.path("klByPosition")).hasSize(16);
        assertThat(names(divergence.at("/klByPosition/0"))).containsExactly("from", "to", "mean");
        assertThat(json.path("warnings")).isEmpty();
        assertThat(folder.resolve("cache/evaluation")).isEmptyDirectory();
    }

    /** Equal, to the last bit of every number. */
    private static void assertAlike(JsonNode got, JsonNode want) {
        if (want.isNumber()) {
            assertThat(got.asDouble()).isEqualTo(want.asDouble());
            return;
        }
        assertThat(got.size()).isEqualTo(want.size());
        if (want.isContainerNode()) {
            assertThat(names(got)).isEqualTo(names(want));
            for (String name : names(want)) {
                assertAlike(got.path(name), want.path(name));
            }
            for (int i = 0; want.isArray() && i < want.size(); i++) {
                assertAlike(got.path(i), want.path(i));
            }
        } else {
            assertThat(got).isEqualTo(want);
        }
    }

    private static void assertInside(JsonNode json, String name) {
        assertThat(json.path(name).asDouble())
                .isStrictlyBetween(
                        json.path("low").asDouble(), json.path("high").asDouble());
    }

    @Test
    void numbersAreThoseOfTheCommandPerplexity() throws IOException {
        for (String scoring : List.of("hf", "llama.cpp")) {
            JsonNode json = json(evaluate(
                            other,
                            "--against",
                            original,
                            "--window",
                            64,
                            "--windows",
                            5,
                            "--scoring",
                            scoring,
                            "--json"))
                    .at("/evaluations/0");
            JsonNode plain = JSON.readTree(Run.of(
                            "perplexity",
                            other,
                            "--text",
                            text,
                            "--against",
                            original,
                            "--window",
                            64,
                            "--windows",
                            5,
                            "--scoring",
                            scoring,
                            "--json")
                    .out());
            assertAlike(json.at("/perplexity/value"), plain.path("perplexity"));
            assertAlike(json.at("/divergence/kl/mean"), plain.path("kl"));
            assertAlike(json.at("/divergence/top1/value"), plain.path("top1"));
            assertAlike(json.at("/text/tokens"), plain.path("tokens"));
        }
    }

    @Test
    void severalModelsAreToldApartOrNotByPairs() throws IOException {
        JsonNode all =
                json(evaluate(original, other, run, "--against", original, "--window", 64, "--windows", 10, "--json"));
        assertThat(all.path("evaluations")).hasSize(3);
        assertThat(all.at("/evaluations/0/divergence/kl/mean").asDouble()).isZero();
        assertThat(all.at("/evaluations/0/divergence/top1/low").asDouble()).isEqualTo(1);
        assertThat(all.path("comparisons")).hasSize(6);
        JsonNode kl = all.at("/comparisons/1");
        assertThat(names(kl)).containsExactly("model", "other", "measure", "difference", "low", "high", "toldApart");
        assertThat(kl.path("model").asText() + kl.path("other").asText()).isEqualTo("originalother");
        assertThat(kl.path("toldApart").asBoolean()).isTrue();
        assertThat(kl.path("difference").asDouble())
                .isCloseTo(-all.at("/evaluations/1/divergence/kl/mean").asDouble(), within(1e-12));
        JsonNode ratio = all.at("/comparisons/4");
        assertThat(ratio.path("measure").asText()).isEqualTo("perplexity");
        assertThat(ratio.path("ratio").asDouble())
                .isCloseTo(
                        all.at("/evaluations/1/perplexity/value").asDouble()
                                / all.at("/evaluations/2/perplexity/value").asDouble(),
                        within(1e-9));
        assertThat(run.resolve("evaluation.json")).exists();
        assertThat(JSON.readTree(Files.readString(run.resolve("evaluation.json"))))
                .isEqualTo(all.at("/evaluations/2"));
        assertThat(other.resolve("evaluation.json")).doesNotExist();
    }

    @Test
    void sameWeightsUnderAnotherNameCannotBeToldApartAndThatIsAWarning() throws IOException {
        Path twin = TinyModel.write(folder.resolve("twin"), 2);
        JsonNode all = json(evaluate(other, twin, "--window", 64, "--windows", 9, "--json"));
        assertThat(all.at("/evaluations/0/warnings").toString())
                .isEqualTo("[\"too few tokens to tell its perplexity from that of twin: 9 windows\"]");
        assertThat(all.at("/evaluations/1/warnings").toString())
                .isEqualTo("[\"too few tokens to tell its perplexity from that of other: 9 windows\"]");
        assertThat(all.at("/comparisons/0/toldApart").asBoolean()).isFalse();
        assertThat(names(all.at("/evaluations/0"))).doesNotContain("divergence", "original");
    }

    @Test
    void stoppedCommandGoesOnWithTheSameResult() throws IOException {
        Object[] command = {other, "--against", original, "--window", 64, "--windows", 10, "--json"};
        ObjectNode whole =
                (ObjectNode) json(evaluate(command)).path("evaluations").path(0);
        TextOptions options = new TextOptions();
        new CommandLine(options).parseArgs("--text", text.toString(), "--window", "64", "--windows", "10");
        Path kept;
        try (OpenModels models = OpenModels.open(List.of(other), original, 1)) {
            EvaluationText read = EvaluationText.read(options, models);
            kept = folder.resolve("cache/evaluation")
                    .resolve(models.key(models.all().getFirst(), read.windows().hash()));
            Models measured = new Models(
                    models.first().model(),
                    List.of(new Models.Measured(models.all().getFirst().model(), new WindowFiles(kept))));
            Work stopping = new Work(1, (done, all, value) -> {
                if (done == 4) {
                    Thread.currentThread().interrupt();
                }
            });
            assertThatThrownBy(() -> Scores.of(measured, read.windows(), stopping))
                    .isInstanceOf(CancellationException.class);
            assertThat(Thread.interrupted()).isTrue();
        }
        try (Stream<Path> files = Files.list(kept)) {
            assertThat(files).hasSize(4);
        }
        ObjectNode resumed =
                (ObjectNode) json(evaluate(command)).path("evaluations").path(0);
        assertAlike(resumed.without("seconds"), whole.without("seconds"));
        assertThat(kept).doesNotExist();
    }

    @Test
    void tableShowsEveryNumberWithItsInterval() throws IOException {
        Path saved = folder.resolve("saved");
        Run shown = evaluate(
                other, run, "--against", original, "--window", 64, "--windows", 3, "--stride", 32, "--save", saved);
        assertThat(shown.status()).isZero();
        String number = "-?\\d+\\.\\d+";
        String interval = number + " \\[" + number + ", " + number + "\\]";
        assertThat(shown.out())
                .matches(("text.txt \\(3 windows\\): 3 windows of 64 tokens, every 32, 127 tokens count, scoring hf;"
                                + " \\[95 % intervals\\]\n\n"
                                + "model +bits +perplexity +KL, nats a token +top-1, % +top-5, %\n"
                                + "original: original +I\n"
                                + "other +32.000  I +I +I +I\n"
                                + "run +32.000  I +I +I +I\n\n"
                                + "other: 382.1 kB of weights, measured in N s\n"
                                + "  KL           median N, 90 % N, 99 % N, 99.9 % N, largest N\n"
                                + "  by position  1: N( +\\d+: N){15}\n"
                                + "  right token  probability changed by I, RMS N\n"
                                + "  warning      3 windows: intervals of fewer than 8 are rough\n"
                                + "(  warning .*\n)*\n"
                                + "run: 382.1 kB of weights, measured in N s\n"
                                + "(  .*\n)+\n"
                                + "perplexity of other against run: times N \\[N, N\\], .+\n"
                                + "KL of other against run: [+-]N nats \\[[+-]N, [+-]N\\], .+\n")
                        .replace("I", interval)
                        .replace("N", number));
        assertThat(shown.err())
                .contains(
                        "run was calibrated on calibration.txt, which is not here: overlap with the text is not checked;"
                                + " --calibration FILE does\n",
                        "written: " + saved.resolve("run.evaluation.json") + "\n");
        assertThat(saved.resolve("other.evaluation.json")).exists();
        assertThat(run.resolve("other.evaluation.json")).doesNotExist();
    }

    @Test
    void quickIsSixtyFourWindowsOf512AndFullIsAllThatFit() throws IOException {
        assertThat(json(evaluate(other, "--json")).at("/evaluations/0/text/set").asText())
                .as("a context of 128, a short text")
                .matches("\\d+ windows");
        JsonNode full = json(evaluate(other, "--set", "full", "--json")).at("/evaluations/0/text");
        assertThat(full.path("set").asText()).isEqualTo("full");
        assertThat(full.path("window").asInt()).isEqualTo(128);
        assertThat(full.path("windows").asLong()).isEqualTo(Files.size(text) / 128);
    }

    @Test
    void overlapOfCalibrationAndTextIsAWarning() throws IOException {
        Path leaked = Files.writeString(folder.resolve("leaked.txt"), "Once. " + Files.readString(text));
        JsonNode named = json(evaluate(other, "--window", 64, "--windows", 9, "--calibration", leaked, "--json"))
                .at("/evaluations/0/warnings");
        assertThat(named.toString())
                .isEqualTo("[\"calibration and evaluation overlap: 99.1 % of the text's runs of 13 words stand in"
                        + " leaked.txt\"]");
        Path clean = Files.writeString(folder.resolve("clean.txt"), "no fox here ".repeat(50));
        assertThat(json(evaluate(other, "--window", 64, "--windows", 9, "--calibration", clean, "--json"))
                        .at("/evaluations/0/warnings"))
                .isEmpty();
        Path run2 = TinyModel.write(folder.resolve("run2"), 3);
        Files.writeString(run2.resolve("salient-run.json"), """
                {"calibration": {"text": "text.txt, leaked.txt", "tokens": 64}}
                """);
        JsonNode found =
                json(evaluate(run2, "--window", 64, "--windows", 9, "--json")).at("/evaluations/0/warnings");
        assertThat(found).hasSize(3);
        assertThat(found.path(0).asText()).isEqualTo("calibrated on a text of the same name, text.txt");
    }

    @Test
    void otherContextThanTheOriginalsAndFewWindowsAreWarnings() throws IOException {
        Path shorter = TinyModel.write(folder.resolve("shorter"), 4);
        Path config = shorter.resolve("config.json");
        Files.writeString(config, Files.readString(config).replace(": 128", ": 96"));
        JsonNode warnings = json(evaluate(shorter, "--against", original, "--window", 64, "--windows", 1, "--json"))
                .at("/evaluations/0/warnings");
        assertThat(warnings.toString())
                .isEqualTo("[\"made for a context of 96 tokens, the original for 128\","
                        + "\"one window: no interval can be given\"]");
        assertThat(evaluate(shorter, "--against", original, "--window", 97).err())
                .isEqualTo("salient: --window: got 97, want at most 96, the models' context\n");
    }

    @Test
    void whatIsWrongIsOneLine() throws IOException {
        assertBad("--set: got slow, want quick or full", other, "--set", "slow");
        assertBad("--windows: got 0, want 1 or more", other, "--windows", 0);
        assertBad("--window: got 1, want 2 or more", other, "--window", 1);
        assertBad("--window: got 3, want 4 or more", other, "--window", 3, "--scoring", "llama.cpp");
        assertBad("--scoring: got gpt, want hf or llama.cpp", other, "--scoring", "gpt");
        assertBad("--stride: got 65, want 1 to 64, the window", other, "--window", 64, "--stride", 65);
        assertBad(
                "--stride: got 32 with --scoring llama.cpp, whose windows don't overlap",
                other,
                "--window",
                64,
                "--stride",
                32,
                "--scoring",
                "llama.cpp");
        assertBad(text + ": exists already", other, "--save", text);
        Path sameName = TinyModel.write(folder.resolve("elsewhere/other"), 1);
        assertBad(sameName + ": got a second model of the name other, want names that differ", other, sameName);
        Path tokens = TinyModel.write(folder.resolve("tokens"), 1);
        Path tokenizer = tokens.resolve("tokenizer.json");
        Files.writeString(
                tokenizer,
                Files.readString(tokenizer)
                        .replace("\"a\":97,\"b\":98", "\"b\":97,\"a\":98")
                        .replace("\"o\":111,\"p\":112", "\"p\":111,\"o\":112"));
        Files.writeString(
                tokens.resolve("config.json"),
                Files.readString(tokens.resolve("config.json")).replace("1e-5", "1e-6"));
        assertBad(
                "tokens: got another tokenization of the text than other's: their numbers would not compare",
                other,
                tokens);
    }

    private static void assertBad(String line, Object... arguments) {
        assertThat(evaluate(arguments)).isEqualTo(new Run(2, "", "salient: " + line + "\n"));
    }
}
