package dev.salient.cli;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.salient.measure.EvaluationJson;
import dev.salient.measure.Interval;
import dev.salient.measure.Scores;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * Two models on the same windows: whether a measure tells them apart.
 *
 * @param measure {@code perplexity} or {@code kl}
 * @param difference the first's less the other's, paired by windows; of perplexities their logarithms'
 * @param windows that both read
 */
record Comparison(String model, String other, String measure, Interval difference, int windows) {
    private static final String PERPLEXITY = "perplexity";
    private static final String KL = "kl";

    /** Less than this the same weights may differ by: sums in fp32, in an order of each storage form's own. */
    private static final double ROUNDING = 1e-6;

    /** Of every pair of models. */
    static List<Comparison> ofAll(List<String> names, List<Scores> scores) {
        List<Comparison> comparisons = new ArrayList<>();
        for (int a = 0; a < names.size(); a++) {
            for (int b = a + 1; b < names.size(); b++) {
                Scores one = scores.get(a);
                Scores other = scores.get(b);
                int windows = one.windows().size();
                comparisons.add(new Comparison(names.get(a), names.get(b), PERPLEXITY, one.nllLess(other), windows));
                if (one.windows().getFirst().compared()) {
                    comparisons.add(new Comparison(names.get(a), names.get(b), KL, one.klLess(other), windows));
                }
            }
        }
        return comparisons;
    }

    /** What these say against claims about a model. */
    static List<String> warnings(List<Comparison> comparisons, String model) {
        List<String> lines = new ArrayList<>();
        for (Comparison comparison : comparisons) {
            boolean concerned = comparison.model.equals(model) || comparison.other.equals(model);
            if (concerned && !comparison.toldApart()) {
                lines.add("too few tokens to tell its %s from that of %s: %d windows"
                        .formatted(
                                comparison.label(),
                                comparison.model.equals(model) ? comparison.other : comparison.model,
                                comparison.windows));
            }
        }
        return lines;
    }

    private boolean toldApart() {
        return difference.excludesZero() && Math.abs(difference.value()) > ROUNDING;
    }

    private String label() {
        return measure.equals(KL) ? "KL" : measure;
    }

    /** One line for people. */
    String line() {
        Interval shown = shown();
        String numbers = measure.equals(KL)
                ? String.format(Locale.ROOT, "%+.4f nats [%+.4f, %+.4f]", shown.value(), shown.low(), shown.high())
                : String.format(Locale.ROOT, "times %.4f [%.4f, %.4f]", shown.value(), shown.low(), shown.high());
        String verdict = !toldApart() ? "can't be told apart" : (difference.value() < 0 ? model : other) + " is better";
        return "%s of %s against %s: %s, %s".formatted(label(), model, other, numbers, verdict);
    }

    private Interval shown() {
        return measure.equals(KL) ? difference : difference.map(Math::exp);
    }

    ObjectNode toJson() {
        ObjectNode json = JsonNodeFactory.instance
                .objectNode()
                .put("model", model)
                .put("other", other)
                .put("measure", measure);
        return EvaluationJson.put(json, measure.equals(KL) ? "difference" : "ratio", shown())
                .put("toldApart", toldApart());
    }
}
