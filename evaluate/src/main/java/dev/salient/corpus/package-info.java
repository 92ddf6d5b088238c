/** Text as one stream of tokens, and windows of it: random ones to calibrate on, adjacent ones to measure on. */
@NullMarked
package dev.salient.corpus;

import org.jspecify.annotations.NullMarked;
