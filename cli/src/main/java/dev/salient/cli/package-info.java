/** The program: the only main, the only printing, the only exit codes. */
@NullMarked
package dev.salient.cli;

import org.jspecify.annotations.NullMarked;
