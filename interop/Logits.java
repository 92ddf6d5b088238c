import dev.salient.format.Checkpoint;
import dev.salient.format.Checkpoints;
import dev.salient.model.LanguageModel.KvCache;
import dev.salient.model.PackedLanguageModel;
import java.io.BufferedOutputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;

/** Writes the logits [tokens, vocab] of some token ids, fp32, big-endian: MODEL OUT ID... */
final class Logits {
    public static void main(String[] arguments) throws IOException {
        int[] ids = Arrays.stream(arguments).skip(2).mapToInt(Integer::parseInt).toArray();
        try (Checkpoint checkpoint = Checkpoints.open(Path.of(arguments[0]));
                PackedLanguageModel model = new PackedLanguageModel(checkpoint.weights(), 2);
                KvCache cache = model.newCache(ids.length);
                DataOutputStream out =
                        new DataOutputStream(new BufferedOutputStream(Files.newOutputStream(Path.of(arguments[1]))))) {
            model.forward(ids, cache, (position, logits) -> {
                try {
                    for (float value : logits) {
                        out.writeFloat(value);
                    }
                } catch (IOException e) {
                    throw new java.io.UncheckedIOException(e);
                }
            });
        }
    }
}
