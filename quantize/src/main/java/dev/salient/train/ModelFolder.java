package dev.salient.train;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.salient.format.hf.DenseFolder;
import dev.salient.format.hf.HfFolder;
import dev.salient.format.json.JsonFiles;
import dev.salient.model.BlockWeights;
import dev.salient.model.Linear;
import dev.salient.model.ModelWeights;
import dev.salient.model.Norm;
import dev.salient.packed.Dense;
import dev.salient.packed.PackedWeight;
import dev.salient.tensor.DType;
import dev.salient.tensor.Tensor;
import dev.salient.torch.TorchDevice;
import dev.salient.torch.TorchLanguageModel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/** A trained model as a Hugging Face folder, with the tokenizer and the chat form that it was trained with. */
final class ModelFolder {
    /** The control tokens of every vocabulary made here; their ids are their places. */
    static final List<String> CONTROL_TOKENS = List.of(Stories.END, ChatForm.START, ChatForm.ANSWER_END);

    private ModelFolder() {}

    /** Writes the tokenizer's files: enough to encode texts with. */
    static void writeTokenizer(Path folder, BpeVocabulary vocabulary, int contextLength) throws IOException {
        Files.createDirectories(folder);
        JsonFiles.write(folder.resolve(HfFolder.TOKENIZER), vocabulary.tokenizerJson());
        ObjectNode config = JsonNodeFactory.instance.objectNode();
        config.put("tokenizer_class", "PreTrainedTokenizerFast");
        config.put("bos_token", Stories.END).put("eos_token", Stories.END).put("add_bos_token", true);
        config.put("model_max_length", contextLength).put("clean_up_tokenization_spaces", false);
        config.put("chat_template", ChatForm.TEMPLATE);
        JsonFiles.write(folder.resolve(HfFolder.TOKENIZER_CONFIG), config);
        ObjectNode generation = JsonNodeFactory.instance.objectNode();
        generation.put("bos_token_id", 0);
        generation.putArray("eos_token_id").add(0).add(CONTROL_TOKENS.indexOf(ChatForm.ANSWER_END));
        JsonFiles.write(folder.resolve(HfFolder.GENERATION_CONFIG), generation);
    }

    /** Writes the weights, rounded to fp16. */
    static void writeWeights(Path folder, TorchLanguageModel model) throws IOException {
        List<BlockWeights> blocks = new ArrayList<>();
        for (TorchLanguageModel.Block block : model.blocks()) {
            Map<Linear, PackedWeight> linears = new EnumMap<>(Linear.class);
            for (Linear linear : Linear.values()) {
                linears.put(linear, dense(block.weight(linear)));
            }
            blocks.add(new BlockWeights(
                    stored(block.block().norm(Norm.ATTENTION)),
                    stored(block.block().norm(Norm.MLP)),
                    linears));
        }
        PackedWeight embedding = dense(model.embedding());
        DenseFolder.write(
                folder, new ModelWeights(model.config(), embedding, blocks, stored(model.finalNorm()), embedding));
    }

    private static Dense dense(org.bytedeco.pytorch.Tensor tensor) {
        return new Dense(stored(tensor));
    }

    private static Tensor stored(org.bytedeco.pytorch.Tensor tensor) {
        return TorchDevice.stored(tensor, DType.F16);
    }
}
