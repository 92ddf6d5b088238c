package dev.salient.measure;

import java.io.IOException;
import java.util.List;

/** Keeps what a model thought of questions, so that a measurement that was stopped can go on. */
public interface AnswerStore {
    /** Keeps nothing. */
    AnswerStore NONE = new AnswerStore() {
        @Override
        public List<Double> find(int index, Question question) {
            return List.of();
        }

        @Override
        public void keep(int index, List<Double> logLikelihoods) {}
    };

    /** The log-likelihoods of a question's choices that an earlier measurement found, or nothing. */
    List<Double> find(int index, Question question);

    /** Keeps those of a question. */
    void keep(int index, List<Double> logLikelihoods) throws IOException;
}
