package dev.salient.cli;

import dev.salient.measure.Divergence;
import dev.salient.measure.Evaluation;
import dev.salient.measure.Interval;
import dev.salient.measure.Scores;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;

/** Evaluations as people read them. */
final class EvaluationTable {
    private static final String ORIGINAL = "original: ";

    private EvaluationTable() {}

    static void print(
            Console console, List<Evaluation> evaluations, List<Scores> scores, List<Comparison> comparisons) {
        Evaluation first = evaluations.getFirst();
        Evaluation.Text text = first.text();
        console.line(
                "%s (%s): %d windows of %d tokens%s, %s tokens count, scoring %s; [95 %% intervals]",
                text.name(),
                text.set(),
                text.windows(),
                text.window(),
                text.stride() == text.window() ? "" : ", every " + text.stride(),
                Words.count(text.tokens()),
                text.scoring().label());
        console.line("");
        String original = first.subject().original();
        int width = evaluations.stream()
                .mapToInt(evaluation -> evaluation.subject().name().length())
                .max()
                .orElseThrow();
        Row rows = new Row(console, Math.max(width, original == null ? 5 : ORIGINAL.length() + original.length()));
        rows.print("model", "bits", "perplexity", "KL, nats a token", "top-1, %", "top-5, %");
        if (original != null) {
            Interval perplexity = scores.getFirst().originalPerplexity().interval();
            rows.print(ORIGINAL + original, "", withInterval(perplexity, 3), "", "", "");
        }
        for (Evaluation evaluation : evaluations) {
            Divergence divergence = evaluation.divergence();
            rows.print(
                    evaluation.subject().name(),
                    String.format(Locale.ROOT, "%.3f", evaluation.subject().bitsPerWeight()),
                    withInterval(evaluation.perplexity().interval(), 3),
                    divergence == null ? "" : withInterval(divergence.kl().mean(), 4),
                    divergence == null ? "" : percent(divergence.topOne()),
                    divergence == null ? "" : percent(divergence.topFive()));
        }
        evaluations.forEach(evaluation -> details(console, evaluation));
        if (!comparisons.isEmpty()) {
            console.line("");
            comparisons.forEach(comparison -> console.line("%s", comparison.line()));
        }
    }

    /**
     * The rows of the table.
     *
     * @param width of the models' names
     */
    private record Row(Console console, int width) {
        void print(String... cells) {
            String format = "%-" + width + "s  %6s  %-26s %-24s %-22s %-22s";
            console.line("%s", format.formatted((Object[]) cells).stripTrailing());
        }
    }

    private static void details(Console console, Evaluation evaluation) {
        console.line("");
        console.line(
                "%s: %s of weights, measured in %s",
                evaluation.subject().name(),
                Words.bytes(evaluation.subject().weightBytes()),
                Words.duration(Duration.ofMillis((long) (1000 * evaluation.seconds()))));
        Divergence divergence = evaluation.divergence();
        if (divergence != null) {
            Divergence.Kl kl = divergence.kl();
            console.line(
                    "  KL           median %.4f, 90 %% %.4f, 99 %% %.4f, 99.9 %% %.4f, largest %.4f",
                    kl.median(), kl.p90(), kl.p99(), kl.p999(), kl.max());
            console.line(
                    "  by position  %s",
                    divergence.klByPosition().stream()
                            .map(at -> String.format(Locale.ROOT, "%d: %.3f", at.from(), at.mean()))
                            .collect(Collectors.joining("  ")));
            console.line(
                    "  right token  probability changed by %s, RMS %.4f",
                    withInterval(divergence.rightToken().mean(), 4),
                    divergence.rightToken().rms());
        }
        for (Evaluation.Task task : evaluation.tasks()) {
            console.line(
                    "  %-13s acc %.2f %% (±%.2f)  acc_norm %.2f %% (±%.2f)  of %d items",
                    task.name(),
                    100 * task.acc(),
                    100 * task.accStandardError(),
                    100 * task.accNorm(),
                    100 * task.accNormStandardError(),
                    task.items());
        }
        further(console, evaluation);
        evaluation.warnings().forEach(warning -> console.line("  warning      %s", warning));
    }

    private static void further(Console console, Evaluation evaluation) {
        Evaluation.Rates rates = evaluation.rates();
        if (rates != null) {
            console.line(
                    "  speed        reads %.1f, writes %.1f tokens/s on %d threads",
                    rates.prefill(), rates.decode(), rates.threads());
        }
        Evaluation.Generation generation = evaluation.generation();
        if (generation != null) {
            console.line("  writes       %s", generation.collapsed() ? "COLLAPSED" : "text");
            generation.reasons().forEach(reason -> console.line("               %s", reason));
            for (Evaluation.Sample sample : generation.samples()) {
                console.line("    %s ...", sample.prompt());
                if (sample.original() != null) {
                    console.line("      original: %s", oneLine(sample.original()));
                }
                console.line("      this:     %s", oneLine(sample.text()));
            }
        }
    }

    private static String oneLine(String text) {
        return text.strip().replaceAll("\\s+", " ");
    }

    private static String percent(Interval share) {
        return withInterval(share.map(value -> 100 * value), 2);
    }

    /** {@code 29.983 [27.912, 32.205]}. */
    private static String withInterval(Interval interval, int digits) {
        String number = "%." + digits + "f";
        String value = String.format(Locale.ROOT, number, interval.value());
        return Double.isNaN(interval.low())
                ? value
                : value
                        + String.format(
                                Locale.ROOT, " [" + number + ", " + number + "]", interval.low(), interval.high());
    }
}
