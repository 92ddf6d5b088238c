package dev.salient.kernel;

import static dev.salient.tensor.Preconditions.require;

/**
 * Keys and values of one block for the tokens seen so far.
 *
 * <p>Both are cut into panels of {@code width} columns, so that attention is the same small product as a linear layer:
 * keys as [kvHead, position / width, channel, position % width], values as [kvHead, channel / width, position,
 * channel % width].
 */
public final class KvBlock {
    private final KvShape shape;
    private final CacheType type;
    private final int width;
    private final int positionPanels;
    private final int channelPanels;
    private final Store keys;
    private final Store values;

    KvBlock(KvShape shape, CacheType type, int width) {
        this.shape = shape;
        this.type = type;
        this.width = width;
        this.positionPanels = ceilDiv(shape.capacity(), width);
        this.channelPanels = ceilDiv(shape.headSize(), width);
        keys = new Store((long) shape.kvHeads() * positionPanels * shape.headSize() * width);
        values = new Store((long) shape.kvHeads() * channelPanels * shape.capacity() * width);
    }

    /** Keys or values. */
    private final class Store {
        final float[] floats;
        final short[] halves;
        final byte[] bytes;
        /** [kvHead, position], of bytes. */
        final float[] scales;

        Store(long count) {
            long scaleCount = (long) shape.kvHeads() * positionPanels * width;
            require(
                    Math.max(count, scaleCount) < Integer.MAX_VALUE - 8,
                    "cache: got a capacity of %d tokens, too large",
                    shape.capacity());
            floats = new float[type == CacheType.F32 ? (int) count : 0];
            halves = new short[type == CacheType.F16 ? (int) count : 0];
            bytes = new byte[type == CacheType.Q8 ? (int) count : 0];
            scales = new float[type == CacheType.Q8 ? (int) scaleCount : 0];
        }

        /** Takes a scale for one head of one token: 127 for its largest channel. */
        void scale(int at, float[] from, int first) {
            if (type == CacheType.Q8) {
                float largest = 0;
                for (int i = first; i < first + shape.headSize(); i++) {
                    largest = Math.max(largest, Math.abs(from[i]));
                }
                scales[at] = largest / 127;
            }
        }

        void set(int at, int scaleAt, float value) {
            switch (type) {
                case F32 -> floats[at] = value;
                case F16 -> halves[at] = Float.floatToFloat16(value);
                case Q8 -> bytes[at] = (byte) (scales[scaleAt] == 0 ? 0 : Math.round(value / scales[scaleAt]));
            }
        }

        float get(int at, int scaleAt) {
            return switch (type) {
                case F32 -> floats[at];
                case F16 -> Float.float16ToFloat(halves[at]);
                case Q8 -> scales[scaleAt] * bytes[at];
            };
        }
    }

    private static int ceilDiv(int a, int b) {
        return (a + b - 1) / b;
    }

    public KvShape shape() {
        return shape;
    }

    CacheType type() {
        return type;
    }

    /** Columns of a panel. */
    int width() {
        return width;
    }

    /** Panels of channels of a value head. */
    int channelPanels() {
        return channelPanels;
    }

    /** All keys, where they are fp32. */
    float[] keys() {
        return keys.floats;
    }

    /** All values, where they are fp32. */
    float[] values() {
        return values.floats;
    }

    /** Where the keys of the panel that begins at this position start, [headSize, width]. */
    int keyPanel(int kvHead, int position) {
        return (kvHead * positionPanels + position / width) * shape.headSize() * width;
    }

    /** Where the values of the panel that begins at this channel start, [capacity, width]. */
    int valuePanel(int kvHead, int channel) {
        return (kvHead * channelPanels + channel / width) * shape.capacity() * width;
    }

    private int scaleAt(int kvHead, int position) {
        return kvHead * positionPanels * width + position;
    }

    /** Widens a panel of keys, [headSize, width]. */
    void widenKeys(int kvHead, int position, float[] to, int at) {
        int from = keyPanel(kvHead, position);
        int count = shape.headSize() * width;
        if (type == CacheType.F16) {
            widen(keys.halves, from, to, at, count);
            return;
        }
        int scale = scaleAt(kvHead, position);
        for (int row = 0; row < count; row += width) {
            scaleColumns(keys.bytes, from + row, keys.scales, scale, to, at + row, width);
        }
    }

    /** Widens the values of some positions in the panel that begins at a channel, [positions, width]. */
    void widenValues(int kvHead, int channel, Positions positions, float[] to, int at) {
        int from = valuePanel(kvHead, channel) + positions.first() * width;
        int count = positions.count() * width;
        if (type == CacheType.F16) {
            widen(values.halves, from, to, at, count);
            return;
        }
        int scale = scaleAt(kvHead, positions.first());
        for (int row = 0; row < count; row += width) {
            scaleRow(values.bytes, from + row, values.scales[scale + row / width], to, at + row, width);
        }
    }

    private static void widen(short[] from, int first, float[] to, int at, int count) {
        for (int i = 0; i < count; i++) {
            to[at + i] = Float.float16ToFloat(from[first + i]);
        }
    }

    private static void scaleColumns(byte[] from, int first, float[] scales, int scale, float[] to, int at, int count) {
        for (int i = 0; i < count; i++) {
            to[at + i] = scales[scale + i] * from[first + i];
        }
    }

    private static void scaleRow(byte[] from, int first, float scale, float[] to, int at, int count) {
        for (int i = 0; i < count; i++) {
            to[at + i] = scale * from[first + i];
        }
    }

    float key(int kvHead, int position, int channel) {
        return keys.get(keyPanel(kvHead, position) + channel * width + position % width, scaleAt(kvHead, position));
    }

    float value(int kvHead, int position, int channel) {
        return values.get(valuePanel(kvHead, channel) + position * width + channel % width, scaleAt(kvHead, position));
    }

    /**
     * Stores the keys and values of some tokens.
     *
     * @param firstRow of key and value that holds the first of them
     * @param key [rows, kvHeads * headSize], rotated
     * @param value [rows, kvHeads * headSize]
     */
    public void put(Positions positions, int firstRow, float[] key, float[] value) {
        require(
                positions.end() <= shape.capacity(),
                "cache: got %d tokens, want at most %d",
                positions.end(),
                shape.capacity());
        int from = firstRow * shape.kvHeads() * shape.headSize();
        for (int position = positions.first(); position < positions.end(); position++) {
            for (int head = 0; head < shape.kvHeads(); head++) {
                int keyAt = keyPanel(head, position) + position % width;
                int scale = scaleAt(head, position);
                keys.scale(scale, key, from);
                values.scale(scale, value, from);
                for (int channel = 0; channel < shape.headSize(); channel++) {
                    keys.set(keyAt + channel * width, scale, key[from]);
                    values.set(valuePanel(head, channel) + position * width + channel % width, scale, value[from++]);
                }
            }
        }
    }
}
