package dev.salient.format.gguf;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.salient.format.FormatException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;

/** A place in a GGUF header that moves on with each value read; never past the file's end. */
final class GgufCursor {
    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private static final VarHandle IN_ARRAY =
            MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

    /** Bytes of texts that are taken over at once. */
    private static final int PIECE_BYTES = 1 << 16;

    private final String place;
    private final MemorySegment file;
    private long at;

    GgufCursor(String place, MemorySegment file, long at) {
        this.place = place;
        this.file = file;
        this.at = at;
    }

    long position() {
        return at;
    }

    private long take(long bytes) throws FormatException {
        if (bytes < 0 || bytes > file.byteSize() - at) {
            throw new FormatException(
                    "%s: byte %d: got the end of the file, want %s bytes more",
                    place, at, Long.toUnsignedString(bytes));
        }
        long from = at;
        at += bytes;
        return from;
    }

    void skip(long bytes) throws FormatException {
        take(bytes);
    }

    int readByte() throws FormatException {
        return file.get(ValueLayout.JAVA_BYTE, take(1));
    }

    int readShort() throws FormatException {
        return file.get(SHORT, take(2));
    }

    int readInt() throws FormatException {
        return file.get(INT, take(4));
    }

    long readLong() throws FormatException {
        return file.get(LONG, take(8));
    }

    /** A count of things that take at least {@code bytesEach} bytes: more than fit the file are refused. */
    long readCount(String what, int bytesEach) throws FormatException {
        long count = readLong();
        long most = (file.byteSize() - at) / bytesEach;
        if (count < 0 || count > most) {
            throw new FormatException(
                    "%s: got %s %s, want at most the %d that fit the file",
                    place, Long.toUnsignedString(count), what, most);
        }
        return count;
    }

    String readString() throws FormatException {
        long bytes = readCount("bytes of text", 1);
        if (bytes > Integer.MAX_VALUE - 16) {
            throw new FormatException("%s: byte %d: got a text of %d bytes, want less", place, at, bytes);
        }
        return new String(file.asSlice(take(bytes), bytes).toArray(ValueLayout.JAVA_BYTE), UTF_8);
    }

    /** Texts one after the other; the file's bytes are taken over in pieces, since a text on its own costs more to reach than to read. */
    List<String> readStrings(int count) throws FormatException {
        List<String> texts = new ArrayList<>(count);
        byte[] piece = {};
        long start = at;
        while (texts.size() < count) {
            long left = start + piece.length - at;
            int from = (int) (at - start);
            int bytes = left < Long.BYTES ? Integer.MAX_VALUE : length(piece, from);
            if (bytes > left - Long.BYTES) {
                texts.add(readString());
                start = at;
                piece = file.asSlice(at, Math.min(PIECE_BYTES, file.byteSize() - at))
                        .toArray(ValueLayout.JAVA_BYTE);
            } else {
                texts.add(new String(piece, from + Long.BYTES, bytes, UTF_8));
                take(Long.BYTES + bytes);
            }
        }
        return texts;
    }

    /** The length before a text, as far as an int holds it. */
    private static int length(byte[] piece, int from) {
        long bytes = (long) IN_ARRAY.get(piece, from);
        return bytes < 0 || bytes > Integer.MAX_VALUE ? Integer.MAX_VALUE : (int) bytes;
    }
}
