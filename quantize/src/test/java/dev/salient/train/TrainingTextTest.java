package dev.salient.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.salient.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TrainingTextTest {
    private static final int END = 0;

    private final List<String> stories = Corpora.stories(20, 1);

    @TempDir
    Path folder;

    private Tokenizer tokenizer;

    @BeforeEach
    void learnVocabulary() throws IOException {
        tokenizer = Corpora.tokenizer(stories, 300, folder);
    }

    @Test
    void oneEpochTellsEveryStoryOnceInItsOwnOrder() {
        TrainingText text = new TrainingText(tokenizer, 0, 1).with(stories, 0);
        List<String> first = told(text, 0);
        List<String> second = told(text, 1);
        assertThat(first).hasSameElementsAs(stories.subList(0, 20)).isNotEqualTo(second);
        assertThat(second).containsExactlyInAnyOrderElementsOf(first);
        assertThat(told(text, 0)).isEqualTo(first);
    }

    @Test
    void aWindowsLastTokenIsTheNextOnesFirst() {
        List<int[]> windows =
                new TrainingText(tokenizer, 0.5, 1).with(stories, 0).windows(0, 17);
        for (int w = 1; w < windows.size(); w++) {
            assertThat(windows.get(w)[0]).isEqualTo(windows.get(w - 1)[16]);
        }
    }

    @Test
    void storiesThatJoinLaterAreNotToldBefore() {
        TrainingText text = new TrainingText(tokenizer, 0, 1)
                .with(stories.subList(0, 10), 0)
                .with(stories.subList(10, 20), 2);
        assertThat(told(text, 1)).hasSize(10);
        assertThat(told(text, 2)).hasSize(20);
        assertThat(text.tokenCount())
                .isEqualTo(new TrainingText(tokenizer, 0, 1).with(stories, 0).tokenCount());
    }

    @Test
    void toldAsAnswersStoriesFollowARequest() {
        TrainingText text = new TrainingText(tokenizer, 1, 1).with(stories.subList(0, 1), 0);
        String told = controlText(text);
        assertThat(told)
                .startsWith("<|im_start|>user\n")
                .contains("<|im_end|>\n<|im_start|>assistant\n" + stories.getFirst() + "<|im_end|><|endoftext|>");
    }

    @Test
    void aTextShorterThanAWindowIsRefused() {
        TrainingText text = new TrainingText(tokenizer, 0, 1).with(List.of("Tom."), 0);
        assertThatThrownBy(() -> text.windows(0, 100))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageMatching("text: got \\d tokens, want at least a window of 100");
    }

    @Test
    void storiesAreReadUpToTheLastEnd() throws IOException {
        Path file = folder.resolve("stories.txt");
        Files.writeString(file, "One.\n\nTwo.\n<|endoftext|>\n<|endoftext|>\u201cThree.\u201d<|endoftext|>Cut o");
        assertThat(Stories.read(file)).containsExactly("One.\nTwo.", "\"Three.\"");
        Files.writeString(file, "One.");
        assertThatThrownBy(() -> Stories.read(file))
                .hasMessage(file + ": got no story, want stories that end with <|endoftext|>");
    }

    @Test
    void heldOutStoriesAreNotLearned() {
        Stories split = Stories.split(stories, 0.2, 1);
        assertThat(split.heldOut()).hasSize(4).doesNotContainAnyElementsOf(split.training());
        assertThat(split.training()).hasSize(16);
        assertThat(Stories.split(List.of("a", "a", "b"), 0.01, 1).heldOut()).hasSize(1);
    }

    /** The text of an epoch, its rest included: one window as long as the text. */
    private String controlText(TrainingText text) {
        int[] ids = longest(text, 0);
        StringBuilder told = new StringBuilder();
        int from = 0;
        for (int i = 0; i <= ids.length; i++) {
            if (i == ids.length || ids[i] < 3) {
                told.append(tokenizer.decode(Arrays.copyOfRange(ids, from, i)));
                told.append(i < ids.length ? tokenizer.token(ids[i]) : "");
                from = i + 1;
            }
        }
        return told.toString();
    }

    private int[] longest(TrainingText text, int epoch) {
        int length = 2;
        while (true) {
            try {
                text.windows(epoch, length + 1);
                length++;
            } catch (IllegalArgumentException tooLong) {
                return text.windows(epoch, length).getFirst();
            }
        }
    }

    private List<String> told(TrainingText text, int epoch) {
        int[] ids = longest(text, epoch);
        int[] ends = IntStream.range(0, ids.length).filter(i -> ids[i] == END).toArray();
        return IntStream.range(0, ends.length)
                .mapToObj(e -> Arrays.copyOfRange(ids, e == 0 ? 0 : ends[e - 1] + 1, ends[e]))
                .map(tokenizer::decode)
                .toList();
    }
}
