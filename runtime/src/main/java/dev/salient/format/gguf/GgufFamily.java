package dev.salient.format.gguf;

import dev.salient.model.Family;
import java.util.Arrays;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** The architectures of GGUF files; each prefixes its keys with its name. */
enum GgufFamily {
    /** Rows of Q and K are in another order than ours; Mistral is written as this too. */
    LLAMA(Family.LLAMA),
    QWEN2(Family.QWEN2),
    QWEN3(Family.QWEN3),
    /** Linears with the same input are one tensor; only read. */
    PHI3(Family.LLAMA),
    GEMMA2(Family.GEMMA2),
    GEMMA3(Family.GEMMA3);

    private final Family family;

    GgufFamily(Family family) {
        this.family = family;
    }

    /** What {@code general.architecture} says. */
    String architecture() {
        return name().toLowerCase(java.util.Locale.ROOT);
    }

    Family family() {
        return family;
    }

    /** The key of this architecture, such as {@code qwen2.block_count}. */
    String key(String name) {
        return architecture() + "." + name;
    }

    boolean gemma() {
        return this == GEMMA2 || this == GEMMA3;
    }

    /** Every how many blocks one sees everything, where a file with a window doesn't say. */
    int windowPattern() {
        return switch (this) {
            case GEMMA2 -> 2;
            case GEMMA3 -> 6;
            case LLAMA, QWEN2, QWEN3, PHI3 -> Integer.MAX_VALUE;
        };
    }

    static @Nullable GgufFamily find(@Nullable String architecture) {
        return Arrays.stream(values())
                .filter(it -> it.architecture().equals(architecture))
                .findFirst()
                .orElse(null);
    }

    /** The architecture that a model of this family is written as. */
    static GgufFamily of(Family family) {
        return switch (family) {
            case LLAMA, MISTRAL -> LLAMA;
            case QWEN2 -> QWEN2;
            case QWEN3 -> QWEN3;
            case GEMMA2 -> GEMMA2;
            case GEMMA3 -> GEMMA3;
        };
    }

    static String names() {
        return Arrays.stream(values()).map(GgufFamily::architecture).collect(Collectors.joining(", "));
    }

    /**
     * What llama.cpp multiplies the products of queries and keys with: it tells Gemma's largest models by their block
     * count.
     */
    double attentionScale(int blockCount, int hiddenSize, int heads, int headSize) {
        boolean largest = (this == GEMMA2 && blockCount == 46) || (this == GEMMA3 && blockCount == 62);
        return 1 / Math.sqrt(largest ? hiddenSize / heads : headSize);
    }
}
