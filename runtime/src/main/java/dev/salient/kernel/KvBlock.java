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
    private final int width;
    private final int positionPanels;
    private final int channelPanels;
    private final float[] keys;
    private final float[] values;

    KvBlock(KvShape shape, int width) {
        this.shape = shape;
        this.width = width;
        this.positionPanels = ceilDiv(shape.capacity(), width);
        this.channelPanels = ceilDiv(shape.headSize(), width);
        this.keys = allocate((long) shape.kvHeads() * positionPanels * shape.headSize() * width);
        this.values = allocate((long) shape.kvHeads() * channelPanels * shape.capacity() * width);
    }

    private float[] allocate(long count) {
        require(count < Integer.MAX_VALUE - 8, "cache: got a capacity of %d tokens, too large", shape.capacity());
        return new float[(int) count];
    }

    private static int ceilDiv(int a, int b) {
        return (a + b - 1) / b;
    }

    public KvShape shape() {
        return shape;
    }

    /** Columns of a panel. */
    int width() {
        return width;
    }

    /** Panels of channels of a value head. */
    int channelPanels() {
        return channelPanels;
    }

    float[] keys() {
        return keys;
    }

    float[] values() {
        return values;
    }

    /** Where the keys of the panel that begins at this position start, [headSize, width]. */
    int keyPanel(int kvHead, int position) {
        return (kvHead * positionPanels + position / width) * shape.headSize() * width;
    }

    /** Where the values of the panel that begins at this channel start, [capacity, width]. */
    int valuePanel(int kvHead, int channel) {
        return (kvHead * channelPanels + channel / width) * shape.capacity() * width;
    }

    float key(int kvHead, int position, int channel) {
        return keys[keyPanel(kvHead, position) + channel * width + position % width];
    }

    float value(int kvHead, int position, int channel) {
        return values[valuePanel(kvHead, channel) + position * width + channel % width];
    }

    /**
     * Stores the keys and values of some tokens.
     *
     * @param key [tokens, kvHeads * headSize], rotated
     * @param value [tokens, kvHeads * headSize]
     */
    public void put(Positions positions, float[] key, float[] value) {
        require(
                positions.end() <= shape.capacity(),
                "cache: got %d tokens, want at most %d",
                positions.end(),
                shape.capacity());
        int from = 0;
        for (int position = positions.first(); position < positions.end(); position++) {
            for (int head = 0; head < shape.kvHeads(); head++) {
                int keyAt = keyPanel(head, position) + position % width;
                for (int channel = 0; channel < shape.headSize(); channel++) {
                    keys[keyAt + channel * width] = key[from];
                    values[valuePanel(head, channel) + position * width + channel % width] = value[from++];
                }
            }
        }
    }
}
