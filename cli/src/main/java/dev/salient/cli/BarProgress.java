package dev.salient.cli;

import java.time.Duration;
import java.util.function.Consumer;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarConsumer;
import me.tongfei.progressbar.ProgressBarStyle;

/** Progress as a bar that redraws itself in one line of a terminal. */
final class BarProgress implements Progress {
    private static final int INTERVAL_MILLIS = 200;
    private static final long MEGA = 1_000_000;

    private final ProgressBar bar;

    /**
     * Starts the bar.
     *
     * @param draw receives the bar's text whenever it changes
     * @param columns width that the text may take
     */
    BarProgress(LineProgress.Work work, Consumer<String> draw, int columns) {
        boolean bytes = work.unit().equals(LineProgress.BYTES);
        bar = new ProgressBarBuilder()
                .setTaskName(work.task())
                .setInitialMax(work.total())
                .setUnit(bytes ? " MB" : " " + work.unit(), bytes ? MEGA : 1)
                .startsFrom(work.before(), Duration.ZERO)
                .setStyle(ProgressBarStyle.UNICODE_BLOCK)
                .setUpdateIntervalMillis(INTERVAL_MILLIS)
                .setConsumer(new Drawing(draw, columns))
                .build();
    }

    @Override
    public void advance(long steps) {
        bar.stepBy(steps);
    }

    @Override
    public void note(String words) {
        bar.setExtraMessage(" " + words);
    }

    @Override
    public void close() {
        bar.close();
    }

    private record Drawing(Consumer<String> draw, int columns) implements ProgressBarConsumer {
        @Override
        public int getMaxRenderedLength() {
            return columns;
        }

        @Override
        public void accept(String text) {
            draw.accept(text);
        }

        @Override
        public void close() {}
    }
}
