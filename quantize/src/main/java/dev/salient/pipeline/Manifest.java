package dev.salient.pipeline;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.salient.format.Checkpoints;
import dev.salient.method.Grid;
import dev.salient.method.Method;
import dev.salient.method.Stage;
import dev.salient.model.LinearId;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** The settings of a run as JSON: all that its result depends on. */
final class Manifest {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Path CPU_INFO = Path.of("/proc/cpuinfo");

    private Manifest() {}

    /**
     * All that a run's result depends on.
     *
     * @param leading ids of the tokens that all windows begin with
     * @param modelHash of weights and configuration
     * @param textHash of the calibration windows' token ids
     */
    static ObjectNode of(
            RunSettings settings, Map<LinearId, Grid> kept, int[] leading, String modelHash, String textHash)
            throws IOException {
        ObjectNode json = JSON.createObjectNode();
        json.put("salient", version());
        json.putObject("model").put("name", Checkpoints.name(settings.model())).put("sha256", modelHash);
        json.set("method", method(settings.method()));
        ObjectNode own = json.putObject("kept");
        Map<String, Grid> sorted = new TreeMap<>();
        kept.forEach((id, grid) -> sorted.put(id.toString(), grid));
        sorted.forEach((id, grid) -> own.set(id, grid(grid)));
        ObjectNode calibration = json.putObject("calibration");
        List<Path> files = settings.calibration().files();
        calibration.put(
                "text",
                files.isEmpty()
                        ? "written by the model itself"
                        : String.join(
                                ", ",
                                files.stream()
                                        .map(file -> String.valueOf(file.getFileName()))
                                        .toList()));
        calibration
                .put("samples", settings.calibration().samples())
                .put("tokens", settings.calibration().tokens())
                .put("saliencySamples", settings.calibration().saliencySamples())
                .put("sha256", textHash);
        if (leading.length > 0) { // else the manifest is as it always was
            ArrayNode ids = calibration.putArray("leadingTokens");
            Arrays.stream(leading).forEach(ids::add);
            json.put("intactKv", settings.calibration().leading().intact());
        }
        if (settings.imatrix() != null) {
            json.putObject("imatrix")
                    .put("name", String.valueOf(settings.imatrix().getFileName()))
                    .put("sha256", Checkpoints.hash(settings.imatrix()));
        }
        json.put("seed", settings.seed());
        json.set("machine", machine(settings.machine()));
        return json;
    }

    /** What computed. */
    static ObjectNode machine(RunSettings.Machine machine) throws IOException {
        return JSON.createObjectNode()
                .put("cpu", cpu())
                .put("threads", machine.threads())
                .put("device", machine.device())
                .put("precision", machine.precision().label());
    }

    private static ObjectNode method(Method method) {
        ObjectNode json = JSON.createObjectNode().put("name", method.name());
        json.set("grid", grid(method.grid()));
        switch (method) {
            case Method.Rtn rtn -> json.put("start", rtn.start().name());
            case Method.Hqq hqq -> json.put("start", hqq.start().name());
            case Method.ErrorAdapter adapter ->
                json.put("start", adapter.start().name())
                        .put("rank", adapter.rank())
                        .put("turns", adapter.turns());
            case Method.Gptq gptq ->
                json.put("start", gptq.start().name())
                        .put("damping", gptq.damping())
                        .put("actOrder", gptq.actOrder());
            case Method.Gsq gsq ->
                json.put("start", gsq.start().name())
                        .put("weighting", gsq.weighting().name())
                        .put("epochs", gsq.epochs())
                        .put("logitRate", gsq.logitRate())
                        .put("scaleRate", gsq.scaleRate());
            case Method.Aqlm aqlm ->
                json.put("beam", aqlm.beam())
                        .put("weighting", aqlm.weighting().name())
                        .put("epochs", aqlm.epochs())
                        .put("rate", aqlm.rate());
            case Method.PartialRetraining own -> {
                json.put("start", own.start().name())
                        .put("scope", own.scope().name())
                        .put("weighting", own.weighting().name());
                json.putObject("adapters")
                        .put("kind", own.adapters().kind().name())
                        .put("rank", own.adapters().rank())
                        .put("alpha", own.adapters().alpha())
                        .put("budget", own.adapters().budget())
                        .put("start", own.adapters().start().name());
                json.putObject("heldOut")
                        .put("windows", own.heldOut().windows())
                        .put("patience", own.heldOut().patience());
                json.putObject("preservation")
                        .put("saliency", own.preservation().saliency().name())
                        .put("place", own.preservation().place().name())
                        .put("lambda", own.preservation().lambda())
                        .put("scale", own.preservation().scale().name())
                        .put("multiplier", own.preservation().multiplier());
                var stages = json.putArray("stages");
                for (Stage stage : own.stages()) {
                    stages.addObject()
                            .put("objective", stage.objective().label())
                            .put("slicedWasserstein", stage.terms().slicedWasserstein())
                            .put("attention", stage.terms().attention())
                            .put("epochs", stage.epochs())
                            .put("adapterRate", stage.adapterRate())
                            .put("clippingRate", stage.clippingRate())
                            .put("weightRate", stage.weightRate())
                            .put("decay", stage.decay())
                            .put("cosine", stage.cosine());
                }
            }
        }
        return json;
    }

    private static ObjectNode grid(Grid grid) {
        String name = switch (grid) {
            case Grid.Signed2 signed -> "signed2";
            case Grid.Signed signed -> "signed" + signed.bits();
            case Grid.Ternary ternary -> "ternary";
            case Grid.Binary binary -> "binary";
            case Grid.DualBinary dual -> "dual-binary";
            case Grid.BinaryMos mixture -> "binary-mos";
            case Grid.Q2K blocks -> "q2_k";
            case Grid.Affine affine -> "affine";
            case Grid.Codebooks codebooks -> "codebooks";
        };
        ObjectNode json = JSON.createObjectNode()
                .put("name", name)
                .put("bits", grid.bits())
                .put("groupSize", grid.groupSize());
        if (grid instanceof Grid.BinaryMos mixture) {
            json.put("experts", mixture.experts());
        }
        return grid instanceof Grid.Codebooks codebooks ? json.put("count", codebooks.count()) : json;
    }

    static String version() {
        String version = Manifest.class.getPackage().getImplementationVersion();
        return version == null ? "development" : version;
    }

    private static String cpu() throws IOException {
        if (Files.isReadable(CPU_INFO)) {
            for (String line : Files.readAllLines(CPU_INFO)) {
                if (line.startsWith("model name")) {
                    return line.substring(line.indexOf(':') + 1).strip();
                }
            }
        }
        return System.getProperty("os.arch", "unknown");
    }
}
