package dev.salient.generate;

import dev.salient.model.LanguageModel;
import dev.salient.model.ModelConfig;
import dev.salient.tokenizer.Tokenizer;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CancellationException;
import java.util.concurrent.Semaphore;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;

/**
 * One model for many threads: so many texts are written at a time, token by token in turn, and further ones wait.
 *
 * <p>A prompt goes to the session that remembers most of it, so that a conversation's next turn is read from where it stopped,
 * whichever thread brings it. Each text is the one that a {@link Session} alone would write.
 *
 * <pre>{@code
 * try (Sessions sessions = new Sessions(model, tokenizer, 2048, 4)) {
 *     // in any thread:
 *     sessions.generate(prompt, Sampling.greedy(), Ending.of(100, endTokens), System.out::print);
 * }
 * }</pre>
 */
public final class Sessions implements AutoCloseable {
    private final int count;
    /** Fair: who asks first is served first. */
    private final Semaphore free;
    /** Not in use, longest unused first; guarded by itself. */
    private final List<Session> idle = new ArrayList<>();
    /** Who generates; guarded by {@link #idle}. */
    private final Set<Thread> busy = new HashSet<>();

    private volatile boolean closed;

    /**
     * Opens sessions, which take all their memory now.
     *
     * @param model used by nobody else until this is closed; closed by its owner, after this
     * @param context tokens of prompt and answer together that each session has room for
     * @param count texts that are written at a time
     */
    public Sessions(LanguageModel model, Tokenizer tokenizer, int context, int count) {
        if (count < 1) {
            throw new IllegalArgumentException("sessions: got %d, want at least 1".formatted(count));
        }
        this.count = count;
        this.free = new Semaphore(count, true);
        InTurn shared = new InTurn(model);
        for (int i = 0; i < count; i++) {
            idle.add(new Session(shared, tokenizer, context));
        }
    }

    /**
     * Continues a prompt, when a session is free.
     *
     * @param prompt ids of the whole text so far, earlier turns included; at least one
     * @param sink receives the text as soon as it is certain, in this thread; what it throws ends the generation
     * @throws IllegalArgumentException where the prompt is empty or longer than the context
     * @throws CancellationException where the thread is interrupted, or {@link #close} called
     */
    public Generation generate(int[] prompt, Sampling sampling, Ending ending, Consumer<String> sink) {
        Session session = take(prompt);
        try {
            return session.generate(prompt, sampling, ending, sink);
        } finally {
            giveBack(session);
        }
    }

    private Session take(int[] prompt) {
        requireOpen();
        try {
            free.acquire();
        } catch (InterruptedException e) {
            throw interrupted();
        }
        if (closed) {
            free.release();
            requireOpen();
        }
        synchronized (idle) {
            Session best = idle.getFirst();
            for (Session session : idle) {
                best = session.remembered(prompt) > best.remembered(prompt) ? session : best;
            }
            idle.remove(best);
            busy.add(Thread.currentThread());
            return best;
        }
    }

    private void giveBack(Session session) {
        synchronized (idle) {
            busy.remove(Thread.currentThread());
            idle.add(session);
        }
        free.release();
    }

    private void requireOpen() {
        if (closed) {
            throw new CancellationException("generation: the sessions are closed");
        }
    }

    private static CancellationException interrupted() {
        Thread.currentThread().interrupt();
        return new CancellationException("generation: interrupted");
    }

    /**
     * Ends all texts under way, and those that wait, with a {@link CancellationException}, and returns when the last has ended.
     *
     * @throws IllegalStateException where a sink calls it, which would wait for itself
     */
    @Override
    public void close() {
        synchronized (idle) {
            if (busy.contains(Thread.currentThread())) {
                throw new IllegalStateException("sessions: got closed by a sink, want it done by another thread");
            }
        }
        closed = true;
        free.acquireUninterruptibly(count);
        synchronized (idle) {
            idle.forEach(Session::close);
        }
        free.release(count); // whoever still comes for one finds that all is closed
    }

    /** The model, which computes for one thread at a time, in the order in which they come. */
    private final class InTurn implements LanguageModel {
        private final LanguageModel model;
        private final ReentrantLock turn = new ReentrantLock(true);

        InTurn(LanguageModel model) {
            this.model = model;
        }

        @Override
        public ModelConfig config() {
            return model.config();
        }

        @Override
        public KvCache newCache(int capacity) {
            return model.newCache(capacity);
        }

        @Override
        public void forward(int[] tokens, KvCache cache, LogitsSink sink) {
            begin();
            try {
                model.forward(tokens, cache, sink);
            } finally {
                turn.unlock();
            }
        }

        @Override
        public float[] forwardLast(int[] tokens, KvCache cache) {
            begin();
            try {
                return model.forwardLast(tokens, cache);
            } finally {
                turn.unlock();
            }
        }

        private void begin() {
            try {
                turn.lockInterruptibly();
            } catch (InterruptedException e) {
                throw interrupted();
            }
            if (closed) {
                turn.unlock();
                requireOpen();
            }
        }
    }
}
