/** Models on a hub: fetched into the cache folder that {@code huggingface_hub} uses too. */
@NullMarked
package dev.salient.hub;

import org.jspecify.annotations.NullMarked;
