package dev.salient.model;

import java.util.ArrayList;
import java.util.List;

/** The RMSNorms of a transformer block, in the order in which they run. */
public enum Norm {
    /** Before attention. */
    ATTENTION,
    /** Of each head's queries. */
    QUERY,
    /** Of each head's keys. */
    KEY,
    /** Of what attention gives. */
    ATTENTION_OUTPUT,
    /** Before the MLP. */
    MLP,
    /** Of what the MLP gives. */
    MLP_OUTPUT;

    /** The norms that blocks of a family have. */
    public static List<Norm> of(Family family) {
        List<Norm> norms = new ArrayList<>();
        for (Norm norm : values()) {
            boolean has = switch (norm) {
                case ATTENTION, MLP -> true;
                case QUERY, KEY -> family.headNorms();
                case ATTENTION_OUTPUT, MLP_OUTPUT -> family.outputNorms();
            };
            if (has) {
                norms.add(norm);
            }
        }
        return norms;
    }

    /** Channels that this norm scales in a model of these sizes. */
    public int channels(ModelConfig config) {
        return switch (this) {
            case ATTENTION, ATTENTION_OUTPUT, MLP, MLP_OUTPUT -> config.hiddenSize();
            case QUERY, KEY -> config.headSize();
        };
    }

    /** Lower case: {@code attention_output}. */
    public String label() {
        return name().toLowerCase(java.util.Locale.ROOT);
    }
}
