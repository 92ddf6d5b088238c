package dev.salient.measure;

import dev.salient.measure.Models.Measured;
import dev.salient.model.LanguageModel;
import dev.salient.model.LanguageModel.KvCache;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.jspecify.annotations.Nullable;

/** Feeds windows to models, a stretch of tokens at a time, and scores the logits on several threads. */
final class Reader implements AutoCloseable {
    /** Logits of the original that are held at once: 128 MiB. */
    private static final int MAX_LOGITS = 32 << 20;

    /** A shorter stretch would cost a model its speed. */
    private static final int LEAST_STRETCH = 32;

    /** A model's rows that are gathered before threads share them out. */
    private static final int BATCH = 64;

    private final Models models;
    private final Windows windows;
    private final int threads;
    private final ExecutorService pool;
    private final @Nullable KvCache originalCache;
    private final List<KvCache> caches = new ArrayList<>();
    private float[][] original = {};
    private final float[][] batch = new float[BATCH][];

    Reader(Models models, Windows windows, int threads) {
        this.models = models;
        this.windows = windows;
        this.threads = threads;
        pool = Executors.newFixedThreadPool(
                threads, Thread.ofPlatform().daemon().factory());
        int capacity = windows.capacity();
        originalCache = models.original() == null ? null : models.original().newCache(capacity);
        models.measured().forEach(one -> caches.add(one.model().newCache(capacity)));
    }

    /** The scores of one window, for each model: kept ones, or new ones, which are kept then. */
    List<WindowScores> read(int index) throws IOException {
        WindowScores[] scores = new WindowScores[models.measured().size()];
        List<Integer> open = new ArrayList<>();
        for (int m = 0; m < scores.length; m++) {
            WindowScores kept = models.measured().get(m).store().find(index, windows);
            if (kept != null && kept.compared() == (models.original() != null)) {
                scores[m] = kept;
            } else {
                open.add(m);
            }
        }
        if (!open.isEmpty()) {
            List<Job> jobs = read(windows.window(index), open);
            for (int j = 0; j < jobs.size(); j++) {
                int m = open.get(j);
                scores[m] = jobs.get(j).scores();
                models.measured().get(m).store().keep(index, scores[m]);
            }
        }
        return List.of(scores);
    }

    /** One model at one window. */
    private static final class Job {
        private final LanguageModel model;
        private final KvCache cache;
        private final WindowScores.Builder builder;
        private long nanos;

        Job(Measured measured, KvCache cache, WindowScores.Builder builder) {
            this.model = measured.model();
            this.cache = cache;
            this.builder = builder;
        }

        WindowScores scores() {
            return builder.build(nanos / 1e9);
        }
    }

    private List<Job> read(Window window, List<Integer> open) {
        List<Job> jobs = new ArrayList<>();
        for (int m : open) {
            caches.get(m).truncate(0);
            WindowScores.Builder builder = new WindowScores.Builder(window, originalCache != null);
            jobs.add(new Job(models.measured().get(m), caches.get(m), builder));
        }
        int[] seen = window.seen();
        int stretch = originalCache == null ? seen.length : stretch(seen.length);
        for (int from = 0; from < seen.length; from += stretch) {
            int[] tokens = Arrays.copyOfRange(seen, from, Math.min(seen.length, from + stretch));
            long began = System.nanoTime();
            readOriginal(tokens, from);
            long originalNanos = System.nanoTime() - began;
            for (Job job : jobs) {
                long start = System.nanoTime();
                if (job.model.equals(models.original())) {
                    scoreOriginal(window, job, new Stretch(from, tokens.length));
                } else {
                    score(window, job, tokens, from);
                }
                job.nanos += originalNanos + System.nanoTime() - start;
            }
        }
        return jobs;
    }

    private int stretch(int seen) {
        int vocab = models.measured().getFirst().model().config().vocabSize();
        return Math.min(seen, Math.max(LEAST_STRETCH, MAX_LOGITS / vocab));
    }

    private void readOriginal(int[] tokens, int from) {
        LanguageModel model = models.original();
        KvCache cache = originalCache;
        if (model == null || cache == null) {
            return;
        }
        if (from == 0) {
            cache.truncate(0);
        }
        if (original.length < tokens.length) {
            original = new float[tokens.length][model.config().vocabSize()];
        }
        model.forward(
                tokens,
                cache,
                (position, logits) -> System.arraycopy(logits, 0, original[position - from], 0, logits.length));
    }

    private void score(Window window, Job job, int[] tokens, int from) {
        int vocab = job.model.config().vocabSize();
        int last = from + tokens.length - 1;
        int[] gathered = {0};
        job.model.forward(tokens, job.cache, (position, logits) -> {
            int row = gathered[0];
            if (batch[row] == null || batch[row].length != vocab) {
                batch[row] = new float[vocab];
            }
            System.arraycopy(logits, 0, batch[row], 0, vocab);
            gathered[0] = row + 1;
            if (gathered[0] == BATCH || position == last) {
                int first = position - row;
                shareOut(new Stretch(first, gathered[0]), p -> {
                    int token = window.countedAfter(p);
                    if (token >= 0) {
                        job.builder.score(token, originalCache == null ? null : original[p - from], batch[p - first]);
                    }
                });
                gathered[0] = 0;
            }
        });
    }

    private void scoreOriginal(Window window, Job job, Stretch stretch) {
        shareOut(stretch, p -> {
            int token = window.countedAfter(p);
            if (token >= 0) {
                float[] logits = original[p - stretch.from()];
                job.builder.score(token, logits, logits);
            }
        });
    }

    private record Stretch(int from, int count) {}

    private interface AtPosition {
        void run(int position);
    }

    private void shareOut(Stretch stretch, AtPosition work) {
        List<Callable<Void>> shares = new ArrayList<>();
        for (int share = 0; share < threads; share++) {
            int begin = share;
            shares.add(() -> {
                for (int i = begin; i < stretch.count(); i += threads) {
                    work.run(stretch.from() + i);
                }
                return null;
            });
        }
        try {
            for (Future<Void> done : pool.invokeAll(shares)) {
                done.get();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new CancellationException("measurement: interrupted");
        } catch (ExecutionException e) {
            if (e.getCause() instanceof RuntimeException cause) {
                throw cause;
            }
            throw new IllegalStateException("scoring failed: " + e.getCause(), e);
        }
    }

    @Override
    public void close() {
        pool.shutdownNow();
        if (originalCache != null) {
            originalCache.close();
        }
        caches.forEach(KvCache::close);
    }
}
