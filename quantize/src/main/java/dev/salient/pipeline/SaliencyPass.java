package dev.salient.pipeline;

import dev.salient.model.ModelWeights;
import dev.salient.saliency.Fisher;
import dev.salient.saliency.FisherFile;
import dev.salient.torch.TorchDevice;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;

/**
 * A model's saliency on some windows: from the cache where an earlier run made it, computed otherwise.
 *
 * @param modelHash of weights and configuration
 * @param cache folder for all saliencies
 */
record SaliencyPass(ModelWeights model, String modelHash, Path cache) {

    /**
     * The saliency on these windows, on disk.
     *
     * @param nanos that it took to compute; 0 where an earlier run had made it
     */
    record Result(FisherFile file, long nanos) {}

    Result run(List<int[]> windows, TorchDevice device, RunListener listener) throws IOException {
        String name = modelHash.substring(0, 16) + "-" + hash(windows).substring(0, 16);
        Path folder = cache.resolve("saliency").resolve(name);
        Files.createDirectories(folder);
        FisherFile file = new FisherFile(folder, model.config());
        if (file.isFinished()) {
            return new Result(file, 0);
        }
        Fisher fisher = new Fisher(model, windows, device, file);
        listener.began("saliency", fisher.steps());
        long began = System.nanoTime();
        fisher.run(listener::reached);
        return new Result(file, System.nanoTime() - began);
    }

    /** SHA-256 of the windows' token ids. */
    static String hash(List<int[]> windows) {
        try {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            for (int[] window : windows) {
                ByteBuffer bytes = ByteBuffer.allocate(window.length * Integer.BYTES);
                bytes.asIntBuffer().put(window);
                digest.update(bytes);
            }
            return HexFormat.of().formatHex(digest.digest());
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError("every Java platform has SHA-256", e);
        }
    }
}
