package dev.salient.format;

import java.util.Arrays;
import java.util.Random;

/** Spoils files for fuzz loops. */
final class Spoiler {
    private Spoiler() {}

    /** A copy with a few bytes changed near its start, or cut off, or with a number blown up. */
    static byte[] spoil(byte[] good, Random random, int near) {
        int within = Math.min(near, good.length);
        byte[] bad = good.clone();
        switch (random.nextInt(4)) {
            case 0 -> bad = Arrays.copyOf(bad, random.nextInt(bad.length));
            case 1 -> Arrays.fill(bad, random.nextInt(within), within, (byte) random.nextInt(256));
            case 2 -> bad[random.nextInt(within)] = (byte) (random.nextBoolean() ? '9' : 0xFF);
            default -> {
                for (int i = 0; i < 3; i++) {
                    bad[random.nextInt(within)] = (byte) random.nextInt(256);
                }
            }
        }
        return bad;
    }
}
