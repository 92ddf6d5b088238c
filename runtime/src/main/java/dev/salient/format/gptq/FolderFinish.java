package dev.salient.format.gptq;

import static dev.salient.tensor.Preconditions.require;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.salient.format.aqlm.AqlmJson;
import dev.salient.format.aqlm.CodebookShape;
import dev.salient.format.gptq.GptqConfig.Grid;
import dev.salient.format.hf.HfCopy;
import dev.salient.format.hf.HfNames;
import dev.salient.format.json.JsonFiles;
import dev.salient.format.mos.MixtureLinears;
import dev.salient.format.safetensors.SafetensorsFile;
import dev.salient.format.safetensors.SafetensorsWriter;
import dev.salient.format.safetensors.SafetensorsWriter.Payload;
import dev.salient.format.safetensors.Shards;
import dev.salient.format.safetensors.StoredTensor;
import dev.salient.format.safetensors.TensorStore;
import dev.salient.model.IntactKv;
import dev.salient.model.Linear;
import dev.salient.model.LinearId;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The last steps of a folder. Each can be repeated; {@code config.json} comes last of what stays, so that a folder
 * that has it is complete.
 */
final class FolderFinish {
    /** Marks a shard whose zero points are stored less 1. */
    private static final Map<String, String> METADATA_V1 = Map.of("format", "pt", "checkpoint_format", GptqConfig.V1);

    private final QuantizedFolder folder;
    private boolean actOrder;
    /** Our own method, where any linear is in a form that no other program reads; else null. */
    private @Nullable String ownMethod;

    FolderFinish(QuantizedFolder folder) {
        this.folder = folder;
    }

    void run(String note) throws IOException {
        Map<LinearId, @Nullable Grid> grids = new LinkedHashMap<>();
        AqlmJson codebooks = new AqlmJson();
        boolean symmetric = readGrids(grids, codebooks);
        FolderSummary summary = new FolderSummary(folder.config(), grids);
        boolean less1 = switch (folder.form().zeroPoints()) {
            case AUTO -> symmetric;
            case GPTQ -> true;
            case GPTQ_V2 -> false;
        };
        if (less1 && summary.hasPacked()) {
            for (int block = 0; block < folder.config().blockCount(); block++) {
                lowerZeros(block, grids);
            }
        }
        writeAdapter();
        writeIndex();
        HfCopy copy = new HfCopy(folder.original(), folder.path());
        copy.copyBesides(note);
        ObjectNode config = copy.config();
        config.remove("quantization_config");
        ObjectNode aqlm = codebooks.find();
        if (aqlm != null) {
            require(!summary.hasPacked(), "%s: got grids and codebooks, want one kind in a folder", folder.path());
            config.set("quantization_config", aqlm);
        }
        if (ownMethod != null && !summary.hasPacked() && aqlm == null) {
            config.putObject("quantization_config").put("quant_method", ownMethod);
        }
        if (summary.hasPacked()) {
            ObjectNode quantization =
                    QuantizationJson.of(summary, symmetric, actOrder, less1 ? GptqConfig.V1 : GptqConfig.V2);
            if (ownMethod != null) { // what no other program reads must not look as if it did
                quantization.put("quant_method", ownMethod);
            }
            JsonFiles.write(folder.path().resolve("quantize_config.json"), quantization);
            config.set("quantization_config", quantization);
        }
        IntactKv intact = folder.intact();
        if (intact != null) {
            IntactFile.write(folder.path(), intact);
            intact.tokens().forEach(config.putArray(IntactFile.TOKENS)::add);
        }
        JsonFiles.write(folder.path().resolve(FolderSummary.CONFIG), config);
        deleteParts(folder);
    }

    private void writeAdapter() throws IOException {
        AdapterFiles adapter = new AdapterFiles(folder.config());
        try (Arena arena = Arena.ofShared()) {
            for (int block = 0; block < folder.config().blockCount(); block++) {
                Path part = folder.adapterPart(block);
                if (Files.isRegularFile(part)) {
                    adapter.add(block, SafetensorsFile.open(part, arena));
                }
            }
            adapter.write(folder.path());
        }
    }

