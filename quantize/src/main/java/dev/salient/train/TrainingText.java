package dev.salient.train;

import static dev.salient.tensor.Preconditions.require;

import dev.salient.tokenizer.Tokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;

/**
 * Stories as token ids: one stream an epoch, in a new order each, cut into windows.
 *
 * <p>Every text ends with {@link Stories#END}. A share of the stories stands in the stream as the answer to a request
 * for such a story.
 */
public final class TrainingText {
    private final List<Story> stories = new ArrayList<>();
    private final Tokenizer tokenizer;
    private final double chatShare;
    private final long seed;

    /** A story as plain text and as an answer, and the epoch from which on it is told. */
    private record Story(List<Integer> plain, List<Integer> asAnswer, int firstEpoch) {}

    /**
     * A text without stories.
     *
     * @param chatShare of the stories, 0 to 1, told as answers in each epoch
     */
    public TrainingText(Tokenizer tokenizer, double chatShare, long seed) {
        this.tokenizer = tokenizer;
        this.chatShare = chatShare;
        this.seed = seed;
    }

    /**
     * Adds stories.
     *
     * @param firstEpoch the epoch, counted from 0, from which on they are told: what is written while a run goes on
     *     can join it
     */
    public TrainingText with(List<String> added, int firstEpoch) {
        List<Integer> end = ids(tokenizer.encodeWithControlTokens(Stories.END));
        List<Integer> answerEnd = ids(tokenizer.encodeWithControlTokens(ChatForm.ANSWER_END + Stories.END));
        for (int i = 0; i < added.size(); i++) {
            String request = StoryRequest.of(added.get(i), seed + i);
            List<Integer> question = ids(tokenizer.encodeWithControlTokens(ChatForm.question(request)));
            List<Integer> ids = ids(tokenizer.encode(added.get(i)));
            stories.add(new Story(join(ids, end), join(question, join(ids, answerEnd)), firstEpoch));
        }
        return this;
    }

    private static List<Integer> ids(int[] tokens) {
        return IntStream.of(tokens).boxed().toList();
    }

    private static List<Integer> join(List<Integer> first, List<Integer> second) {
        List<Integer> both = new ArrayList<>(first);
        both.addAll(second);
        return both;
    }

    /** Tokens of all stories as plain text. */
    public long tokenCount() {
        return stories.stream().mapToLong(story -> story.plain.size()).sum();
    }

    /**
     * The windows of one epoch; a window's last token is the next one's first, and a rest is left out.
     *
     * @param length tokens of a window: what the model reads, and one more
     */
    public List<int[]> windows(int epoch, int length) {
        Random random = new Random(seed * 31 + epoch);
        List<Story> told = new ArrayList<>(
                stories.stream().filter(story -> story.firstEpoch <= epoch).toList());
        Collections.shuffle(told, random);
        int[] stream = told.stream()
                .map(story -> random.nextDouble() < chatShare ? story.asAnswer : story.plain)
                .flatMap(List::stream)
                .mapToInt(Integer::intValue)
                .toArray();
        require(stream.length >= length, "text: got %d tokens, want at least a window of %d", stream.length, length);
        List<int[]> windows = new ArrayList<>();
        for (int from = 0; from + length <= stream.length; from += length - 1) {
            windows.add(Arrays.copyOfRange(stream, from, from + length));
        }
        return windows;
    }
}
