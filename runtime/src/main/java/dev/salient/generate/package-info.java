/** Text from a model: samplers, sessions that keep their cache, streaming. */
@NullMarked
package dev.salient.generate;

import org.jspecify.annotations.NullMarked;
