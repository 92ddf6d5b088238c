package dev.salient.cli;

import static dev.salient.tensor.Preconditions.require;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.salient.format.Checkpoint;
import dev.salient.kernel.CacheType;
import dev.salient.measure.Speed;
import dev.salient.model.BlockWeights;
import dev.salient.model.Linear;
import dev.salient.model.ModelConfig;
import dev.salient.model.ModelWeights;
import dev.salient.model.PackedLanguageModel;
import dev.salient.model.Precision;
import java.io.IOException;
import java.util.Locale;
import java.util.OptionalLong;
import picocli.CommandLine;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** The command {@code bench}: how fast a model reads and writes, and what the machine's memory allows. */
@CommandLine.Command(
        name = "bench",
        header = "Measure how fast a model reads and writes.",
        description = {
            "Reads a prompt of random tokens, then writes token by token; medians of some runs. Beside it the machine's"
                    + " memory bandwidth, and the share of it that writing reaches: each token needs all weights once,"
                    + " or each step, where several texts are written together."
        })
final class BenchCommand implements Command {
    @Mixin
    private final ModelArgument model = new ModelArgument();

    private static final int DEFAULT_PROMPT = 512;

    @Option(
            names = "--prompt",
            paramLabel = "N",
            description = "Tokens to read. Default: 512, or what the model's context leaves room for.")
    private int prompt = DEFAULT_PROMPT;

    @Option(
            names = "--generate",
            paramLabel = "N",
            defaultValue = "128",
            description = "Tokens to write after them. Default: ${DEFAULT-VALUE}.")
    private int generate = 128;

    @Option(
            names = "--sequences",
            paramLabel = "N",
            defaultValue = "1",
            description = "Texts to read and write together, in one pass; speeds are of all of them. Default:"
                    + " ${DEFAULT-VALUE}.")
    private int sequences = 1;

    @Option(
            names = "--runs",
            paramLabel = "N",
            defaultValue = "5",
            description = "Runs to take the median of. Default: ${DEFAULT-VALUE}.")
    private int runs = 5;

    @Mixin
    private final ThreadsOption threads = new ThreadsOption();

    @Mixin
    private final PrecisionOptions precision = new PrecisionOptions();

    @Mixin
    private final CommonOptions common = new CommonOptions();

    @Override
    public CommonOptions common() {
        return common;
    }

    /**
     * What was measured.
     *
     * @param tokenBytes read from memory for one token
     * @param memory most resident bytes of the process while the model ran; empty where the system does not say
     * @param bandwidth of the machine, bytes per second
     */
    private record Result(Speed speed, long tokenBytes, OptionalLong memory, double bandwidth) {
        /** The share of the machine's bandwidth that writing reaches, 0 to 1. */
        double roofline() {
            return speed.decode() * tokenBytes / bandwidth;
        }
    }

    @Override
    public void run(Console console) throws IOException {
        int threadCount = threads.threads();
        require(prompt > 0, "--prompt: got %d, want 1 or more", prompt);
        require(generate > 0, "--generate: got %d, want 1 or more", generate);
        require(sequences > 0, "--sequences: got %d, want 1 or more", sequences);
        require(runs > 0, "--runs: got %d, want 1 or more", runs);
        Precision rounded = precision.precision();
        try (Checkpoint checkpoint = model.open()) {
            ModelWeights weights = rounded.apply(checkpoint.weights());
            int context = weights.config().contextLength();
            prompt = prompt == DEFAULT_PROMPT ? Math.max(1, Math.min(prompt, context - generate)) : prompt;
            require(
                    (long) prompt + generate <= context,
                    "--prompt and --generate: got %d and %d tokens, want at most %d in all, the model's context",
                    prompt,
                    generate,
                    context);
            Speed.Plan plan = new Speed.Plan(prompt, generate, sequences, runs);
            Speed speed;
            try (PackedLanguageModel packed = new PackedLanguageModel(weights, threadCount, rounded)) {
                speed = measure(console, packed, plan);
            }
            long bytes = tokenBytes(weights, rounded.cache());
            OptionalLong memory = PeakMemory.bytes(); // before the bandwidth is measured, which takes a lot of it
            Result result = new Result(speed, bytes, memory, MemoryBandwidth.bytesPerSecond(threadCount));
            print(console, result, threadCount);
            console.result(json(result, threadCount));
        }
    }

    private static Speed measure(Console console, PackedLanguageModel packed, Speed.Plan plan) {
        try (Progress progress = console.progress("bench", "runs", plan.runs() + 1L)) {
            return Speed.of(packed, plan, (done, all, value) -> {
                progress.note(String.format(Locale.ROOT, "%.1f tokens/s", value));
                progress.advance(1);
            });
        }
    }

    /**
     * All weights of the blocks and the head, which the sequences share, and the keys and values of the tokens before, as
     * they are kept.
     */
    private long tokenBytes(ModelWeights weights, CacheType cache) {
        ModelConfig config = weights.config();
        long bytes = weights.head().storedBytes();
        for (BlockWeights block : weights.blocks()) {
            for (Linear linear : Linear.values()) {
                bytes += block.linear(linear).storedBytes();
            }
        }
        int headBytes = switch (cache) {
            case F32 -> config.headSize() * Float.BYTES;
            case F16 -> config.headSize() * Short.BYTES;
            case Q8 -> config.headSize() + Float.BYTES;
        };
        int tokensBefore = prompt + generate / 2;
        return bytes / sequences + 2L * config.blockCount() * config.kvHeadCount() * headBytes * tokensBefore;
    }

    private void print(Console console, Result result, int threadCount) {
        String texts = sequences == 1 ? "" : " in each of %d texts at once".formatted(sequences);
        console.line("prefill   %10.1f tokens/s  (%d tokens%s)", result.speed.prefill(), prompt, texts);
        console.line("decode    %10.1f tokens/s  (%d tokens after them%s)", result.speed.decode(), generate, texts);
        result.memory.ifPresent(bytes -> console.line("resident  %10.1f MB at most while it ran", bytes / 1e6));
        console.line("a token   %10.1f MB read", result.tokenBytes / 1e6);
        console.line(
                "memory    %10.1f GB/s on %d threads; decode reaches %.0f %% of it",
                result.bandwidth / 1e9, threadCount, 100 * result.roofline());
    }

    private ObjectNode json(Result result, int threadCount) {
        ObjectNode json = JsonNodeFactory.instance.objectNode();
        json.put("prefillTokensPerSecond", result.speed.prefill());
        json.put("decodeTokensPerSecond", result.speed.decode());
        json.put("prompt", prompt);
        json.put("generated", generate);
        json.put("sequences", sequences);
        json.put("threads", threadCount);
        json.put("bytesPerToken", result.tokenBytes);
        result.memory.ifPresent(bytes -> json.put("residentBytes", bytes));
        json.put("memoryBytesPerSecond", result.bandwidth);
        json.put("rooflineShare", result.roofline());
        result.speed.prefills().forEach(json.putArray("prefills")::add);
        result.speed.decodes().forEach(json.putArray("decodes")::add);
        return json;
    }
}
