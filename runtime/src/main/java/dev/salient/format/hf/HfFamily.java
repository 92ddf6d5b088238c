package dev.salient.format.hf;

import dev.salient.model.Family;

/** The architectures that Transformers calls by these names, with what it takes where a {@code config.json} says nothing. */
enum HfFamily {
    LLAMA("LlamaForCausalLM", "llama", Family.LLAMA, 2048),
    MISTRAL("MistralForCausalLM", "mistral", Family.MISTRAL, 131072),
    QWEN2("Qwen2ForCausalLM", "qwen2", Family.QWEN2, 32768),
    QWEN3("Qwen3ForCausalLM", "qwen3", Family.QWEN3, 32768),
    /** Computes as LLaMA does, or as Mistral; only its weights are stored in fewer tensors. */
    PHI3("Phi3ForCausalLM", "phi3", Family.LLAMA, 4096),
    GEMMA2("Gemma2ForCausalLM", "gemma2", Family.GEMMA2, 8192),
    GEMMA3("Gemma3ForCausalLM", "gemma3_text", Family.GEMMA3, 131072);

    private final String architecture;
    private final String modelType;
    private final Family family;
    private final int context;

    HfFamily(String architecture, String modelType, Family family, int context) {
        this.architecture = architecture;
        this.modelType = modelType;
        this.family = family;
        this.context = context;
    }

    String architecture() {
        return architecture;
    }

    String modelType() {
        return modelType;
    }

    Family family() {
        return family;
    }

    int context() {
        return context;
    }

    boolean gemma() {
        return this == GEMMA2 || this == GEMMA3;
    }

    /** Channels of a head; 0 where they follow from the hidden size. */
    int headSize() {
        return switch (this) {
            case QWEN3 -> 128;
            case GEMMA2, GEMMA3 -> 256;
            case LLAMA, MISTRAL, QWEN2, PHI3 -> 0;
        };
    }
}
