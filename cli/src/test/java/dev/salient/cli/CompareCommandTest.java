package dev.salient.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What {@code evaluate} saves is what {@code compare} sets beside each other. */
class CompareCommandTest {
    @TempDir
    static Path folder;

    private static Path one;
    private static Path two;
    private static Path elsewhere;

    @BeforeAll
    static void evaluate() throws IOException {
        Path first = TinyModel.write(folder.resolve("one"), 1);
        Path second = TinyModel.write(folder.resolve("two"), 2);
        Path text = Files.writeString(folder.resolve("text.txt"), "The quick brown fox jumps over it. ".repeat(12));
        Path other =
                Files.writeString(folder.resolve("other.txt"), "Another text about a lazy dog in the sun. ".repeat(12));
        save(folder.resolve("saved"), first, text);
        save(folder.resolve("saved"), second, text);
        save(folder.resolve("elsewhere"), second, other);
        one = folder.resolve("saved/one.evaluation.json");
        two = folder.resolve("saved/two.evaluation.json");
        elsewhere = folder.resolve("elsewhere/two.evaluation.json");
    }

    private static void save(Path target, Path model, Path text) {
        Run run = Run.of(
                "evaluate",
                model,
                "--text",
                text,
                "--window",
                32,
                "--threads",
                1,
                "--save",
                target,
                "--cache",
                folder.resolve("cache"));
        assertThat(run.status()).as(run.err()).isZero();
    }

    @Test
    void theTableHasTheNumbersOfTheFiles() throws IOException {
        Run run = Run.of("compare", one, two, "--json");
        assertThat(run.status()).as(run.err()).isZero();
        JsonNode json = new ObjectMapper().readTree(run.out());
        JsonNode saved = new ObjectMapper().readTree(one.toFile());
        assertThat(json.at("/models/0/quality")).isEqualTo(saved.at("/perplexity/value"));
        assertThat(json.at("/models/0/bitsPerWeight").asDouble()).isEqualTo(32);
        // Both have the same bits: the one that predicts better is the front.
        double first = json.at("/models/0/quality").asDouble();
        double second = json.at("/models/1/quality").asDouble();
        assertThat(json.at("/models/0/onFrontBy").toString().contains("bits")).isEqualTo(first <= second);
        assertThat(json.at("/models/1/onFrontBy").toString().contains("bits")).isEqualTo(second <= first);
    }

    @Test
    void thePageIsWrittenWhereAsked() throws IOException {
        Path page = folder.resolve("page.html");
        Run run = Run.of("compare", one, two, "--out", page);
        assertThat(run.out()).contains("one").contains("two").endsWith("page: " + page + "\n");
        assertThat(Files.readString(page)).contains("<svg").doesNotContain("http://", "https://");
    }

    @Test
    void modelsThatReadOtherTextsAreRefused() {
        Run run = Run.of("compare", one, elsewhere);
        assertThat(run.status()).isEqualTo(2);
        assertThat(run.out()).isEmpty();
        assertThat(run.err().lines()).hasSize(1);
        assertThat(run.err()).startsWith("salient: ").contains("text");
    }
}
