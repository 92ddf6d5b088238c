package dev.salient.format;

import static java.nio.charset.StandardCharsets.US_ASCII;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.Random;

/** Spoils files for fuzz loops: bytes, numbers in binary and in text, cuts, repeated pieces. */
final class Spoiler {
    private static final long[] NUMBERS = {
        -1, 0, 1, 0x7F, 0xFFFF, 1L << 31, Integer.MAX_VALUE, 0xFFFFFFFFL, 1L << 40, Long.MAX_VALUE, Long.MIN_VALUE
    };
    private static final String[] TEXTS = {
        "-1",
        "0",
        "99999999999",
        "1e999",
        "2147483647",
        "4294967296",
        "9223372036854775807",
        "0.5",
        "null",
        "\"x\"",
        "[]",
        "{}",
        "true",
        "\"../a.safetensors\"",
        "\"/\"",
        "\"(\"",
        "[[[[[[[["
    };

    private Spoiler() {}

    /**
     * A spoilt copy.
     *
     * @param near most changes are in so many bytes from the start
     */
    static byte[] spoil(byte[] good, Random random, int near) {
        int within = Math.max(1, Math.min(near, good.length));
        byte[] bad = good.clone();
        int at = random.nextInt(within);
        switch (random.nextInt(8)) {
            case 0 -> bad = Arrays.copyOf(bad, random.nextInt(bad.length));
            case 1 -> Arrays.fill(bad, at, within, (byte) random.nextInt(256));
            case 2 -> bad[at] = (byte) (random.nextBoolean() ? '9' : 0xFF);
            case 3 -> {
                for (int i = 0; i < 3; i++) {
                    bad[random.nextInt(within)] = (byte) random.nextInt(256);
                }
            }
            case 4 -> number(bad, at, random);
            case 5 -> bad = text(bad, at, random);
            case 6 -> bad = repeat(bad, at, random);
            default -> bad = without(bad, at, random);
        }
        return bad;
    }

    private static void number(byte[] bad, int at, Random random) {
        byte[] number = new byte[random.nextBoolean() ? Integer.BYTES : Long.BYTES];
        long value = NUMBERS[random.nextInt(NUMBERS.length)];
        ByteBuffer.wrap(number).order(ByteOrder.LITTLE_ENDIAN).put(0, bytes(value), 0, number.length);
        System.arraycopy(number, 0, bad, at, Math.min(number.length, bad.length - at));
    }

    private static byte[] bytes(long value) {
        return ByteBuffer.allocate(Long.BYTES)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(value)
                .array();
    }

    /** Another text where a number or a string of the file's own text stands. */
    private static byte[] text(byte[] bad, int at, Random random) {
        int from = at;
        while (from < bad.length && !isDigit(bad[from]) && bad[from] != '"') {
            from++;
        }
        int to = from + 1;
        if (from < bad.length && bad[from] == '"') {
            while (to < bad.length && bad[to] != '"') {
                to++;
            }
            to++;
        } else {
            while (to < bad.length && isDigit(bad[to])) {
                to++;
            }
        }
        if (to > bad.length) {
            return bad;
        }
        return joined(bad, from, TEXTS[random.nextInt(TEXTS.length)].getBytes(US_ASCII), to);
    }

    private static boolean isDigit(byte letter) {
        return letter >= '0' && letter <= '9';
    }

    private static byte[] repeat(byte[] bad, int at, Random random) {
        int to = Math.min(bad.length, at + 1 + random.nextInt(40));
        return joined(bad, to, Arrays.copyOfRange(bad, at, to), to);
    }

    private static byte[] without(byte[] bad, int at, Random random) {
        return joined(bad, at, new byte[0], Math.min(bad.length, at + 1 + random.nextInt(40)));
    }

    private static byte[] joined(byte[] file, int from, byte[] piece, int to) {
        ByteBuffer joined = ByteBuffer.allocate(from + piece.length + file.length - to);
        return joined.put(file, 0, from)
                .put(piece)
                .put(file, to, file.length - to)
                .array();
    }
}
