package dev.salient.cli.make;

import dev.salient.cli.Console;
import dev.salient.cli.Progress;
import dev.salient.cli.Words;
import dev.salient.pipeline.Plan;
import dev.salient.pipeline.RunListener;
import org.jspecify.annotations.Nullable;

/** Shows a run on the console: its plan, then progress part by part. */
final class ConsoleListener implements RunListener, AutoCloseable {
    private final Console console;
    private @Nullable Progress progress;
    private long reached;

    ConsoleListener(Console console) {
        this.console = console;
    }

    @Override
    public void planned(Plan plan) {
        console.note(
                "plan: %.3f bits per weight; %s of memory, %s of disk%s; about %s at %.0f GFLOP/s",
                plan.bitsPerWeight(),
                Words.bytes(plan.memoryBytes()),
                Words.bytes(plan.diskBytes()),
                plan.spills() ? " (hidden states too)" : "",
                Words.duration(plan.duration()),
                plan.gemmRate() / 1e9);
    }

    @Override
    public void began(String part, long steps) {
        close();
        progress = console.progress(part, "steps", steps);
        reached = 0;
    }

    @Override
    public void reached(long steps) {
        if (progress != null && steps > reached) {
            progress.advance(steps - reached);
            reached = steps;
        }
    }

    @Override
    public void note(String line) {
        console.note("%s", line);
    }

    @Override
    public void close() {
        if (progress != null) {
            progress.close();
            progress = null;
        }
    }
}
