import dev.salient.corpus.Corpus;
import dev.salient.format.Checkpoint;
import dev.salient.format.Checkpoints;
import dev.salient.kernel.Activations;
import dev.salient.kernel.CacheType;
import dev.salient.model.LanguageModel.KvCache;
import dev.salient.model.PackedLanguageModel;
import dev.salient.model.Precision;
import dev.salient.tokenizer.Tokenizer;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * Writes token ids, and the logits [tokens, vocab] after each, fp32, little-endian: what Salient continues five prompts with, 100 tokens
 * each, always the likeliest, and two windows of a text. MODEL TEXT OUT f32|int8
 */
final class Greedy {
    private static final List<String> PROMPTS = List.of(
            "The capital of France is",
            "Water boils when",
            "Once upon a time there was",
            "In the history of science,",
            "The children went to the");

    public static void main(String[] arguments) throws IOException {
        Path out = Files.createDirectories(Path.of(arguments[2]));
        Precision precision =
                new Precision(Activations.valueOf(arguments[3].toUpperCase(java.util.Locale.ROOT)), CacheType.F32, null);
        try (Checkpoint checkpoint = Checkpoints.open(Path.of(arguments[0]));
                PackedLanguageModel model = new PackedLanguageModel(checkpoint.weights(), 2, precision)) {
            Tokenizer tokenizer = checkpoint.expectTokenizer();
            for (int p = 0; p < PROMPTS.size(); p++) {
                int[] prompt = tokenizer.encode(PROMPTS.get(p));
                write(model, continued(model, prompt), out.resolve("prompt" + p));
            }
            int w = 0;
            for (int[] window : Corpus.read(List.of(Path.of(arguments[1])), tokenizer).adjacentWindows(512, 2)) {
                write(model, window, out.resolve("window" + w++));
            }
        }
    }

    private static int[] continued(PackedLanguageModel model, int[] prompt) {
        int[] ids = Arrays.copyOf(prompt, prompt.length + 100);
        try (KvCache cache = model.newCache(ids.length)) {
            float[] logits = model.forwardLast(prompt, cache);
            for (int at = prompt.length; at < ids.length; at++) {
                int best = 0;
                for (int v = 1; v < logits.length; v++) {
                    best = logits[v] > logits[best] ? v : best;
                }
                ids[at] = best;
                logits = model.forwardLast(new int[] {best}, cache);
            }
        }
        return ids;
    }

    /** Tokens one by one, as they are written. */
    private static void write(PackedLanguageModel model, int[] ids, Path file) throws IOException {
        Files.writeString(
                file.resolveSibling(file.getFileName() + ".ids"),
                IntStream.of(ids).mapToObj(String::valueOf).collect(Collectors.joining(" ")));
        try (KvCache cache = model.newCache(ids.length);
                OutputStream stream = new BufferedOutputStream(Files.newOutputStream(file))) {
            for (int id : ids) {
                float[] logits = model.forwardLast(new int[] {id}, cache);
                ByteBuffer bytes = ByteBuffer.allocate(4 * logits.length).order(ByteOrder.LITTLE_ENDIAN);
                bytes.asFloatBuffer().put(logits);
                stream.write(bytes.array());
            }
        }
    }
}
