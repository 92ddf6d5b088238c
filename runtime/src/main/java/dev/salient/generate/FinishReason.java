package dev.salient.generate;

/** Why a generation ended. */
public enum FinishReason {
    /** The model gave one of the end tokens. */
    STOP_TOKEN,
    /** The text came to one of the stop strings. */
    STOP_STRING,
    /** As many tokens as were asked for. */
    LENGTH,
    /** The context is full. */
    CONTEXT
}
