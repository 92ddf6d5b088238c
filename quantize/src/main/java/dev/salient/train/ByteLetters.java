package dev.salient.train;

import java.nio.charset.StandardCharsets;

/**
 * GPT-2's letters for bytes: printable bytes of Latin-1 stand for themselves, the others for the letters from U+0100
 * on, so that a vocabulary of byte strings can be written as text.
 */
final class ByteLetters {
    private static final char[] LETTERS = letters();

    private ByteLetters() {}

    private static char[] letters() {
        char[] letters = new char[256];
        char next = 0x100;
        for (int b = 0; b < letters.length; b++) {
            boolean printable = (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
            letters[b] = printable ? (char) b : next++;
        }
        return letters;
    }

    /** The letter of a byte, 0 to 255. */
    static String letter(int value) {
        return String.valueOf(LETTERS[value]);
    }

    /** A text's UTF-8 bytes, each 0 to 255. */
    static int[] bytes(String text) {
        byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
        int[] bytes = new int[utf8.length];
        for (int i = 0; i < bytes.length; i++) {
            bytes[i] = Byte.toUnsignedInt(utf8[i]);
        }
        return bytes;
    }
}