    static void deleteParts(QuantizedFolder folder) throws IOException {
        for (int block = 0; block < folder.config().blockCount(); block++) {
            Files.deleteIfExists(folder.adapterPart(block));
        }
    }

    /** Adds the grid of every linear; whether all their zero points are in the middle. */
    private boolean readGrids(Map<LinearId, @Nullable Grid> grids, AqlmJson codebooks) throws IOException {
        boolean symmetric = true;
        for (int block = 0; block < folder.config().blockCount(); block++) {
            try (Arena arena = Arena.ofShared()) {
                SafetensorsFile shard = SafetensorsFile.open(folder.blockFile(block), arena);
                TensorStore store = TensorStore.of(folder.shardName(block), shard);
                FolderSummary.addBlock(block, folder.config(), store, grids);
                for (Linear linear : Linear.values()) {
                    String module = HfNames.module(new LinearId(block, linear));
                    codebooks.add(module, CodebookShape.find(store, module));
                    if (MixtureLinears.has(store, module)) {
                        ownMethod = MixtureLinears.METHOD;
                    } else if (BlockLinears.find(store, module) != null) {
                        ownMethod = BlockLinears.METHOD;
                    }
                }
                int offset = shard.metadata().equals(METADATA_V1) ? 1 : 0;
                symmetric &= FolderSummary.isSymmetric(block, folder.config(), store, offset);
                actOrder |= FolderSummary.isActOrder(block, folder.config(), store);
            }
        }
        return symmetric;
    }

    /** Stores a block's zero points less 1, as folders have them since GPTQ's first programs. */
    private void lowerZeros(int block, Map<LinearId, @Nullable Grid> grids) throws IOException {
        Path file = folder.blockFile(block);
        try (Arena arena = Arena.ofShared()) {
            SafetensorsFile shard = SafetensorsFile.open(file, arena);
            if (shard.metadata().equals(METADATA_V1)) {
                return;
            }
            Map<String, Payload> tensors = new LinkedHashMap<>();
            shard.tensors().forEach((name, tensor) -> tensors.put(name, payload(tensor, tensor.data())));
            grids.forEach((id, grid) -> {
                String name = HfNames.module(id) + ".qzeros";
                StoredTensor zeros = shard.tensors().get(name);
                if (grid != null && zeros != null) {
                    tensors.put(name, payload(zeros, lowered(zeros.data(), grid.bits(), arena)));
                }
            });
            SafetensorsWriter.write(file, new java.util.TreeMap<>(METADATA_V1), tensors);
        }
    }

    private static Payload payload(StoredTensor tensor, MemorySegment data) {
        return Payload.of(tensor.type(), tensor.shape(), data);
    }

    /** Every field is 1 at least, so taking 1 from each needs no borrowing: fields are done one by one. */
    private static MemorySegment lowered(MemorySegment zeros, int bits, Arena arena) {
        MemorySegment lowered = arena.allocate(zeros.byteSize());
        long count = zeros.byteSize() * Byte.SIZE / bits;
        for (long i = 0; i < count; i++) {
            int value = GptqPacking.bitsAt(zeros, i * bits, bits) - 1;
            GptqPacking.addBits(lowered, i * bits, value);
        }
        return lowered;
    }

    private void writeIndex() throws IOException {
        Map<String, String> places = new LinkedHashMap<>();
        long bytes = 0;
        for (int shard = 0; shard <= folder.config().blockCount(); shard++) {
            String name = folder.shardName(shard);
            try (Arena arena = Arena.ofShared()) {
                SafetensorsFile file = SafetensorsFile.open(folder.path().resolve(name), arena);
                for (Map.Entry<String, StoredTensor> tensor : file.tensors().entrySet()) {
                    places.put(tensor.getKey(), name);
                    bytes += tensor.getValue().data().byteSize();
                }
            }
        }
        Shards.writeIndex(folder.path(), places, bytes);
    }
}
