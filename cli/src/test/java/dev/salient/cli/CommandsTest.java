package dev.salient.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Every command of the run half, end to end on a model that this test writes. */
class CommandsTest {
    @TempDir
    static Path folder;

    private static Path model;
    private static Path text;

    @BeforeAll
    static void writeModel() throws IOException {
        model = TinyModel.write(folder.resolve("tiny"), 1);
        text = Files.writeString(folder.resolve("text.txt"), "The quick brown fox jumps over the lazy dog. ".repeat(8));
    }

    @Test
    void inspectShowsArchitectureWeightsAndWhatIsPossible() {
        Run run = Run.of("inspect", model);
        assertThat(run.err()).isEmpty();
        assertThat(run.out()).isEqualTo("""
                model         %s
                architecture  LLaMA: 2 blocks, hidden 64, ffn 96, 4 heads / 2 key-value of 16
                context       128 tokens, RoPE base 10,000
                size          94,912 parameters, 61,440 of them in block linears; 382.1 kB of files
                bits          32.000 per weight of the block linears; in the files 32.000, and 32.209 per parameter of the model
                tokenizer     259 tokens, a text ends with <|im_end|>
                chat          has its own template

                weight     blocks           shape          stored as                      bits
                embedding                   [259, 64]      F32                            32.000
                q          0-1              [64, 64]       F32                            32.000
                k          0-1              [32, 64]       F32                            32.000
                v          0-1              [32, 64]       F32                            32.000
                o          0-1              [64, 64]       F32                            32.000
                gate       0-1              [96, 64]       F32                            32.000
                up         0-1              [96, 64]       F32                            32.000
                down       0-1              [64, 96]       F32                            32.000
                head                        [259, 64]      F32                            32.000

                group sizes   16, 32, or the whole row (rows are 64 and 96 wide)
                GGUF types    F32, F16, BF16, Q8_0, Q5_1, Q5_0, Q4_1, Q4_0
                note          rows are not all multiples of 64: the 2-bit GGUF type Q2_0 cannot hold this model
                """.formatted(model));
    }

    @Test
    void inspectAsJsonHasTheSameNumbers() throws IOException {
        JsonNode json = json(Run.of("inspect", model, "--json"));
        assertThat(names(json))
                .containsExactly(
                        "model",
                        "architecture",
                        "blocks",
                        "hidden",
                        "ffn",
                        "heads",
                        "kvHeads",
                        "headSize",
                        "vocab",
                        "context",
                        "ropeBase",
                        "tiedEmbeddings",
                        "parameters",
                        "linearWeights",
                        "bitsPerWeight",
                        "fileBitsPerWeight",
                        "fileBytes",
                        "fileBitsPerParameter",
                        "tokenizer",
                        "chatTemplate",
                        "endTokens",
                        "weights",
                        "groupSizes",
                        "ggufTypes",
                        "notes");
        assertThat(json.path("parameters").asLong()).isEqualTo(94_912);
        assertThat(json.path("bitsPerWeight").asDouble()).isEqualTo(32);
        assertThat(json.path("groupSizes").toString()).isEqualTo("[16,32]");
        assertThat(json.path("weights").path(1).toString()).isEqualTo("""
                        {"name":"q","blocks":"0-1","shape":[64,64],"storedAs":"F32","bitsPerWeight":32.0}""");
    }

    @Test
    void perplexityOfARandomModelIsNearItsVocabulary() throws IOException {
        JsonNode json = json(Run.of("perplexity", model, "--text", text, "--window", 64, "--windows", 3, "--json"));
        assertThat(names(json)).containsExactly("perplexity", "tokens", "window", "windows", "scoring", "losses");
        assertThat(json.path("perplexity").asDouble()).isBetween(50.0, 1500.0);
        assertThat(json.path("tokens").asInt()).isEqualTo(3 * 63);
        assertThat(json.path("window").asInt()).isEqualTo(64);
        assertThat(json.path("windows").asInt()).isEqualTo(3);
        double mean = 0;
        for (JsonNode loss : json.path("losses")) {
            mean += loss.asDouble() / 3;
        }
        assertThat(json.path("perplexity").asDouble()).isCloseTo(Math.exp(mean), within(1e-9));
    }

