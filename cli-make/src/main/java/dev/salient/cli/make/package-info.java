/** The commands that need libtorch. */
@NullMarked
package dev.salient.cli.make;

import org.jspecify.annotations.NullMarked;
