package dev.salient.method;

import com.google.errorprone.annotations.FormatMethod;
import java.util.List;
import java.util.stream.IntStream;

/** Checks of settings; this package imports nothing of ours, so it has its own. */
final class Settings {
    private Settings() {}

    @FormatMethod
    static void require(boolean condition, String message, Object... arguments) {
        if (!condition) {
            throw new IllegalArgumentException(message.formatted(arguments));
        }
    }

    /** Refuses grids whose groups have two numbers beside their codes. */
    static void requireOneScale(String method, Grid grid) {
        requireFixedScales(method, grid);
        require(
                !(grid instanceof Grid.DualBinary || grid instanceof Grid.Q2K),
                "%s: got a grid of two numbers a group, want one of a scale a group, or block-ap, apiq, sapr, omniquant or rtn",
                method);
    }

    /** Refuses the grid that only training can fill. */
    static void requireFixedScales(String method, Grid grid) {
        require(
                !(grid instanceof Grid.BinaryMos),
                "%s: got --grid binary-mos, whose router has to be trained, want --method apiq, apiq-lw, sapr, block-ap or omniquant",
                method);
    }

    /** The usual group sizes that divide a row. */
    static List<Integer> divisors(int in) {
        return IntStream.of(16, 32, 64, 128, 256)
                .filter(size -> in % size == 0)
                .boxed()
                .toList();
    }
}
