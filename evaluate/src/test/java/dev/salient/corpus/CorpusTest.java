package dev.salient.corpus;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.salient.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CorpusTest {
    @TempDir
    private Path folder;

    /** One token for each character: its code. */
    private static final Tokenizer CHARACTERS = new Tokenizer() {
        @Override
        public int[] encode(String text) {
            return text.chars().toArray();
        }

        @Override
        public int[] encodeWithControlTokens(String text) {
            return encode(text);
        }

        @Override
        public String decode(int[] ids) {
            return new String(ids, 0, ids.length);
        }

        @Override
        public String token(int id) {
            return Character.toString(id);
        }

        @Override
        public int vocabSize() {
            return 65536;
        }

        @Override
        public OptionalInt leadingToken() {
            return OptionalInt.empty();
        }

        @Override
        public OptionalInt findId(String token) {
            return OptionalInt.empty();
        }
    };

    private static Corpus counting(int length) {
        int[] characters = IntStream.range(0, length).toArray();
        return Corpus.of("counting", new String(characters, 0, length), CHARACTERS);
    }

    @Test
    void filesAreOneStream() throws IOException {
        Path first = Files.writeString(folder.resolve("a.txt"), "abc\né");
        Path second = Files.writeString(folder.resolve("b.txt"), "xyz");
        Corpus corpus = Corpus.read(List.of(first, second), CHARACTERS);
        assertThat(corpus.ids()).containsExactly("abc\néxyz".chars().toArray());
        assertThat(corpus.length()).isEqualTo(8);
    }

    @Test
    void adjacentWindowsLeaveTheRestOut() {
        assertThat(counting(11).adjacentWindows(3, 100))
                .containsExactly(new int[] {0, 1, 2}, new int[] {3, 4, 5}, new int[] {6, 7, 8});
        assertThat(counting(11).adjacentWindows(3, 1)).containsExactly(new int[] {0, 1, 2});
        assertThat(counting(3).adjacentWindows(3, 1)).hasSize(1);
    }

    @Test
    void randomWindowsAreStretchesOfTheTextAndTheirStartsSpreadEvenly() {
        List<int[]> windows = counting(14).randomWindows(11_000, 3, 1);
        int[] starts = new int[14];
        for (int[] window : windows) {
            assertThat(window).containsExactly(window[0], window[0] + 1, window[0] + 2);
            starts[window[0]]++;
        }
        // [0, 14 - 3 - 1]: eleven starts, each about 1000 times, within five standard deviations.
        assertThat(Arrays.stream(starts, 0, 11).boxed())
                .allSatisfy(count -> assertThat(count).isBetween(850, 1150));
        assertThat(Arrays.copyOfRange(starts, 11, 14)).containsOnly(0);
    }

    @Test
    void seedDecidesTheWindowsAndALongerListBeginsWithTheShorter() {
        Corpus corpus = counting(1000);
        List<int[]> windows = corpus.randomWindows(20, 5, 42);
        assertThat(corpus.randomWindows(40, 5, 42).subList(0, 20))
                .usingRecursiveComparison()
                .isEqualTo(windows);
        assertThat(corpus.randomWindows(20, 5, 43).stream().map(w -> w[0]).toList())
                .isNotEqualTo(windows.stream().map(w -> w[0]).toList());
        // Golden: another generator or another way to draw would change every run made so far.
        assertThat(windows.stream().limit(5).map(w -> w[0])).containsExactly(GOLDEN);
    }

    private static final Integer[] GOLDEN = {658, 906, 140, 317, 500};

    @Test
    void textThatIsTooShortIsRefusedWithBothNumbers() {
        assertRefused(
                () -> counting(2).adjacentWindows(3, 1), "counting: got 2 tokens, want at least 3 for one window");
        assertRefused(
                () -> counting(3).randomWindows(1, 3, 0), "counting: got 3 tokens, want at least 4 for one window");
        assertRefused(() -> counting(3).randomWindows(0, 3, 0), "windows: got 0, want at least 1");
        assertRefused(() -> counting(3).adjacentWindows(0, 1), "window: got 0, want at least 1");
    }

    private static void assertRefused(Runnable call, String message) {
        assertThatThrownBy(call::run)
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage(message);
    }

    @Test
    void filesThatAreMissingOrNoUtf8AreRefusedByName() throws IOException {
        Path missing = folder.resolve("missing.txt");
        assertThatThrownBy(() -> Corpus.read(List.of(missing), CHARACTERS))
                .isInstanceOf(IOException.class)
                .hasMessage(missing + ": got no such file, want a text file");
        Path latin = Files.write(folder.resolve("latin.txt"), new byte[] {'a', 'b', (byte) 0xE9, 'c'});
        assertThatThrownBy(() -> Corpus.read(List.of(latin), CHARACTERS))
                .isInstanceOf(IOException.class)
                .hasMessage(latin + ": byte 2: got no UTF-8, want a UTF-8 text");
        Path cut = Files.write(folder.resolve("cut.txt"), new byte[] {'a', (byte) 0xC3});
        assertThatThrownBy(() -> Corpus.read(List.of(cut), CHARACTERS))
                .isInstanceOf(IOException.class)
                .hasMessage(cut + ": byte 1: got no UTF-8, want a UTF-8 text");
        assertThatThrownBy(() -> Corpus.read(List.of(), CHARACTERS))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("text: got no files, want at least one");
    }
}
