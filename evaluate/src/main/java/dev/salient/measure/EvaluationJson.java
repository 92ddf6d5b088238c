package dev.salient.measure;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.salient.measure.Divergence.Position;
import dev.salient.measure.Evaluation.Generation;
import dev.salient.measure.Evaluation.Sample;
import dev.salient.measure.Evaluation.Task;

/** Evaluations as JSON; what was not measured has no field. */
public final class EvaluationJson {
    private EvaluationJson() {}

    /** One evaluation. */
    public static ObjectNode of(Evaluation evaluation) {
        ObjectNode json = JsonNodeFactory.instance.objectNode();
        Evaluation.Subject subject = evaluation.subject();
        json.put("model", subject.name()).put("sha256", subject.sha256());
        if (subject.original() != null) {
            json.put("original", subject.original());
        }
        json.put("version", subject.version())
                .put("bitsPerWeight", subject.bitsPerWeight())
                .put("weightBytes", subject.weightBytes());
        Evaluation.Text text = evaluation.text();
        json.putObject("text")
                .put("name", text.name())
                .put("sha256", text.sha256())
                .put("set", text.set())
                .put("window", text.window())
                .put("stride", text.stride())
                .put("windows", text.windows())
                .put("tokens", text.tokens());
        put(json.putObject("perplexity"), "value", evaluation.perplexity().interval())
                .put("convention", text.scoring().label());
        if (evaluation.divergence() != null) {
            divergence(json.putObject("divergence"), evaluation.divergence());
        }
        evaluation.tasks().forEach(task -> json.withArray("tasks").add(task(task)));
        if (evaluation.generation() != null) {
            generation(json.putObject("generation"), evaluation.generation());
        }
        Evaluation.Rates rates = evaluation.rates();
        if (rates != null) {
            json.putObject("speed")
                    .put("prefillTokensPerSecond", rates.prefill())
                    .put("decodeTokensPerSecond", rates.decode())
                    .put("threads", rates.threads());
        }
        evaluation.warnings().forEach(json.putArray("warnings")::add);
        return json.put("seconds", Math.round(evaluation.seconds() * 10) / 10.0);
    }

    private static void divergence(ObjectNode json, Divergence divergence) {
        Divergence.Kl kl = divergence.kl();
        put(json.putObject("kl"), "mean", kl.mean())
                .put("median", kl.median())
                .put("p90", kl.p90())
                .put("p99", kl.p99())
                .put("p999", kl.p999())
                .put("max", kl.max());
        put(json.putObject("top1"), "value", divergence.topOne());
        put(json.putObject("top5"), "value", divergence.topFive());
        put(json.putObject("rightToken"), "mean", divergence.rightToken().mean())
                .put("rms", divergence.rightToken().rms());
        for (Position position : divergence.klByPosition()) {
            json.withArray("klByPosition")
                    .addObject()
                    .put("from", position.from())
                    .put("to", position.to())
                    .put("mean", position.mean());
        }
    }

    /** A number and its interval, where that is known. */
    public static ObjectNode put(ObjectNode json, String name, Interval interval) {
        json.put(name, interval.value());
        if (!Double.isNaN(interval.low())) {
            json.put("low", interval.low()).put("high", interval.high());
        }
        return json;
    }

    private static ObjectNode task(Task task) {
        return JsonNodeFactory.instance
                .objectNode()
                .put("name", task.name())
                .put("items", task.items())
                .put("acc", task.acc())
                .put("accStandardError", task.accStandardError())
                .put("accNorm", task.accNorm())
                .put("accNormStandardError", task.accNormStandardError());
    }

    private static void generation(ObjectNode json, Generation generation) {
        json.put("collapsed", generation.collapsed());
        generation.reasons().forEach(json.putArray("reasons")::add);
        json.putArray("samples");
        for (Sample sample : generation.samples()) {
            ObjectNode node = json.withArray("samples")
                    .addObject()
                    .put("prompt", sample.prompt())
                    .put("text", sample.text());
            if (sample.original() != null) {
                node.put("original", sample.original());
            }
        }
    }
}
