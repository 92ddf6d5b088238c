package dev.salient.model;

/** The linear layers of a transformer block, in the order in which they run. */
public enum Linear {
    Q,
    K,
    V,
    O,
    GATE,
    UP,
    DOWN;

    /** Lower case, as users write it: {@code down}. */
    public String label() {
        return name().toLowerCase(java.util.Locale.ROOT);
    }

    /** Output channels of this linear in a model of these sizes. */
    public int out(ModelConfig config) {
        return switch (this) {
            case Q -> config.headCount() * config.headSize();
            case K, V -> config.kvHeadCount() * config.headSize();
            case O, DOWN -> config.hiddenSize();
            case GATE, UP -> config.ffnSize();
        };
    }

    /** Input channels of this linear in a model of these sizes. */
    public int in(ModelConfig config) {
        return switch (this) {
            case Q, K, V, GATE, UP -> config.hiddenSize();
            case O -> config.headCount() * config.headSize();
            case DOWN -> config.ffnSize();
        };
    }
}