    /** A model against itself is off by what it rounds, and by nothing where it doesn't. */
    @Test
    void perplexityShowsWhatRoundingCosts() throws IOException {
        Path fourBit = folder.resolve("four.gguf");
        Run export = Run.of("export", model, "--to", "gguf", "--type", "q4_0", "--out", fourBit);
        assertThat(export.status()).as(export.err()).isZero();
        double half = costOf(fourBit, "--cache", "f16");
        double bytes = costOf(fourBit, "--cache", "q8");
        assertThat(costOf(fourBit, "--cache", "f32")).isZero();
        assertThat(half).isPositive().isLessThan(bytes);
        assertThat(bytes).isLessThan(0.01);
        assertThat(costOf(fourBit, "--activations", "int8")).isBetween(half, 0.1);
        assertThat(costOf(model, "--head", "q8_0")).isPositive().isLessThan(costOf(model, "--head", "q4_0"));
    }

    private static double costOf(Path of, String option, String value) throws IOException {
        return json(Run.of(
                        "perplexity",
                        of,
                        "--text",
                        text,
                        "--window",
                        64,
                        "--windows",
                        2,
                        "--against",
                        of,
                        option,
                        value,
                        "--json"))
                .path("kl")
                .asDouble();
    }

    @Test
    void perplexityTakesAllWindowsThatFitAndSaysItsScoring() {
        Run run = Run.of("perplexity", model, "--text", text, "--window", 100, "--scoring", "llama.cpp");
        assertThat(run.out())
                .matches("perplexity \\d+\\.\\d{4} over 147 tokens \\(3 windows of 100, scoring llama.cpp\\)\n");
        assertThat(run.err()).matches("perplexity: 3/3 windows, \\d+\\.\\d{3} so far in \\d+\\.\\d s\n");
        assertThat(run.status()).isZero();
    }

    @Test
    void modelIsNoDistanceFromItselfAndSomeFromAnother() throws IOException {
        JsonNode same = json(Run.of("perplexity", model, "--text", text, "--window", 64, "--against", model, "--json"));
        assertThat(same.path("kl").asDouble()).isCloseTo(0, within(1e-9));
        assertThat(same.path("top1").asDouble()).isEqualTo(1);
        assertThat(same.path("originalPerplexity").asDouble())
                .isCloseTo(same.path("perplexity").asDouble(), within(1e-3));
        Path other = TinyModel.write(folder.resolve("other"), 2);
        JsonNode far = json(Run.of("perplexity", model, "--text", text, "--window", 64, "--against", other, "--json"));
        assertThat(far.path("kl").asDouble()).isGreaterThan(0.1);
        assertThat(far.path("top1").asDouble()).isLessThan(0.5);
        assertThat(Run.of("perplexity", model, "--text", text, "--window", 64, "--against", model)
                        .out())
                .contains(
                        "\nKL         0.00000 nats a token from the original\n",
                        "\ntop-1      100.00 % of tokens as the original finds likeliest\n");
    }

    @Test
    void perplexitySaysWhatIsWrongInOneLine() throws IOException {
        assertBad(
                "salient: nofile.txt: got no such file, want a text file\n",
                "perplexity",
                model,
                "--text",
                "nofile.txt");
        assertBad(
                "salient: --window: got 129, want at most 128, the model's context\n",
                "perplexity",
                model,
                "--text",
                text,
                "--window",
                129);
        assertBad("salient: --window: got 1, want 2 or more\n", "perplexity", model, "--text", text, "--window", 1);
        assertBad("salient: --windows: got 0, want 1 or more\n", "perplexity", model, "--text", text, "--windows", 0);
        assertBad("salient: --threads: got 0, want 1 or more\n", "perplexity", model, "--text", text, "--threads", 0);
        assertBad(
                "salient: --scoring: got gpt, want hf or llama.cpp\n",
                "perplexity",
                model,
                "--text",
                text,
                "--scoring",
                "gpt");
        Path brief = Files.writeString(folder.resolve("brief.txt"), "brief");
        assertBad(
                "salient: " + brief + ": got 5 tokens, want at least 64 for one window\n",
                "perplexity",
                model,
                "--text",
                brief,
                "--window",
                64);
        assertBad(
                "salient: Missing required option: '--text=FILE'\n  see salient perplexity --help\n",
                "perplexity",
                model);
    }

