package dev.salient.train;

import dev.salient.format.Checkpoint;
import dev.salient.format.Checkpoints;
import dev.salient.format.json.JsonFiles;
import dev.salient.model.ModelWeights;
import dev.salient.tokenizer.ChatMessage;
import dev.salient.tokenizer.ChatTemplate;
import dev.salient.tokenizer.Tokenizer;
import dev.salient.torch.BatchDecoder;
import dev.salient.torch.TorchDevice;
import dev.salient.torch.TorchLanguageModel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Lets a model write stories into a file, each from its first words.
 *
 * <p>A chat model is asked for a story in its own chat template; any other model just begins.
 */
final class WrittenStories {
    private static final int MIN_WORDS = 40;
    private static final int MAX_WORDS = 300;
    /** Tokens of a request in its template, with an opening, at most. */
    private static final int PROMPT_ROOM = 120;

    private final ModelWeights weights;
    private final Tokenizer tokenizer;
    private final Recipe.Written how;
    private final @Nullable ChatTemplate template;

    private WrittenStories(ModelWeights weights, Tokenizer tokenizer, @Nullable String template, Recipe.Written how) {
        this.weights = weights;
        this.tokenizer = tokenizer;
        this.how = how;
        this.template = template == null ? null : new ChatTemplate(template, tokenizer);
    }

    /** Lets the recipe's model write. */
    static void write(Recipe.Written how, Path data, Output output) throws IOException {
        Path model = data.resolve(how.model());
        if (Llama2cModel.isIn(model)) {
            Llama2cModel small = Llama2cModel.read(model);
            new WrittenStories(small.weights(), small.tokenizer(), null, how).write(output);
            return;
        }
        try (Checkpoint writer = Checkpoints.open(model)) {
            new WrittenStories(writer.weights(), writer.expectTokenizer(), writer.chatTemplate(), how).write(output);
        }
    }

    /** Where the stories go. */
    record Output(Path file, TorchDevice device, RecipeRun.Listener listener) {}

    /**
     * Writes the stories, in the order of their prompts; a run that was stopped goes on where it was.
     */
    private void write(Output output) throws IOException {
        Path file = output.file;
        Path part = file.resolveSibling(file.getFileName() + ".part");
        Map<Integer, String> ended = read(part);
        List<Integer> left = IntStream.range(0, how.prompts())
                .filter(number -> !ended.containsKey(number))
                .boxed()
                .toList();
        write(left, output.device, (number, text, hasEnded) -> {
            ended.put(number, StoryFilter.plain(text));
            append(part, number, ended.get(number));
            output.listener.onStory(ended.size(), how.prompts());
        });
        StoryFilter filter = new StoryFilter(MIN_WORDS, MAX_WORDS);
        StringBuilder kept = new StringBuilder();
        for (String story : ended.values()) {
            String told = StoryFilter.beginning(story);
            if (filter.keeps(told)) {
                kept.append(told).append('\n').append(Stories.END).append('\n');
            }
        }
        JsonFiles.writeText(file, kept.toString());
    }

    /** What the file of a stopped run holds: each text after a line with its number. */
    private static Map<Integer, String> read(Path part) throws IOException {
        Map<Integer, String> ended = new TreeMap<>();
        if (Files.exists(part)) {
            for (String entry : Files.readString(part).split(Pattern.quote(Stories.END + "\n"), -1)) {
                int line = entry.indexOf('\n');
                if (entry.startsWith("#") && line > 0) {
                    ended.put(
                            Integer.parseInt(entry.substring(1, line)),
                            entry.substring(line + 1).strip());
                }
            }
        }
        return ended;
    }

    private static void append(Path part, int number, String text) {
        try {
            String entry = "#" + number + "\n" + text + "\n" + Stories.END + "\n";
            Files.writeString(part, entry, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    private void write(List<Integer> numbers, TorchDevice device, StoryWriter.Sink sink) {
        TorchLanguageModel model = TorchLanguageModel.load(weights, device);
        int capacity = Math.min(weights.config().contextLength(), PROMPT_ROOM + how.maxTokens());
        List<Integer> all = IntStream.range(0, tokenizer.vocabSize()).boxed().toList();
        try (BatchDecoder decoder = new BatchDecoder(model, how.atOnce(), capacity, device)) {
            StoryWriter.Settings settings = new StoryWriter.Settings(
                    how.atOnce(), how.maxTokens(), how.temperature(), how.minProbability(), how.seed(), all, ends());
            new StoryWriter(decoder, tokenizer, settings, this::task).write(numbers, sink);
        }
    }

    /** What ends a story: an answer's end, or the end or beginning of a text. */
    private Set<Integer> ends() {
        return Stream.of(tokenizer.findId(ChatForm.ANSWER_END), tokenizer.beginToken(), tokenizer.endToken())
                .flatMapToInt(OptionalInt::stream)
                .boxed()
                .collect(Collectors.toSet());
    }

    private StoryWriter.Task task(int number) {
        StoryPrompts.Prompt prompt = StoryPrompts.standard().prompt(how.seed(), number);
        IntStream before = template != null
                ? IntStream.of(template.encodePrompt(List.of(new ChatMessage("user", prompt.request()))))
                : tokenizer.leadingToken().stream();
        List<Integer> ids = new ArrayList<>(before.boxed().toList());
        int[] opening = tokenizer.encode(prompt.opening());
        IntStream.of(opening).forEach(ids::add);
        return new StoryWriter.Task(ids, opening.length);
    }
}
