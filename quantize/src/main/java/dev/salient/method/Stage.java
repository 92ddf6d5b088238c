package dev.salient.method;

import static dev.salient.method.Settings.require;

/**
 * One stage of a block's training.
 *
 * @param terms of the output loss, in a stage that has one
 * @param adapterRate learning rate of the adapters
 * @param clippingRate learning rate of the clipping logits
 * @param weightRate learning rate of the weights that are rounded, without decay; 0 leaves them as they were
 * @param decay AdamW's decoupled weight decay, of adapters and clipping
 * @param cosine whether rates follow a cosine to zero over the stage, after 3 % of warm-up
 */
public record Stage(
        Objective objective,
        Terms terms,
        int epochs,
        double adapterRate,
        double clippingRate,
        double weightRate,
        double decay,
        boolean cosine) {
    public Stage {
        require(
                terms.equals(Terms.NONE) || objective.fitsOutput(),
                "stage %s: got sw or attention, want opt or mixed for them",
                objective.label());
        require(epochs >= 0, "epochs: got %d, want 0 or more", epochs);
        require(adapterRate >= 0, "adapter rate: got %s, want 0 or more", adapterRate);
        require(clippingRate >= 0, "clipping rate: got %s, want 0 or more", clippingRate);
        require(weightRate >= 0, "weight rate: got %s, want 0 or more", weightRate);
        require(decay >= 0, "decay: got %s, want 0 or more", decay);
    }

    /** What a stage minimises (ULB-SAPR, section 3). */
    public enum Objective {
        /** {@code lambda reg}: weights stay near the original's, where saliency is high. */
        PRESERVE("wpt"),
        /** Output loss and {@code lambda reg}. */
        MIXED("mixed"),
        /** Output loss alone. */
        OUTPUT("opt");

        private final String label;

        Objective(String label) {
            this.label = label;
        }

        /** The paper's short name, as users write it. */
        public String label() {
            return label;
        }

        public boolean preserves() {
            return this != OUTPUT;
        }

        public boolean fitsOutput() {
            return this != PRESERVE;
        }
    }
}
