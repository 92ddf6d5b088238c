package dev.salient.measure;

import java.util.List;
import java.util.function.IntToDoubleFunction;

/**
 * What a model thinks of a question's choices.
 *
 * @param question that was asked
 * @param logLikelihoods of each choice's continuation, nats, in the question's order
 */
public record Answer(Question question, List<Double> logLikelihoods) {
    public Answer {
        logLikelihoods = List.copyOf(logLikelihoods);
    }

    /** {@code acc}: whether the right choice is the likeliest; the first of equal ones counts. */
    public boolean right() {
        return likeliest(logLikelihoods::get) == question.right();
    }

    /** {@code acc_norm}: whether it is the likeliest a character. */
    public boolean rightByCharacter() {
        return likeliest(choice -> logLikelihoods.get(choice)
                        / question.choices().get(choice).characters())
                == question.right();
    }

    private int likeliest(IntToDoubleFunction score) {
        int best = 0;
        for (int choice = 1; choice < logLikelihoods.size(); choice++) {
            if (score.applyAsDouble(choice) > score.applyAsDouble(best)) {
                best = choice;
            }
        }
        return best;
    }
}
