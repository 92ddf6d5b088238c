package dev.salient.measure;

import dev.salient.model.LanguageModel;
import dev.salient.model.LanguageModel.KvCache;
import dev.salient.tokenizer.Tokenizer;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/**
 * How many questions a model answers right, zero-shot: it is shown no examples, and its answer is the likeliest choice.
 *
 * <p>Texts become tokens as in lm-evaluation-harness: blanks at a context's end move to the continuation, the
 * continuation's tokens are those of both texts together after as many as the context alone has, the tokenizer's leading
 * token goes first where it has one, and what is longer than the model's context loses its beginning.
 *
 * <pre>{@code
 * List<Question> questions = ZeroShotTask.named("piqa").read(folder, 200);
 * MultipleChoice result = MultipleChoice.of(model, tokenizer, questions, AnswerStore.NONE, Progress.NONE);
 * double accuracy = result.acc();
 * }</pre>
 *
 * @param answers at least one
 */
public record MultipleChoice(List<Answer> answers) {
    public MultipleChoice {
        answers = List.copyOf(answers);
        requireSome(answers.size());
    }

    /**
     * Asks a model. What a choice's text has in common with the one before is computed once.
     *
     * @param store of answers that are known, and where new ones are kept
     * @param progress told of each question, with {@code acc} so far
     */
    public static MultipleChoice of(
            LanguageModel model, Tokenizer tokenizer, List<Question> questions, AnswerStore store, Progress progress)
            throws IOException {
        requireSome(questions.size());
        int context = model.config().contextLength();
        List<List<Sequence>> sequences = new ArrayList<>();
        int longest = 0;
        for (Question question : questions) {
            List<Sequence> choices = question.choices().stream()
                    .map(choice -> Sequence.of(tokenizer, choice).fitted(context))
                    .toList();
            sequences.add(choices);
            longest = Math.max(
                    longest, choices.stream().mapToInt(Sequence::length).max().orElseThrow());
        }
        List<Answer> answers = new ArrayList<>();
        int right = 0;
        try (KvCache cache = model.newCache(longest)) {
            for (Question question : questions) {
                int index = answers.size();
                List<Double> known = store.find(index, question);
                if (known.isEmpty()) {
                    Windows.stopIfInterrupted("questions", index, questions.size());
                    Reader reader = new Reader(model, cache); // an answer does not depend on what was asked before
                    known = sequences.get(index).stream()
                            .map(reader::logLikelihood)
                            .toList();
                    store.keep(index, known);
                }
                Answer answer = new Answer(question, known);
                answers.add(answer);
                right += answer.right() ? 1 : 0;
                progress.windowDone(answers.size(), questions.size(), (double) right / answers.size());
            }
        }
        return new MultipleChoice(answers);
    }

    private static void requireSome(int count) {
        if (count == 0) {
            throw new IllegalArgumentException("questions: got none, want at least one");
        }
    }

    /** Share of right answers. */
    public double acc() {
        return (double) answers.stream().filter(Answer::right).count() / answers.size();
    }

    /** Share of right answers where log-likelihoods are divided by the choices' characters. */
    public double accNorm() {
        return (double) answers.stream().filter(Answer::rightByCharacter).count() / answers.size();
    }

    public double accStandardError() {
        return standardError(acc());
    }

    public double accNormStandardError() {
        return standardError(accNorm());
    }

    /** Of a mean of zeros and ones, as the harness has it: {@code sqrt(p (1 - p) / (n - 1))}; NaN for one question. */
    private double standardError(double share) {
        return Math.sqrt(share * (1 - share) / (answers.size() - 1));
    }

    /** A choice in tokens. */
    private static final class Sequence {
        /** Of context and continuation. */
        private final int[] ids;
        /** The continuation's first place. */
        private final int first;

        private Sequence(int[] ids, int first) {
            this.ids = ids;
            this.first = first;
        }

        static Sequence of(Tokenizer tokenizer, Question.Choice choice) {
            String context = choice.context();
            int end = context.length();
            while (PythonText.isSpace(context.charAt(end - 1))) {
                end--;
            }
            int[] before = encode(tokenizer, context.substring(0, end));
            int[] whole = encode(tokenizer, context + choice.continuation());
            if (whole.length <= before.length) {
                throw new IllegalArgumentException("continuation: got no token of its own in '%s', want at least one"
                        .formatted(choice.continuation()));
            }
            int[] ids = whole.clone();
            System.arraycopy(before, 0, ids, 0, before.length); // the context's own, even where the whole's differ
            return new Sequence(ids, before.length);
        }

        /** Control tokens in a text are read as such, as the harness does. */
        private static int[] encode(Tokenizer tokenizer, String text) {
            int[] ids = tokenizer.encodeWithControlTokens(text);
            return tokenizer.leadingToken().isEmpty()
                    ? ids
                    : IntStream.concat(tokenizer.leadingToken().stream(), IntStream.of(ids))
                            .toArray();
        }

        /** Places that a cache needs: the last token is predicted, and never read. */
        int length() {
            return ids.length - 1;
        }

        Sequence fitted(int contextLength) {
            int dropped = Math.max(0, length() - contextLength);
            if (dropped >= first) {
                throw new IllegalArgumentException("continuation: got %d tokens, want at most %d, the model's context"
                        .formatted(ids.length - first, contextLength));
            }
            return new Sequence(Arrays.copyOfRange(ids, dropped, ids.length), first - dropped);
        }
    }

    /** Feeds sequences to a model, each from where it differs from the one before. */
    private static final class Reader {
        private final LanguageModel model;
        private final KvCache cache;
        private int[] cached = {};

        Reader(LanguageModel model, KvCache cache) {
            this.model = model;
            this.cache = cache;
        }

        double logLikelihood(Sequence sequence) {
            int[] ids = Arrays.copyOf(sequence.ids, sequence.length());
            int lastBefore = sequence.first - 1; // it predicts the continuation's first token
            int common = Arrays.mismatch(cached, ids);
            int kept = Math.min(common < 0 ? cached.length : common, lastBefore);
            cache.truncate(kept);
            if (kept < lastBefore) {
                model.forwardLast(Arrays.copyOfRange(ids, kept, lastBefore), cache);
            }
            double[] sum = new double[1];
            model.forward(
                    Arrays.copyOfRange(ids, lastBefore, ids.length),
                    cache,
                    (position, logits) ->
                            sum[0] += logits[sequence.ids[position + 1]] - LogProbabilities.logSum(logits));
            cached = ids;
            return sum[0];
        }
    }
}
