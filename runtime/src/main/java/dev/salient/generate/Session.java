package dev.salient.generate;

import dev.salient.model.LanguageModel;
import dev.salient.model.LanguageModel.KvCache;
import dev.salient.tokenizer.Tokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.function.Consumer;

/**
 * One conversation with a model: prompts in, text out, piece by piece.
 *
 * <p>The cache is kept from one generation to the next, and as much of it is used again as the prompts have in common.
 *
 * <pre>{@code
 * try (Session session = new Session(model, tokenizer, 2048)) {
 *     int[] prompt = tokenizer.encodePrompt("Once upon a time");
 *     session.generate(prompt, Sampling.greedy(), Ending.of(100, checkpoint.endTokens()), System.out::print);
 * }
 * }</pre>
 *
 * <p>It is used by one thread at a time; {@link Sessions} are for many.
 */
public final class Session implements AutoCloseable {
    private final LanguageModel model;
    private final Tokenizer tokenizer;
    private final KvCache cache;
    private int[] cached = new int[0];

    /**
     * Opens a session.
     *
     * @param context tokens of prompt and answer together that the session has room for
     */
    public Session(LanguageModel model, Tokenizer tokenizer, int context) {
        if (context < 1) {
            throw new IllegalArgumentException("context: got %d tokens, want at least 1".formatted(context));
        }
        this.model = model;
        this.tokenizer = tokenizer;
        this.cache = model.newCache(context);
    }

    /**
     * Continues a prompt.
     *
     * @param prompt ids of the whole text so far, earlier turns included; at least one
     * @param sink receives the text as soon as it is certain
     * @throws IllegalArgumentException where the prompt is empty or longer than the context
     * @throws CancellationException where the thread is interrupted between two tokens
     */
    public Generation generate(int[] prompt, Sampling sampling, Ending ending, Consumer<String> sink) {
        if (prompt.length == 0 || prompt.length > cache.capacity()) {
            throw new IllegalArgumentException(
                    "prompt: got %d tokens, want 1 to %d, the context".formatted(prompt.length, cache.capacity()));
        }
        int reused = rewind(prompt);
        Run run = new Run(prompt, sampling, ending, sink);
        FinishReason reason = run.finish(
                ending.maxTokens() == 0
                        ? FinishReason.LENGTH
                        : run.loop(Arrays.copyOfRange(prompt, reused, prompt.length)));
        return new Generation(run.text.toString(), run.ids, reason, prompt.length, reused);
    }

    /** How many tokens of a prompt, from its beginning, the cache holds. */
    int remembered(int[] prompt) {
        int common = Arrays.mismatch(cached, prompt);
        return common < 0 ? cached.length : common;
    }

    /** Cuts the cache back to what the prompt begins with, all but its last token, whose logits are needed. */
    private int rewind(int[] prompt) {
        int kept = Math.min(remembered(prompt), prompt.length - 1);
        cache.truncate(kept);
        cached = Arrays.copyOf(cached, kept);
        return kept;
    }

    private float[] append(int[] tokens) {
        if (Thread.currentThread().isInterrupted()) {
            throw new CancellationException("generation: interrupted");
        }
        float[] logits = model.forwardLast(tokens, cache);
        int before = cached.length;
        cached = Arrays.copyOf(cached, before + tokens.length);
        System.arraycopy(tokens, 0, cached, before, tokens.length);
        return logits;
    }

    @Override
    public void close() {
        cache.close();
    }

    /** One generation under way. */
    private final class Run {
        final StringBuilder text = new StringBuilder();
        final List<Integer> ids = new ArrayList<>();
        private final Sampler sampler;
        private final Ending ending;
        private final Consumer<String> sink;
        private final TextStream stream;
        private final StopStrings stops;
        private final BitSet seen = new BitSet();

        Run(int[] prompt, Sampling sampling, Ending ending, Consumer<String> sink) {
            this.sampler = new Sampler(sampling);
            this.ending = ending;
            this.sink = sink;
            this.stream = new TextStream(tokenizer, prompt);
            this.stops = new StopStrings(ending.stopStrings());
            for (int id : prompt) {
                seen.set(id);
            }
        }

        FinishReason loop(int[] prompt) {
            int[] fresh = prompt;
            while (true) {
                int id = sampler.next(append(fresh), seen);
                if (ending.endTokens().contains(id)) {
                    return FinishReason.STOP_TOKEN;
                }
                ids.add(id);
                seen.set(id);
                give(stops.add(stream.add(id)));
                if (stops.found()) {
                    return FinishReason.STOP_STRING;
                }
                if (ids.size() == ending.maxTokens()) {
                    return FinishReason.LENGTH;
                }
                if (cache.length() == cache.capacity()) {
                    return FinishReason.CONTEXT;
                }
                fresh = new int[] {id};
            }
        }

        /** Gives out what was held back; a stop string may still be completed by it. */
        FinishReason finish(FinishReason reason) {
            if (reason == FinishReason.STOP_STRING) {
                return reason;
            }
            give(stops.add(stream.finish()));
            if (stops.found()) {
                return FinishReason.STOP_STRING;
            }
            give(stops.finish());
            return reason;
        }

        private void give(String piece) {
            if (!piece.isEmpty()) {
                text.append(piece);
                sink.accept(piece);
            }
        }
    }
}
