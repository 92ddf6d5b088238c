package dev.salient.measure;

import static java.nio.charset.StandardCharsets.US_ASCII;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * Answers in a file, one line each: the question's number, then its choices' log-likelihoods, exact. A cache of ours, not
 * a format for others; a line that was cut off is asked again.
 */
public final class AnswerFile implements AnswerStore {
    private final Path file;
    private final Map<Integer, List<Double>> known = new HashMap<>();

    private AnswerFile(Path file) {
        this.file = file;
    }

    /**
     * Reads what an earlier measurement left.
     *
     * @param file named by a hash of all that the answers depend on; need not exist
     */
    public static AnswerFile open(Path file) throws IOException {
        AnswerFile answers = new AnswerFile(file);
        if (Files.exists(file)) {
            String text = Files.readString(file, US_ASCII);
            String whole = text.substring(0, text.lastIndexOf('\n') + 1);
            whole.lines().forEach(answers::read);
            if (whole.length() < text.length()) {
                Files.writeString(file, whole, US_ASCII);
            }
        }
        return answers;
    }

    private void read(String line) {
        String[] words = line.split(" ", -1);
        try {
            known.put(
                    Integer.valueOf(words[0]),
                    Arrays.stream(words, 1, words.length)
                            .map(Double::parseDouble)
                            .toList());
        } catch (NumberFormatException e) {
            // not a line of ours: the question is asked again
        }
    }

    @Override
    public List<Double> find(int index, Question question) {
        List<Double> found = known.getOrDefault(index, List.of());
        return found.size() == question.choices().size() ? found : List.of();
    }

    @Override
    public void keep(int index, List<Double> logLikelihoods) throws IOException {
        String numbers = logLikelihoods.stream().map(Double::toHexString).collect(Collectors.joining(" "));
        Files.createDirectories(file.toAbsolutePath().getParent());
        Files.writeString(
                file, index + " " + numbers + "\n", US_ASCII, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
    }
}
