package dev.salient.train;

import static org.assertj.core.api.Assertions.assertThat;

import dev.salient.tensor.SharedData;
import dev.salient.torch.TorchDevice;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@Tag("shared")
class WrittenStoriesTest {
    private static final Recipe.Written SMALL = new Recipe.Written("stories260k", 12, 6, 300, 0.6, 0.05, 0, 5);

    @TempDir
    Path folder;

    private final List<Integer> told = new ArrayList<>();

    @Test
    void aModelWritesStoriesAndAStoppedRunGoesOn() throws IOException {
        Path data = SharedData.expect("data/models");
        Path file = folder.resolve("written.txt");
        Path part = folder.resolve("written.txt.part");
        WrittenStories.write(SMALL, data, new WrittenStories.Output(file, TorchDevice.of("cpu"), listener()));
        assertThat(told)
                .containsExactlyElementsOf(IntStream.rangeClosed(1, 12).boxed().toList());
        List<String> stories = Stories.read(file);
        assertThat(stories).hasSizeBetween(3, 12).allMatch(story -> story.matches("(?s)[A-Z].*[.!?]\"?"));

        List<String> entries =
                List.of(Files.readString(part).split("(?<=" + Pattern.quote(Stories.END + "\n") + ")", -1));
        Files.writeString(part, String.join("", entries.subList(0, 4)));
        Files.delete(file);
        told.clear();
        WrittenStories.write(SMALL, data, new WrittenStories.Output(file, TorchDevice.of("cpu"), listener()));
        assertThat(told)
                .containsExactlyElementsOf(IntStream.rangeClosed(5, 12).boxed().toList());
        assertThat(Files.readString(part)).startsWith(String.join("", entries.subList(0, 4)));
    }

    private RecipeRun.Listener listener() {
        return new RecipeRun.Listener() {
            @Override
            public void onStage(String words, int steps) {}

            @Override
            public void onStory(int done, int asked) {
                told.add(done);
            }

            @Override
            public void onStep(int stepsDone, double loss) {}

            @Override
            public void onCheck(LossCurve.Point point) {}
        };
    }
}
