package dev.salient.format.gguf;

import static dev.salient.tensor.Preconditions.require;

import dev.salient.format.FormatException;
import dev.salient.model.Linear;
import dev.salient.model.LinearId;
import dev.salient.model.ModelConfig;
import dev.salient.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * llama.cpp's "importance matrix": for each linear the mean energy {@code x_i^2} of its input channels over some text.
 *
 * <p>In the file, GGUF of type {@code imatrix}, a linear has two tensors: {@code NAME.in_sum2}, [1, in], and {@code
 * NAME.counts}, [1, 1], the tokens that were summed. {@code llama-quantize --imatrix} reads what this writes.
 *
 * <pre>{@code
 * Imatrix imatrix = Imatrix.read(Path.of("model.imatrix.gguf"), config);
 * float[] energies = imatrix.find(new LinearId(0, Linear.Q));
 * }</pre>
 */
public final class Imatrix {
    private static final String TYPE = "general.type";
    private static final String OURS = "imatrix";
    private static final String SUMS = ".in_sum2";
    private static final String COUNTS = ".counts";

    private final Map<LinearId, float[]> energies;

    /**
     * An importance matrix.
     *
     * @param energies mean of x_i^2, [in]; linears may be missing
     */
    public Imatrix(Map<LinearId, float[]> energies) {
        this.energies = new LinkedHashMap<>(energies);
    }

    /** The mean energy of each input channel of a linear, or null where the file has none. */
    public float @Nullable [] find(LinearId id) {
        float[] known = energies.get(id);
        return known == null ? null : known.clone();
    }

    /**
     * Reads a file.
     *
     * @param config of the model that it is to be for
     * @throws FormatException where it is no imatrix, or of a model of another shape
     */
    public static Imatrix read(Path file, ModelConfig config) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            return of(GgufFile.open(file, arena), config);
        }
    }

    static Imatrix of(GgufFile file, ModelConfig config) throws FormatException {
        if (!OURS.equals(file.findText(TYPE))) {
            throw file.wrong(TYPE, "\"imatrix\", as llama-imatrix and salient saliency --imatrix write it");
        }
        Map<LinearId, float[]> energies = new LinkedHashMap<>();
        for (int block = 0; block < config.blockCount(); block++) {
            for (Linear linear : Linear.values()) {
                LinearId id = new LinearId(block, linear);
                GgufTensor sums = file.tensors().get(GgufNames.linear(id) + SUMS);
                GgufTensor counts = file.tensors().get(GgufNames.linear(id) + COUNTS);
                if (sums != null && counts != null) {
                    energies.put(id, means(sums, counts, linear.in(config)));
                }
            }
        }
        if (energies.isEmpty()) {
            throw new FormatException("%s: got no linear of this model, want its imatrix", file.place());
        }
        return new Imatrix(energies);
    }

    private static float[] means(GgufTensor sums, GgufTensor counts, int in) throws FormatException {
        Tensor sum = values(sums, in);
        float count = values(counts, 1).get(0);
        if (!(count > 0)) {
            throw new FormatException("%s: got %s, want the number of tokens", counts.place(), count);
        }
        float[] means = new float[in];
        for (int i = 0; i < in; i++) {
            means[i] = sum.get(i) / count;
            if (!(means[i] >= 0 && Float.isFinite(means[i]))) {
                throw new FormatException("%s: got %s at %d, want 0 or more", sums.place(), sum.get(i), i);
            }
        }
        return means;
    }

    private static Tensor values(GgufTensor stored, int length) throws FormatException {
        if (stored.shape().elementCount() != length || stored.type().dtype() == null) {
            throw new FormatException(
                    "%s: got %s of type %s, want %d numbers in F32",
                    stored.place(), stored.shape(), stored.type(), length);
        }
        return new Tensor(stored.type().dtype(), stored.shape(), stored.data());
    }

    /**
     * Writes a file.
     *
     * @param text name of the text that was read, for the metadata
     * @param chunks windows that were read
     * @param chunk tokens of each
     */
    public void write(Path file, String text, int chunks, int chunk) throws IOException {
        require(!energies.isEmpty(), "imatrix: got no linear, want at least one");
        GgufMetadata metadata = new GgufMetadata();
        metadata.put(TYPE, OURS);
        metadata.putTexts("imatrix.datasets", List.of(text));
        metadata.put("imatrix.chunk_count", chunks);
        metadata.put("imatrix.chunk_size", chunk);
        float tokens = (float) chunks * chunk;
        List<GgufPayload> tensors = new ArrayList<>();
        energies.forEach((id, means) -> {
            float[] sums = means.clone();
            for (int i = 0; i < sums.length; i++) {
                sums[i] *= tokens;
            }
            tensors.add(row(GgufNames.linear(id) + SUMS, sums));
            tensors.add(row(GgufNames.linear(id) + COUNTS, tokens));
        });
        GgufWriter.write(file, metadata, tensors, name -> {});
    }

    private static GgufPayload row(String name, float... values) {
        Tensor row = Tensor.ofFloats(dev.salient.tensor.Shape.of(1, values.length), values);
        return GgufPayload.matrix(name, row, RowOrder.same());
    }
}
