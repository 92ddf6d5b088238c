package dev.salient.corpus;

import dev.salient.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CoderResult;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;

/**
 * A text as one stream of token ids.
 *
 * <pre>{@code
 * Corpus corpus = Corpus.read(List.of(Path.of("c4.txt")), tokenizer);
 * List<int[]> calibration = corpus.randomWindows(128, 2048, 7);
 * }</pre>
 */
public final class Corpus {
    private final String name;
    private final int[] ids;

    private Corpus(String name, int[] ids) {
        this.name = name;
        this.ids = ids;
    }

    /**
     * A text.
     *
     * @param name how messages call it
     */
    public static Corpus of(String name, String text, Tokenizer tokenizer) {
        return new Corpus(name, tokenizer.encode(text));
    }

    /**
     * The text of UTF-8 files, one after the other with nothing between, tokenized as one.
     *
     * @param files at least one
     * @throws IOException with the file's name where one is missing or no UTF-8
     */
    public static Corpus read(List<Path> files, Tokenizer tokenizer) throws IOException {
        if (files.isEmpty()) {
            throw new IllegalArgumentException("text: got no files, want at least one");
        }
        StringBuilder text = new StringBuilder();
        for (Path file : files) {
            text.append(read(file));
        }
        String name = files.size() == 1 ? files.getFirst().toString() : files.size() + " files";
        return of(name, text.toString(), tokenizer);
    }

    private static CharBuffer read(Path file) throws IOException {
        ByteBuffer bytes;
        try {
            bytes = ByteBuffer.wrap(Files.readAllBytes(file));
        } catch (NoSuchFileException e) {
            throw new IOException(file + ": got no such file, want a text file", e);
        } catch (OutOfMemoryError e) {
            throw new IOException(file + ": got a file too large to read at once, want less than 2 GiB", e);
        }
        CharBuffer text = CharBuffer.allocate(bytes.remaining());
        CharsetDecoder decoder = StandardCharsets.UTF_8.newDecoder();
        CoderResult result = decoder.decode(bytes, text, true);
        if (result.isError()) {
            throw new IOException("%s: byte %d: got no UTF-8, want a UTF-8 text".formatted(file, bytes.position()));
        }
        return text.flip();
    }

    /** Tokens of the whole text. */
    public int length() {
        return ids.length;
    }

    /** A copy of the whole stream. */
    public int[] ids() {
        return ids.clone();
    }

    /** The tokens from one index up to another, as a text of their own. */
    public Corpus slice(int from, int to) {
        if (from < 0 || to > ids.length || from > to) {
            throw new IllegalArgumentException(
                    "%s: got tokens %d to %d, want some of its %d".formatted(name, from, to, ids.length));
        }
        return new Corpus(name, Arrays.copyOfRange(ids, from, to));
    }

    /**
     * Windows that start anywhere: each start is drawn from [0, length - window - 1], all equally likely.
     *
     * <p>The generator is the JDK's L64X128MixRandom, created from the seed, one {@code nextInt} a window: the same seed
     * gives the same windows, and the first windows of a longer list are those of a shorter one.
     *
     * @param window tokens of each
     */
    public List<int[]> randomWindows(int count, int window, long seed) {
        requirePositive("windows", count);
        requirePositive("window", window);
        requireLength(window + 1L);
        RandomGenerator random = RandomGeneratorFactory.of("L64X128MixRandom").create(seed);
        List<int[]> windows = new ArrayList<>(count);
        for (int i = 0; i < count; i++) {
            windows.add(window(random.nextInt(ids.length - window), window));
        }
        return windows;
    }

    /**
     * Windows side by side from the start of the text, as many as fit but at most {@code most}; a rest is left out.
     *
     * @param window tokens of each
     */
    public List<int[]> adjacentWindows(int window, int most) {
        return overlappingWindows(window, window, most);
    }

    /**
     * Windows from the start of the text, each {@code stride} tokens after the one before, as many as fit but at most
     * {@code most}; a rest is left out.
     *
     * @param window tokens of each
     */
    public List<int[]> overlappingWindows(int window, int stride, int most) {
        requirePositive("windows", most);
        requirePositive("window", window);
        requirePositive("stride", stride);
        requireLength(window);
        List<int[]> windows = new ArrayList<>();
        for (int start = 0; start <= ids.length - window && windows.size() < most; start += stride) {
            windows.add(window(start, window));
        }
        return windows;
    }

    private int[] window(int start, int length) {
        return Arrays.copyOfRange(ids, start, start + length);
    }

    private static void requirePositive(String what, int value) {
        if (value < 1) {
            throw new IllegalArgumentException("%s: got %d, want at least 1".formatted(what, value));
        }
    }

    private void requireLength(long least) {
        if (ids.length < least) {
            throw new IllegalArgumentException(
                    "%s: got %d tokens, want at least %d for one window".formatted(name, ids.length, least));
        }
    }
}
