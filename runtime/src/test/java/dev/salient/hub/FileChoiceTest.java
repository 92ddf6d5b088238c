package dev.salient.hub;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class FileChoiceTest {
    private static FileChoice of(String... paths) {
        Map<String, Long> sizes =
                Arrays.stream(paths).collect(Collectors.toMap(Function.identity(), path -> 12_345_678L));
        return new FileChoice("a/b", sizes);
    }

    private static void fails(FileChoice choice, String message, String... patterns) {
        assertThatThrownBy(() -> choice.choose(List.of(patterns))).hasMessage(message);
    }

    @Test
    void safetensorsComeBeforeGgufAndOneFileBeforeShards() throws HubException {
        FileChoice choice = of(
                "model.safetensors",
                "model.safetensors.index.json",
                "model-00001-of-00001.safetensors",
                "a.Q4_K_M.gguf",
                "onnx/model.onnx",
                "intact_kv.safetensors",
                "config.json");
        assertThat(choice.choose(List.of()))
                .containsExactly("config.json", "intact_kv.safetensors", "model.safetensors");
    }

    @Test
    void usualTypeIsTakenOfSeveralGgufFiles() throws HubException {
        FileChoice choice = of("a-Q8_0.gguf", "a-Q4_K_M.gguf", "a-Q4_K_S.gguf", "a.imatrix.gguf", "config.json");
        assertThat(choice.choose(List.of())).containsExactly("a-Q4_K_M.gguf");
    }

    @Test
    void severalGgufFilesWithoutTheUsualAreListedWithTheirSizes() {
        fails(
                of("a-Q8_0.gguf", "a-Q4_0.gguf", "mmproj-a.gguf"),
                "a/b: got 3 .gguf files, want --file with one of them:"
                        + " a-Q4_0.gguf (12.3 MB), a-Q8_0.gguf (12.3 MB), mmproj-a.gguf (12.3 MB)");
    }

    @Test
    void modelInPartsIsNotChosenByItself() {
        fails(
                of("a-Q4_K_M-00001-of-00002.gguf", "a-Q4_K_M-00002-of-00002.gguf"),
                "a/b: got 2 .gguf files, want --file with one of them: a-Q4_K_M-00001-of-00002.gguf (12.3 MB),"
                        + " a-Q4_K_M-00002-of-00002.gguf (12.3 MB)");
    }

    @ParameterizedTest
    @CsvSource({"a-Q8_0.gguf", "*Q8_0*", "Q8/a-Q8_0.gguf", "Q8/*", "**/a-*.gguf"})
    void filesAreChosenByNameOrGlob(String pattern) throws HubException {
        assertThat(of("Q8/a-Q8_0.gguf", "a-Q4_0.gguf", "README.md").choose(List.of(pattern)))
                .containsExactly("Q8/a-Q8_0.gguf");
    }

    @Test
    void patternThatMatchesNothingSaysWhatThereIs() {
        fails(of("a-Q8_0.gguf", "a.bin"), "a/b: got no file like *Q2*; it has a-Q8_0.gguf (12.3 MB)", "*Q2*");
        fails(of("a.gguf"), "--file: got [a, want a name or a glob", "[a");
    }

    @Test
    void longListsAreCut() {
        String[] paths = new String[100];
        Arrays.setAll(paths, i -> "%02d.gguf".formatted(i));
        assertThatThrownBy(() -> of(paths).choose(List.of()))
                .hasMessageStartingWith("a/b: got 100 .gguf files, want --file with one of them: 00.gguf (12.3 MB), 01")
                .hasMessageEndingWith("39.gguf (12.3 MB) and 60 more");
    }

    @Test
    void picklesAreNeverFetched() {
        String message = "a/b: got pytorch_model.bin, a pickle, which can run code when read; want safetensors or GGUF";
        FileChoice choice = of("config.json", "pytorch_model.bin", "training_args.bin");
        fails(choice, message);
        fails(choice, message, "pytorch*");
        fails(
                of("a.gguf", "weights.PTH"),
                "a/b: got weights.PTH, a pickle, which can run code when read; want safetensors or GGUF",
                "*");
    }
}
