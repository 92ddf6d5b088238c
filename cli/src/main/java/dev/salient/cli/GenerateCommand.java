package dev.salient.cli;

import static dev.salient.tensor.Preconditions.require;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.salient.format.Checkpoint;
import dev.salient.generate.Generation;
import dev.salient.generate.Session;
import dev.salient.tokenizer.Tokenizer;
import java.io.IOException;
import java.util.Locale;
import picocli.CommandLine;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/** The command {@code generate}: a text goes on as the model would write it. */
@CommandLine.Command(
        name = "generate",
        header = "Continue a text.",
        description = {
            "Continues PROMPT and prints what is new as it comes. The same command gives the same text.",
            "What looks like a control token in PROMPT is text. Instructions are better given to: salient chat MODEL"
        })
final class GenerateCommand implements Command {
    @Mixin
    private final ModelArgument model = new ModelArgument();

    @Parameters(index = "1", paramLabel = "PROMPT", description = "The text's beginning; - reads standard input.")
    private String prompt = "";

    @Mixin
    private final SamplingOptions options = new SamplingOptions();

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

    @Override
    public void run(Console console) throws IOException {
        int threadCount = threads.threads();
        options.check();
        String text = prompt.equals("-") ? console.allInput() : prompt;
        try (WarmModel warm = WarmModel.open(model.path(), threadCount, precision.precision())) {
            Checkpoint checkpoint = warm.checkpoint();
            Tokenizer tokenizer = checkpoint.expectTokenizer();
            int[] ids = tokenizer.encodePrompt(text);
            int context = checkpoint.weights().config().contextLength();
            require(ids.length > 0, "prompt: got no text, want at least one character");
            require(
                    ids.length <= context,
                    "prompt: got %d tokens, want at most %d, the model's context",
                    ids.length,
                    context);
            int room = (int) Math.min(context, (long) ids.length + Math.max(0, options.maxTokens()));
            try (Session session = new Session(warm.model(), tokenizer, room)) {
                long start = System.nanoTime();
                Generation generation = session.generate(
                        ids, options.sampling(), options.ending(checkpoint.endTokens()), console::text);
                report(console, generation, (System.nanoTime() - start) / 1e9);
            }
        }
    }

    private static void report(Console console, Generation generation, double seconds) {
        if (!generation.text().endsWith("\n")) {
            console.text("\n");
        }
        int tokens = generation.ids().size();
        if (console.verbose()) {
            console.note(
                    "%d tokens of prompt, %d new ones in %.2f s; ended by %s",
                    generation.promptTokens(), tokens, seconds, reason(generation));
        }
        ObjectNode json = JsonNodeFactory.instance.objectNode();
        json.put("text", generation.text());
        generation.ids().forEach(json.putArray("ids")::add);
        json.put("finish", reason(generation));
        json.put("promptTokens", generation.promptTokens());
        json.put("tokens", tokens);
        json.put("seconds", seconds);
        console.result(json);
    }

    /** {@code stop-token}, {@code length}. */
    static String reason(Generation generation) {
        return generation.reason().name().toLowerCase(Locale.ROOT).replace('_', '-');
    }
}
