package dev.salient.cli;

import java.util.Arrays;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;

/** How many bytes a second this machine's threads read from memory, all together. */
final class MemoryBandwidth {
    /** Bytes a thread reads: more than any cache holds for it. */
    private static final int BYTES = 256 << 20;

    private static final int RUNS = 7;

    private MemoryBandwidth() {}

    /** The best of some runs, bytes per second: what a decoder of these threads could reach at most. */
    static double bytesPerSecond(int threads) {
        try (ExecutorService team = Executors.newFixedThreadPool(threads)) {
            long[][] data = new long[threads][];
            run(team, threads, thread -> {
                data[thread] = new long[BYTES / Long.BYTES];
                Arrays.fill(data[thread], thread + 1L); // so that every page is there
                return 0;
            });
            double best = 0;
            for (int i = 0; i < RUNS; i++) {
                long start = System.nanoTime();
                run(team, threads, thread -> sum(data[thread]));
                best = Math.max(best, (double) threads * BYTES * 1e9 / (System.nanoTime() - start));
            }
            return best;
        }
    }

    private interface Work {
        long run(int thread);
    }

    private static void run(ExecutorService team, int threads, Work work) {
        for (Future<Long> future : IntStream.range(0, threads)
                .mapToObj(thread -> team.submit(() -> work.run(thread)))
                .toList()) {
            try {
                future.get();
            } catch (ExecutionException e) {
                throw new IllegalStateException("memory bandwidth: " + e.getCause(), e);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new CancellationException("memory bandwidth: interrupted");
            }
        }
    }

    private static long sum(long[] values) {
        long sum0 = 0;
        long sum1 = 0;
        for (int i = 0; i < values.length; i += 2) {
            sum0 += values[i];
            sum1 ^= values[i + 1];
        }
        return sum0 + sum1;
    }
}
