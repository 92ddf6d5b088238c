/** One door to models on disk, and what lies behind it. */
@NullMarked
package dev.salient.format;

import org.jspecify.annotations.NullMarked;
