package dev.salient.train;

import dev.salient.format.Checkpoint;
import dev.salient.format.Checkpoints;
import dev.salient.format.json.JsonFiles;
import dev.salient.model.ModelWeights;
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

/**
 * Lets a model write stories into a file, each from its first words.
 *
 * <p>A chat model is shown two examples and asked for a story; any other model just begins. It may use only the tokens
 * that occur at least twice in the stories at hand: simple words, and a smaller head to compute.
 */
final class WrittenStories {
    private static final int LEAST_USES = 2;
    private static final int MIN_WORDS = 40;
    private static final int MAX_WORDS = 300;
    /** Tokens of a request and an opening, at most. */
    private static final int PROMPT_ROOM = 90;

    private final ModelWeights weights;
    private final Tokenizer tokenizer;
    private final Recipe.Written how;
    private final TorchDevice device;
    private final boolean chats;

    private WrittenStories(ModelWeights weights, Tokenizer tokenizer, Recipe.Written how, TorchDevice device) {
        this.weights = weights;
        this.tokenizer = tokenizer;
        this.how = how;
        this.device = device;
        this.chats = tokenizer.findId(ChatForm.ANSWER_END).isPresent();
    }

    /**
     * Lets the recipe's model write.
     *
     * @param words texts whose tokens may be used
     */
    static void write(Recipe.Written how, Path data, List<String> words, Output output) throws IOException {
        Path model = data.resolve(how.model());
        if (Llama2cModel.isIn(model)) {
            Llama2cModel small = Llama2cModel.read(model);
            new WrittenStories(small.weights(), small.tokenizer(), how, output.device).write(words, output);
            return;
        }
        try (Checkpoint writer = Checkpoints.open(model)) {
            new WrittenStories(writer.weights(), writer.expectTokenizer(), how, output.device).write(words, output);
        }
    }

    /** Where the stories go. */
    record Output(Path file, TorchDevice device, RecipeRun.Listener listener) {}

    /**
     * Writes the stories, in the order of their prompts; a run that was stopped goes on where it was.
     */
    private void write(List<String> words, Output output) throws IOException {
        Path file = output.file;
        Path part = file.resolveSibling(file.getFileName() + ".part");
        Map<Integer, String> ended = read(part);
        List<Integer> left = IntStream.range(0, how.prompts())
                .filter(number -> !ended.containsKey(number))
                .boxed()
                .toList();
        write(left, words, (number, text) -> {
            ended.put(number, StoryFilter.plain(text));
            append(part, number, ended.get(number));
            output.listener.onStory(ended.size(), how.prompts());
        });
        StoryFilter filter = new StoryFilter(MIN_WORDS, MAX_WORDS);
        StringBuilder kept = new StringBuilder();
        for (String story : ended.values()) {
            if (filter.keeps(story)) {
                kept.append(story).append('\n').append(Stories.END).append('\n');
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

    private void write(List<Integer> numbers, List<String> words, StoryWriter.Sink sink) {
        Set<Integer> ends = ends();
        List<Integer> allowed = allowed(words, ends);
        TorchLanguageModel model = TorchLanguageModel.load(weights, device).withHeadOf(allowed, device);
        int[] examples = chats ? tokenizer.encodeWithControlTokens(ChatForm.examples()) : new int[0];
        int capacity = Math.min(weights.config().contextLength(), examples.length + PROMPT_ROOM + how.maxTokens());
        try (BatchDecoder decoder = new BatchDecoder(model, how.atOnce(), capacity, device)) {
            if (chats) {
                decoder.share(examples);
            }
            StoryWriter.Settings settings = new StoryWriter.Settings(
                    how.atOnce(), how.maxTokens(), how.temperature(), how.minProbability(), how.seed(), allowed, ends);
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

    private List<Integer> allowed(List<String> words, Set<Integer> ends) {
        int[] uses = new int[tokenizer.vocabSize()];
        for (String text : words) {
            for (int id : tokenizer.encode(text)) {
                uses[id]++;
            }
        }
        return IntStream.range(0, uses.length)
                .filter(id -> uses[id] >= LEAST_USES || ends.contains(id))
                .boxed()
                .toList();
    }

    private StoryWriter.Task task(int number) {
        StoryPrompts.Prompt prompt = StoryPrompts.standard().prompt(how.seed(), number);
        IntStream before = chats
                ? IntStream.of(tokenizer.encodeWithControlTokens(ChatForm.question(prompt.request())))
                : tokenizer.leadingToken().stream();
        List<Integer> ids = new ArrayList<>(before.boxed().toList());
        int[] opening = tokenizer.encode(prompt.opening());
        IntStream.of(opening).forEach(ids::add);
        return new StoryWriter.Task(ids, opening.length);
    }
}