    @Test
    void generateIsTheSameForTheSameSeedOnly() {
        Run first = Run.of("generate", model, "Once", "--max-tokens", 20, "--seed", 5);
        assertThat(first.status()).isZero();
        assertThat(first.err()).isEmpty();
        assertThat(first.out()).endsWith("\n");
        assertThat(Run.of("generate", model, "Once", "--max-tokens", 20, "--seed", 5))
                .isEqualTo(first);
        assertThat(Run.of("generate", model, "Once", "--max-tokens", 20, "--seed", 6)
                        .out())
                .isNotEqualTo(first.out());
    }

    @Test
    void generateAsJsonIsOneObject() throws IOException {
        JsonNode json = json(Run.of(
                "generate",
                model,
                "Once",
                "--max-tokens",
                7,
                "--temperature",
                0,
                "--repetition-penalty",
                1.3,
                "--json"));
        assertThat(names(json)).containsExactly("text", "ids", "finish", "promptTokens", "tokens", "seconds");
        assertThat(json.path("promptTokens").asInt()).isEqualTo(4);
        assertThat(json.path("tokens").asInt()).isEqualTo(json.path("ids").size());
        assertThat(json.path("finish").asText()).isIn("length", "stop-token");
    }

    @Test
    void generateReadsItsPromptFromStandardInput() throws IOException {
        JsonNode given = json(Run.of("generate", model, "Größe\n", "--max-tokens", 9, "--json"));
        JsonNode read = json(Run.withInput("Größe\n", "generate", model, "-", "--max-tokens", 9, "--json"));
        assertThat(read.path("ids")).isEqualTo(given.path("ids"));
        assertThat(read.path("promptTokens").asInt()).isEqualTo(8);
    }

    @Test
    void generateStopsBeforeAStopText() throws IOException {
        JsonNode whole = json(Run.of("generate", model, "Once", "--max-tokens", 30, "--top-k", 20, "--json"));
        String text = whole.path("text").asText();
        String stop = text.substring(text.length() / 2, text.length() / 2 + 1);
        JsonNode cut =
                json(Run.of("generate", model, "Once", "--max-tokens", 30, "--top-k", 20, "--stop", stop, "--json"));
        assertThat(cut.path("finish").asText()).isEqualTo("stop-string");
        assertThat(cut.path("text").asText()).isEqualTo(text.substring(0, text.indexOf(stop)));
    }

    @Test
    void generateSaysWhatIsWrongInOneLine() {
        assertBad(
                "salient: temperature: got -1.0, want a number of at least 0\n",
                "generate",
                model,
                "a",
                "--temperature",
                -1);
        assertBad("salient: top-p: got 0.0, want more than 0 and at most 1\n", "generate", model, "a", "--top-p", 0);
        assertBad("salient: max tokens: got -5, want 0 or more\n", "generate", model, "a", "--max-tokens", -5);
        assertBad("salient: prompt: got no text, want at least one character\n", "generate", model, "");
        assertBad(
                "salient: prompt: got 200 tokens, want at most 128, the model's context\n",
                "generate",
                model,
                "a".repeat(200));
        assertBad(
                "salient: Invalid value for option '--seed': 'x' is not a long\n  see salient generate --help\n",
                "generate",
                model,
                "a",
                "--seed",
                "x");
        assertBad("salient: Missing required parameter: 'PROMPT'\n  see salient generate --help\n", "generate", model);
    }

