package dev.salient.format.gguf;

import dev.salient.format.Checkpoint;
import dev.salient.format.hf.HfFolder;
import dev.salient.model.ModelConfig;
import dev.salient.tokenizer.GgufVocabulary;
import dev.salient.tokenizer.Tokenizers;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalInt;
import java.util.Set;

/** What a GGUF file says of a model beside its tensors, so that llama.cpp needs nothing else. */
final class ModelMetadata {
    /** Version of the group layouts. */
    static final int QUANTIZATION_VERSION = 2;

    static final String ARCHITECTURE = "general.architecture";
    static final String TYPE = "general.type";
    static final String NAME = "general.name";
    static final String FILE_TYPE = "general.file_type";
    static final String QUANTIZATION = "general.quantization_version";

    /** What another file says of itself and not of the model. */
    private static final Set<String> OF_ANOTHER_FILE = Set.of(FILE_TYPE, QUANTIZATION, "general.alignment");

    private final Checkpoint checkpoint;
    private final GgufMetadata metadata = new GgufMetadata();

    private ModelMetadata(Checkpoint checkpoint) {
        this.checkpoint = checkpoint;
    }

    /**
     * All of it: copied from a GGUF file, made from a folder's configuration and tokenizer.
     *
     * @param mostly the type of most linears
     */
    static GgufMetadata of(Checkpoint checkpoint, GgmlType mostly) throws IOException {
        checkpoint.expectTokenizer();
        ModelMetadata made = new ModelMetadata(checkpoint);
        if (Files.isDirectory(checkpoint.source())) {
            made.describeFolder();
        } else {
            made.copyGguf();
        }
        made.metadata.put(FILE_TYPE, mostly.fileType());
        made.metadata.put(QUANTIZATION, QUANTIZATION_VERSION);
        return made.metadata;
    }

    private void copyGguf() throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            GgufFile.open(checkpoint.source(), arena).storedValues().forEach((key, value) -> {
                if (!OF_ANOTHER_FILE.contains(key) && !key.startsWith("split.") && !key.startsWith("quantize.")) {
                    metadata.putStored(key, value);
                }
            });
        }
    }

    private void describeFolder() throws IOException {
        ModelConfig config = checkpoint.weights().config();
        metadata.put(ARCHITECTURE, GgufFamily.of(config.family()).architecture());
        metadata.put(TYPE, "model");
        metadata.put(NAME, nameOf(checkpoint));
        String licence = HfFolder.findLicence(checkpoint.source());
        if (licence != null) {
            metadata.put("general.license", licence);
        }
        GgufSizes.put(metadata, config);
        putVocabulary();
        if (checkpoint.chatTemplate() != null) {
            metadata.put("tokenizer.chat_template", checkpoint.chatTemplate());
        }
    }

    /** The last part of a model's path. */
    static String nameOf(Checkpoint checkpoint) {
        return String.valueOf(checkpoint.source().toAbsolutePath().normalize().getFileName());
    }

    private void putVocabulary() throws IOException {
        Path folder = checkpoint.source();
        Path config = folder.resolve(HfFolder.TOKENIZER_CONFIG);
        List<Integer> ends = checkpoint.endTokens();
        GgufVocabulary vocabulary = Tokenizers.toGguf(
                folder.resolve(HfFolder.TOKENIZER),
                Files.isRegularFile(config) ? config : null,
                checkpoint.weights().config().vocabSize(),
                ends.isEmpty() ? OptionalInt.empty() : OptionalInt.of(ends.getFirst()));
        metadata.put("tokenizer.ggml.model", vocabulary.model());
        metadata.put("tokenizer.ggml.pre", vocabulary.pre());
        metadata.putTexts("tokenizer.ggml.tokens", vocabulary.tokens());
        if (!vocabulary.scores().isEmpty()) {
            metadata.putFloats("tokenizer.ggml.scores", vocabulary.scores());
        }
        metadata.putInts("tokenizer.ggml.token_type", vocabulary.tokenTypes());
        if (vocabulary.model().equals("gpt2")) {
            metadata.putTexts("tokenizer.ggml.merges", vocabulary.merges());
        }
        putId("bos_token_id", vocabulary.bosId());
        putId("eos_token_id", vocabulary.eosId());
        int end = vocabulary.eosId().orElseThrow();
        ends.stream().filter(id -> id != end).findFirst().ifPresent(id -> putId("eot_token_id", OptionalInt.of(id)));
        putId("unknown_token_id", vocabulary.unkId());
        metadata.putFlag("tokenizer.ggml.add_bos_token", Boolean.TRUE.equals(vocabulary.addBos()));
        metadata.putFlag("tokenizer.ggml.add_space_prefix", Boolean.TRUE.equals(vocabulary.addSpacePrefix()));
    }

    private void putId(String key, OptionalInt id) {
        id.ifPresent(value -> metadata.put("tokenizer.ggml." + key, value));
    }
}
