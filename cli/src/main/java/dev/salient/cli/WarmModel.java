package dev.salient.cli;

import dev.salient.format.Checkpoint;
import dev.salient.format.Checkpoints;
import dev.salient.model.PackedLanguageModel;
import dev.salient.model.Precision;
import java.io.IOException;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicReference;

/**
 * A model about to write: its kernels are compiled and its weights rearranged while its tokenizer is read.
 *
 * @param checkpoint what it was read from
 */
record WarmModel(Checkpoint checkpoint, PackedLanguageModel model) implements AutoCloseable {
    static WarmModel open(Path path, int threads, Precision precision) throws IOException {
        AtomicReference<PackedLanguageModel> model = new AtomicReference<>();
        try {
            Checkpoint checkpoint = Checkpoints.open(path, weights -> {
                model.set(new PackedLanguageModel(weights, threads, precision));
                model.get().warmUp();
            });
            return new WarmModel(checkpoint, model.get());
        } catch (IOException | RuntimeException e) {
            if (model.get() != null) {
                model.get().close();
            }
            throw e;
        }
    }

    @Override
    public void close() {
        model.close();
        checkpoint.close();
    }
}
