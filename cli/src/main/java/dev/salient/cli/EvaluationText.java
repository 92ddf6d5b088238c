package dev.salient.cli;

import static dev.salient.tensor.Preconditions.require;

import dev.salient.cli.OpenModels.OpenModel;
import dev.salient.corpus.Corpus;
import dev.salient.measure.Evaluation;
import dev.salient.measure.Scoring;
import dev.salient.measure.Windows;
import dev.salient.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;

/**
 * The text of an evaluation, in the windows that all models read.
 *
 * @param files it came from
 * @param words what was measured of it, as text
 * @param leading tokens that each window begins with
 */
@SuppressWarnings("ArrayRecordComponent")
record EvaluationText(List<Path> files, Evaluation.Text description, Windows windows, String words, int[] leading) {
    static EvaluationText read(TextOptions options, OpenModels models) throws IOException {
        int window = options.window(models.context());
        int stride = options.stride(window);
        Tokenizer tokenizer = models.first().checkpoint().expectTokenizer();
        Corpus corpus = Corpus.read(options.files(), tokenizer);
        requireSameTokens(options.files(), corpus, models);
        List<int[]> ids = corpus.overlappingWindows(window, stride, options.most());
        Scoring scoring = options.scoring();
        int[] leading = options.leading(tokenizer);
        int largest = scoring.largestWindow(models.context(), leading.length);
        TextOptions.requireFits(window, leading.length, largest);
        Windows windows =
                stride == window ? Windows.of(ids, leading, scoring) : Windows.overlapping(ids, stride, leading);
        Evaluation.Text description = new Evaluation.Text(
                names(options.files()),
                sha256(options.files()),
                options.setName(ids.size(), window, stride),
                window,
                stride,
                ids.size(),
                windows.tokens(),
                scoring);
        int end = (ids.size() - 1) * stride + window;
        return new EvaluationText(
                options.files(), description, windows, tokenizer.decode(Arrays.copyOf(corpus.ids(), end)), leading);
    }

    /** Perplexities, and distances from an original, are of the same tokens or of nothing. */
    private static void requireSameTokens(List<Path> files, Corpus corpus, OpenModels models) throws IOException {
        for (OpenModel model : models.withOriginal()) {
            if (!model.sha256().equals(models.first().sha256())) {
                Tokenizer other = model.checkpoint().expectTokenizer();
                require(
                        Arrays.equals(Corpus.read(files, other).ids(), corpus.ids())
                                && other.leadingToken()
                                        .equals(models.first()
                                                .checkpoint()
                                                .expectTokenizer()
                                                .leadingToken()),
                        "%s: got another tokenization of the text than %s's: their numbers would not compare",
                        model.name(),
                        models.first().name());
            }
        }
    }

    static String names(List<Path> files) {
        return files.stream().map(OpenModels::name).collect(Collectors.joining(", "));
    }

    private static String sha256(List<Path> files) throws IOException {
        Sha256 hash = new Sha256();
        for (Path file : files) {
            hash.with(Files.readAllBytes(file));
        }
        return hash.hex();
    }
}
