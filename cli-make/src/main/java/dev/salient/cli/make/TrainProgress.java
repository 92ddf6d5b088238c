package dev.salient.cli.make;

import dev.salient.cli.Console;
import dev.salient.cli.Progress;
import dev.salient.train.LossCurve;
import dev.salient.train.RecipeRun;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** Shows how far a training run is: one progress a stage, and a line for every look at the held-out loss. */
final class TrainProgress implements RecipeRun.Listener, AutoCloseable {
    private final Console console;
    private @Nullable Progress stage;

    TrainProgress(Console console) {
        this.console = console;
    }

    @Override
    public void onStage(String words, int steps) {
        close();
        stage = console.progress(words, "steps", steps);
    }

    @Override
    public void onStory(int done, int asked) {
        advance("");
    }

    @Override
    public void onStep(int stepsDone, double loss) {
        advance(String.format(Locale.ROOT, "loss %.3f", loss));
    }

    @Override
    public void onCheck(LossCurve.Point point) {
        console.note("step %,d: loss %.3f, held-out %.3f", point.step(), point.training(), point.heldOut());
    }

    private void advance(String note) {
        if (stage != null) {
            stage.note(note);
            stage.advance(1);
        }
    }

    @Override
    public void close() {
        if (stage != null) {
            stage.close();
            stage = null;
        }
    }
}
