/** How much each weight matters to the language-model loss. */
@NullMarked
package dev.salient.saliency;

import org.jspecify.annotations.NullMarked;
