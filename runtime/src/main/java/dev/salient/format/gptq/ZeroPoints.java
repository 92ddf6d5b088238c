package dev.salient.format.gptq;

/** How a GPTQ-format folder stores its zero points. */
public enum ZeroPoints {
    /** Less 1 where every one is the middle of its grid, otherwise as they are. */
    AUTO,
    /** Less 1, as the format's first version has them: none may be 0. */
    GPTQ,
    /** As they are, the second version. */
    GPTQ_V2
}
