package dev.salient.model;

/**
 * LLaMA 3's stretching of the rotary wavelengths beyond the context of pretraining.
 *
 * @param factor how much long wavelengths are stretched
 * @param lowFrequencyFactor wavelengths longer than {@code originalContext / lowFrequencyFactor} are stretched fully
 * @param highFrequencyFactor wavelengths shorter than {@code originalContext / highFrequencyFactor} are left alone
 * @param originalContext tokens of context in pretraining
 */
public record RopeScaling(double factor, double lowFrequencyFactor, double highFrequencyFactor, int originalContext) {

    /** The frequency in radians per token after stretching. */
    public double scale(double frequency) {
        double wavelength = 2 * Math.PI / frequency;
        if (wavelength < originalContext / highFrequencyFactor) {
            return frequency;
        }
        if (wavelength > originalContext / lowFrequencyFactor) {
            return frequency / factor;
        }
        double smooth =
                (originalContext / wavelength - lowFrequencyFactor) / (highFrequencyFactor - lowFrequencyFactor);
        return (1 - smooth) * frequency / factor + smooth * frequency;
    }
}
