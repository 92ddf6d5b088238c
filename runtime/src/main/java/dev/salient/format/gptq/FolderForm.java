package dev.salient.format.gptq;

import dev.salient.tensor.DType;

/**
 * What is left open by the weights of a GPTQ-format folder.
 *
 * @param plain the type of embeddings and head where they were in groups, which the format has not for them
 */
record FolderForm(ZeroPoints zeroPoints, DType plain) {
    static final FolderForm USUAL = new FolderForm(ZeroPoints.AUTO, DType.F16);
}
