package dev.salient.generate;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.salient.tokenizer.Tokenizer;
import java.io.ByteArrayOutputStream;
import java.util.OptionalInt;

/** One token for each byte, and 256 as the end. */
final class ByteTokenizer implements Tokenizer {
    static final int END = 256;

    @Override
    public int[] encode(String text) {
        byte[] bytes = text.getBytes(UTF_8);
        int[] ids = new int[bytes.length];
        for (int i = 0; i < ids.length; i++) {
            ids[i] = bytes[i] & 0xFF;
        }
        return ids;
    }

    @Override
    public int[] encodeWithControlTokens(String text) {
        return encode(text);
    }

    @Override
    public String decode(int[] ids) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        for (int id : ids) {
            if (id != END) {
                bytes.write(id);
            }
        }
        return bytes.toString(UTF_8);
    }

    @Override
    public String token(int id) {
        return Integer.toString(id);
    }

    @Override
    public int vocabSize() {
        return END + 1;
    }

    @Override
    public OptionalInt leadingToken() {
        return OptionalInt.empty();
    }

    @Override
    public OptionalInt findId(String token) {
        return OptionalInt.empty();
    }
}