    @Test
    void chatAnswersEveryLineThroughTheModelsTemplate() throws IOException {
        Object[] command = {"chat", model, "--system", "Be brief.", "--temperature", 0, "--max-tokens", 5, "--json"};
        JsonNode json = json(Run.withInput("Hello!\n\nAnd you?\n", command));
        assertThat(names(json)).containsExactly("messages");
        List<String> roles = new ArrayList<>();
        json.path("messages").forEach(message -> roles.add(message.path("role").asText()));
        assertThat(roles).containsExactly("system", "user", "assistant", "user", "assistant");
        assertThat(json.at("/messages/3/content").asText()).isEqualTo("And you?");
        Object[] aloud = java.util.Arrays.copyOf(command, command.length - 1);
        Run run = Run.withInput("Hello!\n\nAnd you?\n", aloud);
        assertThat(run.err()).isEmpty();
        assertThat(run.out())
                .isEqualTo("%s\n%s\n"
                        .formatted(
                                json.at("/messages/2/content").asText(),
                                json.at("/messages/4/content").asText()));
    }

    @Test
    void chatForgetsOnResetAndEndsOnExit() throws IOException {
        JsonNode json = json(
                Run.withInput("Hello!\n/reset\nHi.\n/exit\nNever read.\n", "chat", model, "--max-tokens", 3, "--json"));
        assertThat(json.at("/messages").size()).isEqualTo(2);
        assertThat(json.at("/messages/0/content").asText()).isEqualTo("Hi.");
    }

    @Test
    void chatForgetsTheOldestTurnsWhenTheContextIsFull() {
        String turns = "%s\n%s\n".formatted("a".repeat(40), "b".repeat(40));
        Run run = Run.withInput(turns, "chat", model, "--max-tokens", 3, "--context", 110);
        assertThat(run.status()).isZero();
        assertThat(run.err()).isEqualTo("(the oldest 2 turns no longer fit the context and are forgotten)\n");
    }

    @Test
    void chatSaysWhatIsWrongInOneLine() throws IOException {
        Path silent = TinyModel.write(folder.resolve("silent"), 1);
        Files.writeString(silent.resolve("tokenizer_config.json"), "{\"eos_token\": \"<|im_end|>\"}");
        assertBad(
                "salient: " + silent + ": got no chat template, want one in tokenizer_config.json;"
                        + " generate continues plain text\n",
                "chat",
                silent);
        assertBad("salient: --context: got 129, want 1 to 128\n", "chat", model, "--context", 129);
    }

    @Test
    void modelWithoutATokenizerCanBeInspectedButNotRun() throws IOException {
        Path bare = TinyModel.write(folder.resolve("bare"), 3);
        Files.delete(bare.resolve("tokenizer.json"));
        assertThat(Run.of("inspect", bare).out())
                .contains("tokenizer     none: generate, chat and perplexity need tokenizer.json beside the weights\n");
        assertBad(
                "salient: " + bare + ": got no tokenizer, want tokenizer.json beside the weights\n",
                "generate",
                bare,
                "Once");
    }

    @Test
    void damagedModelIsOneLineWhateverIsDamaged() throws IOException {
        for (String file : List.of("config.json", "tokenizer.json", "model.safetensors")) {
            Path damaged = TinyModel.write(folder.resolve("damaged"), 1);
            byte[] bytes = Files.readAllBytes(damaged.resolve(file));
            for (int kept : new int[] {0, 7, bytes.length / 2, bytes.length - 3}) {
                Files.write(damaged.resolve(file), java.util.Arrays.copyOf(bytes, kept));
                Run run = Run.of("generate", damaged, "Once", "--max-tokens", 1);
                assertThat(run.status())
                        .as("%s of %d bytes: %s", file, kept, run.err())
                        .isEqualTo(2);
                assertThat(run.out()).isEmpty();
                assertThat(run.err()).matches("salient: [^\n]*" + file + "[^\n]*\n");
            }
        }
    }

    private static void assertBad(String line, Object... arguments) {
        assertThat(Run.of(arguments)).isEqualTo(new Run(2, "", line));
    }

    private static JsonNode json(Run run) throws IOException {
        assertThat(run.status()).as(run.err()).isZero();
        assertThat(run.out()).endsWith("}\n");
        assertThat(run.out().lines()).hasSize(1);
        return new ObjectMapper().readTree(run.out());
    }

    private static List<String> names(JsonNode json) {
        List<String> names = new ArrayList<>();
        json.fieldNames().forEachRemaining(names::add);
        return names;
    }
}
