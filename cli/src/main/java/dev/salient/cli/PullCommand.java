package dev.salient.cli;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.salient.hub.HubSettings;
import dev.salient.hub.ModelHub;
import dev.salient.hub.ModelName;
import dev.salient.hub.PullListener;
import dev.salient.hub.PulledModel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** The command {@code pull}: a model from a hub into the cache. */
@CommandLine.Command(
        name = "pull",
        header = "Fetch a model from a model hub into the cache.",
        description = {
            "Fetches safetensors with what belongs to them, or a GGUF file; goes on where it was stopped, checks every"
                    + " hash, and prints where the model is. Every command then takes ORG/NAME as a model.",
            "The cache is the one of huggingface_hub: what one has, the other finds. HF_HOME or HF_HUB_CACHE move it,"
                    + " HF_TOKEN opens private and gated models, HF_ENDPOINT is another hub, HF_HUB_OFFLINE=1 asks none."
        })
final class PullCommand implements Command {
    @Parameters(
            index = "0",
            paramLabel = "ORG/NAME[@REVISION]",
            description = "The model; of a branch, a tag or a commit where one is named.")
    private String name = "";

    @Option(
            names = "--file",
            paramLabel = "NAME",
            description = "Fetch these files alone: a name or a pattern such as '*Q8_0.gguf'; may be given more than"
                    + " once. Default: model.safetensors or its shards with config and tokenizer; else the only GGUF"
                    + " file, or of several the one of type Q4_K_M.")
    private List<String> files = new ArrayList<>();

    @Option(names = "--endpoint", paramLabel = "URL", description = "The hub. Default: HF_ENDPOINT, or the public one.")
    private @Nullable String endpoint;

    @Mixin
    private final CommonOptions common = new CommonOptions();

    @Override
    public CommonOptions common() {
        return common;
    }

    @Override
    public void run(Console console) throws IOException, InterruptedException {
        ModelName model = ModelName.parse(name);
        HubSettings settings = HubFolder.settings().withEndpoint(endpoint);
        PulledModel pulled;
        try (Shown shown = new Shown(console, "pull " + model)) {
            pulled = new ModelHub(settings).pull(model, files, shown);
        }
        if (pulled.fetchedBytes() == 0) {
            console.note("%s: all of it was here already", model);
        }
        console.line("%s", pulled.source());
        console.result(json(model, pulled));
    }

    private static ObjectNode json(ModelName model, PulledModel pulled) throws IOException {
        ObjectNode json = JsonNodeFactory.instance.objectNode();
        json.put("model", model.repository());
        json.put("revision", model.revision());
        json.put("commit", pulled.commit());
        json.put("path", pulled.source().toString());
        json.put("fetchedBytes", pulled.fetchedBytes());
        ObjectNode bytes = json.putObject("files");
        for (Path file : pulled.files()) {
            bytes.put(pulled.folder().relativize(file).toString(), Files.size(file));
        }
        return json;
    }

    /** Shows how a pull goes on. */
    private static final class Shown implements PullListener, AutoCloseable {
        private final Console console;
        private final String task;
        private volatile @Nullable Progress progress;

        Shown(Console console, String task) {
            this.console = console;
            this.task = task;
        }

        @Override
        public void onStart(long bytes, long here) {
            progress = console.byteProgress(task, bytes, here);
        }

        @Override
        public void onBytes(long bytes) {
            Progress shown = progress;
            if (shown != null) {
                shown.advance(bytes);
            }
        }

        @Override
        public void onNote(String line) {
            console.note("%s", line);
        }

        @Override
        public void close() {
            Progress shown = progress;
            if (shown != null) {
                shown.close();
            }
        }
    }
}
