package dev.salient.train;

import static dev.salient.tensor.Preconditions.require;

import dev.salient.tokenizer.Tokenizer;
import dev.salient.torch.BatchDecoder;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.function.IntFunction;

/**
 * Lets a language model write many texts at once, each from its own prompt and with its own random numbers.
 *
 * <p>What a text becomes depends on its prompt, the seed and its number, not on the texts written beside it.
 */
public final class StoryWriter {
    /** A run of so many tokens is never written twice in a text: small models fall into loops. */
    private static final int REPEATED_RUN = 6;

    /** New texts are begun when this part of the slots is free: prompts are cheaper together. */
    private static final int FILL_TOGETHER = 8;

    private static final int FREE = -1;

    private final BatchDecoder decoder;
    private final Tokenizer tokenizer;
    private final Settings settings;
    private final IntFunction<Task> tasks;

    /**
     * How texts are written.
     *
     * @param atOnce texts written at once
     * @param maxTokens of a text beyond its prompt; a text that has not ended by then is handed over as it is
     * @param minProbability tokens less likely than this share of the likeliest one are never drawn
     * @param allowed the token of each row of the model's head, which may hold a part of the vocabulary only
     * @param ends tokens that end a text
     */
    public record Settings(
            int atOnce,
            int maxTokens,
            double temperature,
            double minProbability,
            long seed,
            List<Integer> allowed,
            Set<Integer> ends) {
        public Settings {
            require(temperature > 0, "temperature: got %s, want more than 0", temperature);
            allowed = List.copyOf(allowed);
            ends = Set.copyOf(ends);
        }
    }

    /**
     * A text to write.
     *
     * @param prompt token ids, those of the opening last
     * @param openingTokens how many of them are the start of the text
     */
    public record Task(List<Integer> prompt, int openingTokens) {
        public Task {
            prompt = List.copyOf(prompt);
        }
    }

    /** Receives the texts in the order in which they end. */
    @FunctionalInterface
    public interface Sink {
        /**
         * Takes a text.
         *
         * @param ended false where it grew too long without an end
         */
        void accept(int number, String text, boolean ended);
    }

    private static final class Slot {
        private int number = FREE;
        private int next;
        private int left;
        private final List<Integer> text = new ArrayList<>();
        private SplittableRandom random = new SplittableRandom(0);

        boolean isFree() {
            return number == FREE;
        }

        void begin(int newNumber, Task task, Settings settings) {
            number = newNumber;
            left = settings.maxTokens;
            random = new SplittableRandom(settings.seed * 7_368_787 + newNumber);
            text.clear();
            text.addAll(task.prompt.subList(task.prompt.size() - task.openingTokens, task.prompt.size()));
        }
    }

    /**
     * A writer over an empty decoder.
     *
     * @param tasks the text of each number
     */
    public StoryWriter(BatchDecoder decoder, Tokenizer tokenizer, Settings settings, IntFunction<Task> tasks) {
        this.decoder = decoder;
        this.tokenizer = tokenizer;
        this.settings = settings;
        this.tasks = tasks;
    }

    /** Writes the texts of these numbers. */
    public void write(List<Integer> numbers, Sink sink) {
        Slot[] slots = new Slot[settings.atOnce];
        Arrays.setAll(slots, s -> new Slot());
        Deque<Integer> waiting = new ArrayDeque<>(numbers);
        while (true) {
            int free = (int) Arrays.stream(slots).filter(Slot::isFree).count();
            boolean worthIt = free >= Math.max(1, slots.length / FILL_TOGETHER);
            if (!waiting.isEmpty() && worthIt) {
                fill(slots, waiting, sink);
            } else if (free == slots.length) {
                return;
            } else {
                int[] tokens = Arrays.stream(slots).mapToInt(s -> s.next).toArray();
                float[] logits = decoder.step(tokens);
                for (int s = 0; s < slots.length; s++) {
                    if (!slots[s].isFree()) {
                        advance(slots[s], decoder.hasRoom(s), new Row(logits, s), sink);
                    }
                }
            }
        }
    }

    /** One text's row of a batch of logits. */
    @SuppressWarnings("ArrayRecordComponent") // a view, never compared
    private record Row(float[] logits, int row) {}

    private void fill(Slot[] slots, Deque<Integer> waiting, Sink sink) {
        List<int[]> prompts = new ArrayList<>();
        List<Integer> into = new ArrayList<>();
        for (int s = 0; s < slots.length && !waiting.isEmpty(); s++) {
            if (slots[s].isFree()) {
                int number = waiting.remove();
                Task task = tasks.apply(number);
                slots[s].begin(number, task, settings);
                prompts.add(ids(task.prompt));
                into.add(s);
            }
        }
        float[] logits = decoder.start(prompts, ids(into));
        for (int p = 0; p < into.size(); p++) {
            int slot = into.get(p);
            advance(slots[slot], decoder.hasRoom(slot), new Row(logits, p), sink);
        }
    }

    private static int[] ids(List<Integer> list) {
        return list.stream().mapToInt(Integer::intValue).toArray();
    }

    /** Draws a slot's next token. */
    private void advance(Slot slot, boolean hasRoom, Row row, Sink sink) {
        int token = settings.allowed.get(draw(row, slot));
        int number = slot.number;
        if (settings.ends.contains(token)) {
            slot.number = FREE;
            sink.accept(number, tokenizer.decode(ids(slot.text)), true);
            return;
        }
        slot.text.add(token);
        slot.next = token;
        slot.left--;
        if (slot.left == 0 || !hasRoom) {
            slot.number = FREE;
            sink.accept(number, tokenizer.decode(ids(slot.text)), false);
        }
    }

    private int draw(Row row, Slot slot) {
        int count = settings.allowed.size();
        float[] logits = row.logits;
        int at = row.row * count;
        double least = best(logits, at, count) + Math.log(settings.minProbability);
        for (int i = 0; i < count; i++) {
            if (logits[at + i] >= least && endsRepeatedRun(slot.text, settings.allowed.get(i))) {
                logits[at + i] = Float.NEGATIVE_INFINITY;
            }
        }
        float best = best(logits, at, count);
        least = best + Math.log(settings.minProbability);
        double sum = 0;
        double[] weights = new double[count];
        for (int i = 0; i < count; i++) {
            if (logits[at + i] >= least) {
                weights[i] = Math.exp((logits[at + i] - best) / settings.temperature);
                sum += weights[i];
            }
        }
        double left = slot.random.nextDouble() * sum;
        for (int i = 0; i < count; i++) {
            left -= weights[i];
            if (left < 0) {
                return i;
            }
        }
        return count - 1;
    }

    private static float best(float[] logits, int from, int count) {
        float best = Float.NEGATIVE_INFINITY;
        for (int i = from; i < from + count; i++) {
            best = Math.max(best, logits[i]);
        }
        return best;
    }

    /** Whether the text with this token more would end with a run of tokens that it already holds. */
    private static boolean endsRepeatedRun(List<Integer> text, int token) {
        int before = REPEATED_RUN - 1;
        int end = text.size();
        for (int from = 0; from + before < end; from++) {
            if (text.get(from + before) == token
                    && text.subList(from, from + before).equals(text.subList(end - before, end))) {
                return true;
            }
        }
        return false;
    }
}
